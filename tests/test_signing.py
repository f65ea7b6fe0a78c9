# SPDX-License-Identifier: MIT
"""Signatures, made by gpg and verified by an independent reading of the rules."""

from __future__ import annotations

import contextlib
import hashlib
import re
import shutil
import subprocess
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING

import pytest
from elf_fixtures import library
from tools import require

from hatch_appimage import cli
from hatch_appimage.architecture import native_architecture
from hatch_appimage.errors import AppImageError
from hatch_appimage.libraries.elf import read_sections
from hatch_appimage.runtime import runtime_path
from hatch_appimage.signing import PASSPHRASE, Signer, State, sign_file, verify_signature
from hatch_appimage.squashfs import write_squashfs

if TYPE_CHECKING:
    from collections.abc import Iterator


def gpg(*arguments: str | Path) -> str:
    command: list[str | Path] = [require("gpg", "gnupg"), "--batch", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give gpg a home of its own; the path of its sockets must be short."""
    folder = Path(mkdtemp(prefix="gpg-", dir="/tmp"))
    monkeypatch.setenv("GNUPGHOME", str(folder))
    monkeypatch.delenv(PASSPHRASE, raising=False)
    yield folder
    subprocess.run(["gpgconf", "--kill", "all"], check=False)
    shutil.rmtree(folder, ignore_errors=True)


def make_key(kind: str, name: str = "Ada", passphrase: str = "") -> str:
    gpg("--pinentry-mode", "loopback", "--passphrase", passphrase, "--quick-gen-key", name, kind, "sign")
    match = re.search(r"^fpr:+([0-9A-F]+):", gpg("--with-colons", "--list-keys", name), re.MULTILINE)
    assert match
    return match[1]


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """Return a small image behind our own runtime."""
    (tmp_path / "root").mkdir()
    library("liba.so", "libc.so.6").write(tmp_path / "root" / "liba.so")
    (tmp_path / "root" / "a.txt").write_text("some text")
    path = tmp_path / "a-1-x86_64.AppImage"
    with path.open("xb+") as file:
        file.write(runtime_path(native_architecture().name).read_bytes())
        write_squashfs(tmp_path / "root", file, mtime=0)
    path.chmod(0o755)
    return path


def independent_check(image: Path, folder: Path) -> bool:
    """Follow the published steps with tools of the system alone."""
    data = bytearray(image.read_bytes())
    output = subprocess.check_output([require("readelf", "binutils"), "-SW", image], text=True)
    found = {}
    for name in (".sha256_sig", ".sig_key"):
        match = re.search(rf"{re.escape(name)}\s+\S+\s+\S+\s+([0-9a-f]+)\s+([0-9a-f]+)", output)
        assert match
        offset, size = int(match[1], 16), int(match[2], 16)
        found[name] = bytes(data[offset : offset + size]).split(b"\0")[0]
        data[offset : offset + size] = bytes(size)
    ring = Path(mkdtemp(prefix="gpg-", dir="/tmp"))
    for name, content in (("sig", found[".sha256_sig"]), ("key", found[".sig_key"])):
        (folder / name).write_bytes(content)
    (folder / "digest").write_text(hashlib.sha256(data).hexdigest())
    try:
        gpg("--homedir", ring, "--no-autostart", "--import", folder / "key")
        command: list[str | Path] = [
            "gpg",
            "--homedir",
            ring,
            "--batch",
            "--no-autostart",
            "--verify",
            folder / "sig",
            folder / "digest",
        ]
        return subprocess.run(command, check=False, capture_output=True).returncode == 0
    finally:
        shutil.rmtree(ring, ignore_errors=True)


@pytest.mark.parametrize("kind", ["ed25519", "rsa4096"])
@pytest.mark.usefixtures("home")
class TestGood:
    def test_embedded_and_detached(self, image: Path, tmp_path: Path, kind: str) -> None:
        fingerprint = make_key(kind)
        detached = sign_file(image, Signer.find(None))
        assert detached == image.with_name(f"{image.name}.sig")
        found = verify_signature(image)
        assert (found.state, found.primary, found.owner) == (State.GOOD, fingerprint, "Ada")
        assert independent_check(image, tmp_path)
        gpg("--verify", detached, image)

    def test_every_change_is_seen(self, image: Path, kind: str) -> None:
        """A sample over the whole file, without the two sections themselves."""
        make_key(kind)
        sign_file(image, Signer.find(None))
        data = image.read_bytes()
        places = read_sections(image).places
        start = places[".sha256_sig"][0]
        end = sum(places[".sig_key"])
        outside = [*range(start), *range(end, len(data))]
        for place in outside[:: len(outside) // 40]:
            changed = bytearray(data)
            changed[place] ^= 1
            image.write_bytes(changed)
            with contextlib.suppress(AppImageError):  # the ELF header says where the sections are
                assert verify_signature(image).state is not State.GOOD, place
        image.write_bytes(data)
        assert verify_signature(image).state is State.GOOD


class TestCommands:
    def test_unsigned_good_other_key_and_bad(self, home: Path, image: Path, capsys: pytest.CaptureFixture[str]) -> None:
        del home
        fingerprint = make_key("ed25519")
        assert cli.main(["verify", str(image)]) == cli.UNSIGNED
        assert cli.main(["sign", str(image)]) == 0
        assert cli.main(["verify", str(image)]) == 0
        assert cli.main(["verify", str(image), "--key", f"0x{fingerprint.lower()}"]) == 0
        assert cli.main(["verify", str(image), "--key", "0123456789ABCDEF" * 4]) == cli.OTHER_KEY
        # Ids can be forged, and the last digits even more so.
        assert cli.main(["verify", str(image), "--key", fingerprint[-16:]]) == cli.UNREADABLE
        data = bytearray(image.read_bytes())
        data[-1] ^= 1  # padding, which no reader looks at
        image.write_bytes(data)
        capsys.readouterr()
        assert cli.main(["verify", str(image)]) == cli.BAD_SIGNATURE
        assert capsys.readouterr().out == f"{image}: bad: the image was changed after it was signed\n"

    def test_signing_again_with_another_key(self, home: Path, image: Path) -> None:
        del home
        make_key("ed25519", "Ada")
        sign_file(image, Signer.find("Ada"))
        second = make_key("ed25519", "Grace")
        sign_file(image, Signer.find("Grace"))
        assert verify_signature(image).primary == second

    @pytest.mark.parametrize("size", [0, 3, 50, 400, 100_000])
    def test_cut_off(self, image: Path, size: int, capsys: pytest.CaptureFixture[str]) -> None:
        image.write_bytes(image.read_bytes()[:size])
        for command in (["inspect"], ["verify"]):
            assert cli.main([*command, str(image)]) in {cli.UNREADABLE, cli.DAMAGED}
            output = capsys.readouterr()
            assert (output.out + output.err).count("\n") == 1

    def test_type_1(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (tmp_path / "x").write_bytes(b"\x7fELF\2\1\1\0AI\1" + bytes(100))
        assert cli.main(["inspect", str(tmp_path / "x")]) == cli.UNREADABLE
        assert "is an AppImage of type 1" in capsys.readouterr().err

    def test_inspect(self, image: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert cli.main(["inspect", str(image)]) == 0
        text = capsys.readouterr().out
        assert f"architecture  {native_architecture().name}\n" in text
        assert "runtime       hatch-appimage, " in text
        assert "signature     unsigned: there is no signature\n" in text
        assert cli.main(["inspect", "--json", str(image)]) == 0
        assert '"origin": "hatch-appimage"' in capsys.readouterr().out

    def test_zsync(self, image: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert cli.main(["zsync", str(image)]) == 0
        assert capsys.readouterr().out == f"{image}.zsync\n"
        assert image.with_name(f"{image.name}.zsync").read_bytes().startswith(b"zsync: 0.6.2\n")


class TestErrors:
    def test_no_such_key(self, home: Path) -> None:
        del home
        with pytest.raises(AppImageError, match=r"^Cannot sign with nobody: gpg: .*; in CI, HATCH_APPIMAGE_SIGN_PASS"):
            Signer.find("nobody")

    def test_no_gpg(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("shutil.which", lambda _: None)
        with pytest.raises(AppImageError, match="install the package `gnupg`"):
            Signer.find(None)

    def test_passphrase(self, home: Path, image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        del home
        make_key("ed25519", "Ada", "secret")
        monkeypatch.setenv(PASSPHRASE, "secret")
        sign_file(image, Signer.find("Ada"))
        assert verify_signature(image).state is State.GOOD

    def test_runtime_without_room(self, home: Path, tmp_path: Path) -> None:
        del home
        from test_image import make_elf

        make_key("ed25519")
        (tmp_path / "x").write_bytes(make_elf())
        with pytest.raises(AppImageError, match=r"^x cannot be signed: its runtime has no sections"):
            sign_file(tmp_path / "x", Signer.find(None))
