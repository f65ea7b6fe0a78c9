# SPDX-License-Identifier: MIT
"""Sign images with the user's GnuPG, and verify signatures, as AppImageUpdate does.

What is signed are the 64 hexadecimal digits of the SHA-256 of the file, the sections of the signature and of the key
being zeros in it (AppImageUpdate, ``src/util/updatableappimage.cpp``). Both are embedded, armored.
"""

from __future__ import annotations

import os
import re
import shutil
from base64 import b64encode
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import Enum
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import wrap
from typing import TYPE_CHECKING

from hatch_appimage import PASSPHRASE
from hatch_appimage.appdir.appimage_self.errors import SelfError
from hatch_appimage.appdir.appimage_self.openpgp import CERTIFICATION_REVOCATION, read_certificate, read_signature
from hatch_appimage.appdir.appimage_self.openpgp import SIGNATURE as SIGNATURE_PACKET
from hatch_appimage.appdir.appimage_self.packets import read_packets, remove_armor
from hatch_appimage.errors import AppImageError
from hatch_appimage.format import KEY, SIGNATURE, file_digest, find_sections, read_section, write_section
from hatch_appimage.process import ProcessError, run

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hatch_appimage.appdir.appimage_self.openpgp import Signature
    from hatch_appimage.appdir.appimage_self.packets import Packet
    from hatch_appimage.image.write import Image

_SIGNATURE_LIMIT = 1023
_KEY_LIMIT = 8191


@dataclass(frozen=True)
class Signer:
    """A key that can sign.

    Attributes:
        gpg: the program.
        fingerprint: of the key that signs, possibly a subkey.
        public_key: armored.

    """

    gpg: Path
    fingerprint: str
    public_key: bytes

    @classmethod
    def find(cls, key: str | None) -> Signer:
        """Find a key and see that all it makes fits into an image, by signing something: before anything is built.

        Args:
            key: as gpg takes it: a fingerprint, an id, a name; None for gpg's default key.

        Raises:
            AppImageError: there is no gpg, no such key, its passphrase is not known, or it is too large.

        """
        found = shutil.which("gpg") or shutil.which("gpg2")
        if found is None:
            raise AppImageError("Images are signed with GnuPG, and there is no `gpg` here: install the package `gnupg`")
        gpg = Path(found)
        with TemporaryDirectory(prefix="hatch-appimage-sign-") as directory:
            digits = Path(directory, "digits")
            digits.write_text("0" * 64)
            status = _sign(gpg, key, digits, Path(directory, "signature"), armor=True)
            size = Path(directory, "signature").stat().st_size
        match = re.search(r"^\[GNUPG:\] SIG_CREATED D (?:\S+ ){4}(\S+)$", status, re.MULTILINE)
        if match is None:
            raise AppImageError("gpg made a signature without saying by which key")
        public_key = _export(gpg, match[1])
        for what, length, limit in (("signature", size, _SIGNATURE_LIMIT), ("key", len(public_key), _KEY_LIMIT)):
            if length > limit:
                raise AppImageError(
                    f"The {what} of {match[1]} has {length} bytes, and images have room for {limit}: "
                    f"sign with a smaller key (Ed25519, or RSA with 4096 bits at most)"
                )
        return cls(gpg, match[1], public_key)


def _export(gpg: Path, fingerprint: str) -> bytes:
    """Return a public key, armored: with what keys say whose place it takes, unless they have taken it back.

    The exclamation mark leaves all other subkeys out; other signatures of others are of no use here.
    """
    command: list[str | Path] = [gpg, "--batch", "--armor", "--export", f"{fingerprint}!"]
    minimal = run([*command, "--export-options", "export-minimal"], doing="export the public key").encode()
    everything = run([*command, "--export-options", "no-export-minimal"], doing="export the public key").encode()
    own = _packets(minimal)
    statements = {packet: read for packet in _packets(everything) if (read := _read(packet))}
    taken_back = {each.issuer for each in statements.values() if each.type == CERTIFICATION_REVOCATION}
    named = {packet for packet, each in statements.items() if each.names_successor and each.issuer not in taken_back}
    packets = [packet for packet in _packets(everything) if packet in own or packet in named]
    return minimal if len(packets) == len(own) else _armor(packets)


