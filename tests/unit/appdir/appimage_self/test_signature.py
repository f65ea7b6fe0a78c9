# SPDX-License-Identifier: MIT
"""Signatures of gpg, verified without it; and an update that another key, or nobody, has signed."""

from __future__ import annotations

import shutil
import struct
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hatch_appimage.appdir.appimage_self import ed25519, engine
from hatch_appimage.appdir.appimage_self.elf import read_runtime
from hatch_appimage.appdir.appimage_self.errors import SelfError
from hatch_appimage.appdir.appimage_self.openpgp import read_certificate, read_key, read_signature
from hatch_appimage.appdir.appimage_self.packets import Packet, read_packets, remove_armor
from hatch_appimage.appdir.appimage_self.signature import verify
from hatch_appimage.errors import AppImageError
from hatch_appimage.format import KEY, SIGNATURE, find_sections, read_section, write_section
from hatch_appimage.image.sign import Signer, State, check_verifiable, sign_file, verify_signature
from support.keys import gpg, make_key
from support.update_images import make_version

if TYPE_CHECKING:
    from hatch_appimage.appdir.appimage_self.signature import Signed

# RFC 8032, section 7.1, tests 2 and 3: key, message, signature.
VECTORS = (
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        (
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
            "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
        ),
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        (
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
            "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
        ),
    ),
)
ORDER = 2**252 + 27742317777372353535851937790883648493


def verified(path: Path) -> Signed | None:
    with path.open("rb") as file:
        return verify(file)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return make_version(tmp_path / "image", "1.0", "zsync|https://example.org/a.zsync").path


class TestEd25519:
    @pytest.mark.parametrize(("key", "message", "signature"), VECTORS)
    def test_vectors(self, key: str, message: str, signature: str) -> None:
        assert ed25519.verify(bytes.fromhex(key), bytes.fromhex(message), bytes.fromhex(signature))
        assert not ed25519.verify(bytes.fromhex(key), b"other", bytes.fromhex(signature))

    def test_only_one_form(self) -> None:
        """The same signature with the group's order added to its number is another one that proves nothing."""
        key, message, signature = map(bytes.fromhex, VECTORS[0])
        number = int.from_bytes(signature[32:], "little") + ORDER
        assert not ed25519.verify(key, message, signature[:32] + number.to_bytes(32, "little"))
        assert not ed25519.verify(key, message, signature[:-1])
        assert not ed25519.verify(bytes([0xEE]) + b"\xff" * 30 + b"\x7f", message, signature)