def _packets(armored: bytes) -> list[Packet]:
    try:
        return list(read_packets(remove_armor(armored.strip(), "PUBLIC KEY BLOCK")))
    except SelfError as error:
        raise AppImageError(f"The public key that gpg exports cannot be read: {error}") from error


def _read(packet: Packet) -> Signature | None:
    """Return the signature that a packet is; None for any other, and for a kind that images do not verify."""
    try:
        return read_signature(packet.body) if packet.tag == SIGNATURE_PACKET else None
    except SelfError:
        return None


def _armor(packets: list[Packet]) -> bytes:
    """Return packets as a public key in armor (RFC 9580, sections 4.2.1 and 6.2)."""
    data = b"".join(
        bytes([0xC0 | packet.tag, 0xFF]) + len(packet.body).to_bytes(4, "big") + packet.body for packet in packets
    )
    lines = "\n".join(wrap(b64encode(data).decode(), 64))
    return f"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n{lines}\n-----END PGP PUBLIC KEY BLOCK-----\n".encode()


def _sign(gpg: Path, key: str | None, file: Path, signature: Path, *, armor: bool) -> str:
    """Write a detached signature and return gpg's status lines."""
    command: list[str | Path] = [gpg, "--batch", "--yes", "--status-fd", "1", "--output", signature]
    passphrase = os.environ.get(PASSPHRASE)
    if passphrase is not None:
        command += ["--pinentry-mode", "loopback", "--passphrase-fd", "0"]
    if key is not None:
        command += ["--local-user", key]
    command += [*(["--armor"] if armor else []), "--detach-sign", file]
    try:
        return run(command, doing="sign", stdin=passphrase)
    except ProcessError as error:
        reason = next((line for line in error.output.splitlines() if line.startswith("gpg: ")), str(error))
        hint = "" if passphrase is not None else f"; in CI, {PASSPHRASE} has its passphrase"
        raise AppImageError(f"Cannot sign with {key or 'the default key'}: {reason}{hint}") from error


def sign_image(image: Image, signer: Signer) -> Image:
    """Embed a signature and its key in a finished image, and put a detached signature of the whole file beside it.

    Returns:
        the image as it is now.

    Raises:
        AppImageError: gpg fails, the runtime has no room, or the signature does not verify.

    """
    sign_file(image.path, signer)
    return replace(image, sha256=file_digest(image.path, sha256()).hex())


def sign_file(path: Path, signer: Signer) -> Path:
    """Write a detached signature of a file, and return its path."""
    sections = find_sections(path)
    check_room(path.name, sections)
    for name in (SIGNATURE, KEY):
        write_section(path, sections, name, b"")
    with TemporaryDirectory(prefix="hatch-appimage-sign-") as directory:
        digits, signature = Path(directory, "digits"), Path(directory, "signature")
        digits.write_text(file_digest(path, sha256()).hex())
        _sign(signer.gpg, f"{signer.fingerprint}!", digits, signature, armor=True)
        write_section(path, sections, SIGNATURE, signature.read_bytes())
    write_section(path, sections, KEY, signer.public_key)
    verification = verify_signature(path)
    if verification.state is not State.GOOD:
        raise AppImageError(f"The signature that was made for {path.name} does not verify: {verification.detail}")
    detached = path.with_name(f"{path.name}.sig")
    _sign(signer.gpg, f"{signer.fingerprint}!", path, detached, armor=False)
    return detached


def check_verifiable(signer: Signer) -> None:
    """See that images that manage themselves can verify what a key signs, which they do without gpg.

    Raises:
        AppImageError: they cannot.

    """
    try:
        certificate = read_certificate(remove_armor(signer.public_key.strip(), "PUBLIC KEY BLOCK"))
    except SelfError as error:
        raise AppImageError(f"Images with `manage` cannot verify what {signer.fingerprint} signs: {error}") from error
    if all(key.fingerprint != signer.fingerprint for key, _ in certificate.signers):
        raise AppImageError(f"Images with `manage` cannot verify what {signer.fingerprint} signs: it may not sign")


def check_room(name: str, sections: Mapping[str, tuple[int, int]]) -> None:
    """See that a runtime's sections are as verifiers need them: one right behind the other.

    AppImageUpdate miscounts where there is a gap between them.

    Args:
        name: of the image or the runtime, for the error.
        sections: offset and size of its sections.

    Raises:
        AppImageError: they are not.

    """
    if SIGNATURE not in sections or KEY not in sections:
        raise AppImageError(f"{name} cannot be signed: its runtime has no sections `{SIGNATURE}` and `{KEY}`")
    offset, size = sections[SIGNATURE]
    if offset + size != sections[KEY][0]:
        raise AppImageError(f"{name} cannot be signed: `{KEY}` does not follow right after `{SIGNATURE}`")


class State(Enum):
    """What is to be said of an image's signature."""

    GOOD = "good"
    UNSIGNED = "unsigned"
    BAD = "bad"
    #: It is there, but gpg is not.
    UNKNOWN = "not verified"


@dataclass(frozen=True)
class Verification:
    """What is to be said of an image's signature.

    Attributes:
        state: in a word.
        fingerprint: of the key that signed, possibly a subkey; empty if there is no good signature.
        primary: of the key that it belongs to.
        owner: the key's first user id.
        detail: why it is bad, as messages say it.

    """

    state: State
    fingerprint: str = ""
    primary: str = ""
    owner: str = ""
    detail: str = ""


def verify_signature(path: Path) -> Verification:
    """Verify an image's embedded signature with its embedded key, as AppImageUpdate does.

    The key is taken into a key ring that is gone afterwards: it proves that whoever has the key made this image, not
    who that is.

    Raises:
        AppImageError: it is no AppImage.

    """
    signature, key = read_section(path, SIGNATURE), read_section(path, KEY)
    if not signature:
        return Verification(State.UNSIGNED, detail="there is no signature")
    if not signature.startswith(b"-----BEGIN PGP SIGNATURE-----"):
        return Verification(State.UNSIGNED, detail="the signature section holds no signature")
    gpg = shutil.which("gpg") or shutil.which("gpg2")
    if gpg is None:
        return Verification(State.UNKNOWN, detail="gpg is needed to verify it")
    places = find_sections(path)
    digits = file_digest(path, sha256(), [places[name] for name in (SIGNATURE, KEY) if name in places]).hex()
    with _key_ring() as (home, files):
        for name, data in (("key", key), ("signature", signature), ("digits", digits.encode())):
            (files / name).write_bytes(data)
        base = [gpg, "--homedir", str(home), "--batch", "--no-autostart", "--status-fd", "1"]
        status = _run([*base, "--import", str(files / "key")])
        status += _run([*base, "--trust-model", "always", "--verify", str(files / "signature"), str(files / "digits")])
    return _read_status(status)


def _read_status(status: str) -> Verification:
    """Understand what gpg says (GnuPG, doc/DETAILS, "Format of the --status-fd output")."""
    if len(re.findall(r"^\[GNUPG:\] NEWSIG\b", status, re.MULTILINE)) > 1:
        # AppImageUpdate would never come to an end (src/signing/signaturevalidator.cpp).
        return Verification(State.BAD, detail="there is more than one signature")
    good = re.search(r"^\[GNUPG:\] GOODSIG \S+ (.*)$", status, re.MULTILINE)
    valid = re.search(r"^\[GNUPG:\] VALIDSIG (\S+)(?: \S+)* (\S+)$", status, re.MULTILINE)
    if good and valid:
        return Verification(State.GOOD, valid[1], valid[2], good[1])
    reasons = {
        "BADSIG": "the image was changed after it was signed",
        "NO_PUBKEY": "the key that is embedded is not the one that signed",
        "EXPKEYSIG": "the key has expired",
        "REVKEYSIG": "the key was revoked",
        "EXPSIG": "the signature has expired",
    }
    found = (reason for word, reason in reasons.items() if f"[GNUPG:] {word}" in status)
    return Verification(State.BAD, detail=next(found, "the signature cannot be read"))


def _run(command: list[str]) -> str:
    try:
        return run(command, doing="verify")
    except ProcessError as error:
        return error.output + "\n"


@contextmanager
def _key_ring() -> Iterator[tuple[Path, Path]]:
    """Provide a new GnuPG home and a directory for files."""
    # The path of its sockets may have 107 bytes, which some temporary directories exceed.
    with TemporaryDirectory(prefix="ha-gpg-") as directory:
        home = Path(directory, "home")
        home.mkdir(mode=0o700)
        yield home, Path(directory)