class TestVerify:
    @pytest.mark.usefixtures("gnupg_home")
    @pytest.mark.parametrize("kind", ["ed25519", "rsa4096"])
    def test_good_and_bad(self, image: Path, kind: str) -> None:
        assert verified(image) is None
        fingerprint = make_key(kind)
        signer = Signer.find(fingerprint)
        check_verifiable(signer)
        sign_file(image, signer)
        signed = verified(image)
        assert signed is not None
        assert (signed.fingerprint, signed.primary) == (fingerprint, fingerprint)
        whole = image.read_bytes()
        for place in (100, len(whole) // 2, len(whole) - 1):
            damaged = bytearray(whole)
            damaged[place] ^= 1
            image.write_bytes(damaged)
            with pytest.raises(SelfError, match="was changed after it was signed"):
                verified(image)

    @pytest.mark.usefixtures("gnupg_home")
    def test_subkey(self, image: Path) -> None:
        """What signs is a subkey, and who signs is the key that it belongs to."""
        primary = make_key("ed25519")
        gpg("--pinentry-mode", "loopback", "--passphrase", "", "--quick-add-key", primary, "rsa2048", "sign")
        signer = Signer.find(primary)
        assert signer.fingerprint != primary
        check_verifiable(signer)
        sign_file(image, signer)
        signed = verified(image)
        assert signed is not None
        assert (signed.fingerprint, signed.primary) == (signer.fingerprint, primary)

    @pytest.mark.usefixtures("gnupg_home")
    def test_another_key_inside(self, image: Path) -> None:
        """Whoever changes the image has to sign it anew, by a key of theirs."""
        sign_file(image, Signer.find(make_key("ed25519", "Ada")))
        other = Signer.find(make_key("ed25519", "Eve"))
        write_section(image, find_sections(image), KEY, other.public_key)
        with pytest.raises(SelfError, match="another key signed it"):
            verified(image)

    @pytest.mark.usefixtures("gnupg_home")
    def test_subkey_without_its_consent(self) -> None:
        """A key that says another's signing key to be its own is not believed: it would be the signer of all of it."""
        primary = make_key("ed25519", "Ada")
        gpg("--pinentry-mode", "loopback", "--passphrase", "", "--quick-add-key", primary, "ed25519", "sign")
        exported = remove_armor(Signer.find(primary).public_key, "PUBLIC KEY BLOCK")
        packets = list(read_packets(exported))
        binding = read_signature(packets[-1].body)
        assert binding.embedded
        start = packets[-1].body.index(binding.embedded[0])
        body = bytearray(packets[-1].body)
        body[start + len(binding.embedded[0]) - 1] ^= 1  # the back signature, which is not signed itself
        good = read_certificate(exported)
        assert len(good.signers) == 2
        forged = exported[: -len(body)] + bytes(body)
        assert len(read_certificate(forged).signers) == 1

    def test_revoked(self, gnupg_home: Path, image: Path) -> None:
        fingerprint = make_key("ed25519")
        sign_file(image, Signer.find(fingerprint))
        revocation = (gnupg_home / "openpgp-revocs.d" / f"{fingerprint}.rev").read_text().replace(":-----", "-----")
        (gnupg_home / "revocation").write_text(revocation)
        gpg("--import", gnupg_home / "revocation")
        exported = gpg("--armor", "--export-options", "export-minimal", "--export", fingerprint)
        write_section(image, find_sections(image), KEY, exported.encode())
        with pytest.raises(SelfError, match="was revoked"):
            verified(image)

    @pytest.mark.usefixtures("gnupg_home")
    def test_kind_that_is_not_known(self, image: Path) -> None:
        signer = Signer.find(make_key("nistp256"))
        with pytest.raises(AppImageError, match=f"cannot verify what {signer.fingerprint} signs: the key is of a kind"):
            check_verifiable(signer)
        sign_file(image, signer)
        with pytest.raises(SelfError, match="RSA and Ed25519 can"):
            verified(image)

    @pytest.mark.usefixtures("gnupg_home")
    def test_two_signatures(self, image: Path) -> None:
        sign_file(image, Signer.find(make_key("ed25519")))
        text = read_section(image, SIGNATURE)
        write_section(image, find_sections(image), SIGNATURE, text + text)
        with pytest.raises(SelfError, match="no signature in armor"):
            verified(image)

    @pytest.mark.parametrize("cut", range(0, 120, 7))
    def test_damaged_packets(self, cut: int) -> None:
        """Whatever is cut off, it is an error in words."""
        body = bytes.fromhex(
            "0400160800" + "2b" + "1621" + "04" + "11" * 20 + "0502" + "65000000" + "000a0910" + "1111111111111111"
        )
        with pytest.raises(SelfError):
            read_signature(body[:cut])
        with pytest.raises(SelfError):
            read_key(body[:cut])

    @pytest.mark.parametrize(
        "data", [b"\x00", b"\xc2", b"\xc2\xe0", b"\xc2\xff\xff\xff\xff\xff", b"\x8b", b"\xc2\x05abc"]
    )
    def test_damaged_lengths(self, data: bytes) -> None:
        with pytest.raises(SelfError):
            list(read_packets(data))

    def test_both_forms_of_packets(self) -> None:
        assert list(read_packets(b"\xc2\x01a\x88\x01b")) == [Packet(2, b"a"), Packet(2, b"b")]


class TestGenuine:
    """What becomes of an update by who signed it."""

    @pytest.mark.usefixtures("gnupg_home")
    def test_keys(self, tmp_path: Path) -> None:
        ada, eve = Signer.find(make_key("ed25519", "Ada")), Signer.find(make_key("ed25519", "Eve"))
        line = "zsync|https://example.org/a.zsync"
        old, new, foreign, bare = (
            make_version(tmp_path / name, version, line, signer=signer).path
            for name, version, signer in (("a", "1.0", ada), ("b", "2.0", ada), ("c", "2.0", eve), ("d", "2.0", None))
        )
        machine = int.from_bytes(old.read_bytes()[18:20], "little")
        signed = verified(old)
        assert signed is not None

        def check(path: Path, before: Signed | None = signed, *, asked: bool = False) -> Signed | None:
            with path.open("rb") as file:
                return engine.check_genuine(file, machine, before, older=asked)

        assert check(new) == verified(new)
        with pytest.raises(SelfError, match="another key signed it"):
            check(foreign)
        with pytest.raises(SelfError, match="not signed any more"):
            check(bare)
        assert check(bare, None) is None
        assert check(foreign, None) == verified(foreign)
        # An older image under a newer name.
        later = signed._replace(created=signed.created + 3600)
        with pytest.raises(SelfError, match="signed before this one"):
            check(new, later)
        assert check(new, later, asked=True) is not None
        damaged = shutil.copy(new, tmp_path / "damaged")
        with Path(damaged).open("rb+") as file:
            file.seek(-1, 2)
            file.write(b"x")
        with pytest.raises(SelfError, match="refused: the image was changed"):
            check(Path(damaged), None)


@pytest.mark.usefixtures("gnupg_home")
class TestSuccessor:
    """A new key that the old one names as its successor."""

    STATEMENT = ("--cert-notation", "successor@hatch-appimage=yes")

    @staticmethod
    def certify(old: str, new: str, *options: str) -> None:
        gpg(*options, "--local-user", old, "--quick-sign-key", new)

    @pytest.fixture
    def keys(self) -> tuple[str, str]:
        return make_key("rsa2048", "Ada"), make_key("ed25519", "Ada's new key")

    @staticmethod
    def signed_by(directory: Path, key: str) -> Signed:
        path = make_version(directory, "1.0", "zsync|https://example.org/a.zsync", signer=Signer.find(key)).path
        # gpg and others take such a key, too.
        assert verify_signature(path).state is State.GOOD
        signed = verified(path)
        assert signed is not None
        return signed

    def test_named(self, tmp_path: Path, keys: tuple[str, str]) -> None:
        old = self.signed_by(tmp_path / "old", keys[0])
        assert not old.is_followed_by(self.signed_by(tmp_path / "before", keys[1]))
        self.certify(*keys, *self.STATEMENT)
        new = self.signed_by(tmp_path / "new", keys[1])
        assert old.is_followed_by(new)
        assert not new.is_followed_by(old)

    def test_of_somebody_who_was_met(self, tmp_path: Path, keys: tuple[str, str]) -> None:
        """That a key certifies another says who that is: it must not sign updates for this."""
        self.certify(*keys)
        old, new = (self.signed_by(tmp_path / key, key) for key in keys)
        assert not old.is_followed_by(new)
        self.certify(keys[0], keys[1], "--force-sign-key", "--cert-notation", "successor@example.org=yes")
        assert not old.is_followed_by(self.signed_by(tmp_path / "another", keys[1]))

    def test_named_by_another(self, tmp_path: Path, keys: tuple[str, str]) -> None:
        """Eve says so, of her key or of Ada's: of her own is nothing said by Ada."""
        eve = make_key("ed25519", "Eve")
        old = self.signed_by(tmp_path / "old", keys[0])
        self.certify(eve, keys[1], *self.STATEMENT)
        assert not old.is_followed_by(self.signed_by(tmp_path / "new", keys[1]))
        self.certify(keys[1], eve, *self.STATEMENT)
        assert not old.is_followed_by(self.signed_by(tmp_path / "eve", eve))

    def test_expired_and_taken_back(self, tmp_path: Path, keys: tuple[str, str]) -> None:
        self.certify(*keys, *self.STATEMENT)
        old, new = (self.signed_by(tmp_path / key, key) for key in keys)
        ((statement, what),) = new.certificate.certifications
        for changed in (
            statement._replace(expires=1, created=1_000_000_000),
            statement._replace(names_successor=False),
            statement._replace(trailer=statement.trailer + b"x"),
        ):
            certificate = new.certificate._replace(certifications=((changed, what),))
            assert not certificate.succeeds(old.certificate.primary)
        gpg("--local-user", keys[0], "--yes", "--quick-revoke-sig", keys[1], keys[0])
        exported = remove_armor(gpg("--armor", "--export", keys[1]).strip().encode(), "PUBLIC KEY BLOCK")
        assert not read_certificate(exported).succeeds(old.certificate.primary)
        assert not old.is_followed_by(self.signed_by(tmp_path / "again", keys[1]))

    def test_update_and_back(self, tmp_path: Path, keys: tuple[str, str]) -> None:
        self.certify(*keys, *self.STATEMENT)
        line = "zsync|https://example.org/a.zsync"
        old, new = (make_version(tmp_path / key, "1.0", line, signer=Signer.find(key)).path for key in keys)
        machine = int.from_bytes(old.read_bytes()[18:20], "little")
        with old.open("rb") as before, new.open("rb") as after:
            engine.check_genuine(after, machine, verify(before), older=False)
            engine.check_genuine(before, machine, verify(after), older=True)
            with pytest.raises(SelfError, match="does not name it as its successor"):
                engine.check_genuine(before, machine, verify(after), older=False)


@pytest.mark.parametrize(
    ("offset", "value"),
    [(24, 2**64 - 1), (32, 1 << 20), (32, 2**63)],
    ids=["far away", "large", "larger than anything"],
)
def test_sections_that_lie(image: Path, tmp_path: Path, offset: int, value: int) -> None:
    """The header of the section with the key: each ends with a sentence, and soon."""
    data = bytearray(image.read_bytes())
    (table,) = struct.unpack_from("<Q", data, 40)
    count, names = struct.unpack_from("<HH", data, 60)
    (text,) = struct.unpack_from("<Q", data, table + names * 64 + 24)
    headers = range(table, table + count * 64, 64)
    name = len(b".sig_key\0")
    starts = {it: text + int.from_bytes(data[it : it + 4], "little") for it in headers}
    of_key = [it for it, start in starts.items() if data[start : start + name] == b".sig_key\0"]
    struct.pack_into("<Q", data, of_key[0] + offset, value)
    (tmp_path / "damaged").write_bytes(data)
    with (tmp_path / "damaged").open("rb") as file, pytest.raises(SelfError):
        read_runtime(file)
