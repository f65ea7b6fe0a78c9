# SPDX-License-Identifier: MIT
"""Signatures, made by gpg and verified by an independent reading of the rules."""

from __future__ import annotations

import hashlib
import random
from typing import TYPE_CHECKING

import pytest

from hatch_appimage import PASSPHRASE, cli
from hatch_appimage.architecture import ARCHITECTURES, native_architecture
from hatch_appimage.cli import status
from hatch_appimage.elf import read_sections
from hatch_appimage.errors import AppImageError
from hatch_appimage.format import file_digest, find_sections, find_squashfs, write_section
from hatch_appimage.image.sign import Signer, State, check_room, sign_file, verify_signature
from hatch_appimage.runtime import runtime_path
from hatch_appimage.squashfs import write_squashfs
from support.elf_fixtures import library, make_runtime
from support.keys import gpg, independent_check, make_key

if TYPE_CHECKING:
    from pathlib import Path


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


@pytest.mark.parametrize("kind", ["ed25519", "rsa4096"])
@pytest.mark.usefixtures("gnupg_home")
class TestGood:
    def test_embedded_and_detached(self, image: Path, tmp_path: Path, kind: str) -> None:
        fingerprint = make_key(kind)
        detached = sign_file(image, Signer.find(None))
        assert detached == image.with_name(f"{image.name}.sig")
        found = verify_signature(image)
        assert (found.state, found.primary, found.owner) == (State.GOOD, fingerprint, "Ada")
        assert independent_check(image, tmp_path)
        gpg("--verify", detached, image)

    def test_every_change_is_seen(self, image: Path, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
        """A sample of every part of the file, but for the two sections themselves."""
        make_key(kind)
        sign_file(image, Signer.find(None))
        data = image.read_bytes()
        sections = read_sections(image)
        start = find_squashfs(image)
        skipped = {place for name in (".sha256_sig", ".sig_key") for place in range(*span(sections.places[name]))}
        parts = [(0, 64), (64, start), (start - 13 * 64, start), (start, start + 96), (start + 96, len(data))]
        parts += [span(sections.places[name]) for name in (".digest_md5", ".upd_info", ".startup", ".shstrtab")]
        parts += [(len(data) - 4096, len(data))]  # padding, which no reader looks at
        chance = random.Random(1)  # noqa: S311 - the same each time
        assert cli.main(["verify", str(image)]) == 0
        for part in parts:
            places = [place for place in range(*part) if place not in skipped]
            for place in {places[0], places[-1], *chance.sample(places, min(4, len(places)))}:
                changed = bytearray(data)
                changed[place] ^= 1 << chance.randrange(8)
                image.write_bytes(changed)
                expected = {status.UNREADABLE, status.UNSIGNED, status.BAD_SIGNATURE, status.DAMAGED}
                assert cli.main(["verify", str(image)]) in expected, place
        image.write_bytes(data)
        assert cli.main(["verify", str(image)]) == 0
        capsys.readouterr()


def span(section: tuple[int, int]) -> tuple[int, int]:
    """Return where a section begins and ends."""
    return section[0], sum(section)


class TestAppImageUpdate:
    """What its validator makes of our images: its arithmetic, written anew (its src/util/updatableappimage.cpp)."""

    CHUNK = 4096

    def hash(self, data: bytes, signature: tuple[int, int], key: tuple[int, int]) -> str:
        """Hash a file chunk by chunk, sections being zeros; where both begin in one chunk, it may lose count."""
        digest = hashlib.sha256()
        total = place = to_skip = 0
        while (left := min(self.CHUNK, len(data) - total)) > 0:
            chunk = bytearray()

            def skip(count: int, chunk: bytearray = chunk) -> None:
                nonlocal total, place, left
                if count <= 0:
                    return
                chunk += bytes(count)
                total, place, left = total + count, place + count, left - count

            def read(count: int, chunk: bytearray = chunk) -> None:
                nonlocal total, place, left
                if count <= 0:
                    return
                chunk += data[place : place + count]
                total, place, left = total + count, place + count, left - len(chunk)  # all of the chunk: that is it

            if to_skip:
                count = min(self.CHUNK, to_skip)
                skip(count)
                to_skip -= count
            for offset, size in (signature, key):
                if 0 <= offset - total < left:
                    read(offset - total)
                    count = min(left, size)
                    skip(count)
                    to_skip = size - count
            if left > 0:
                read(left)
            digest.update(chunk)
        return digest.hexdigest()

    def right(self, data: bytes, signature: tuple[int, int], key: tuple[int, int]) -> str:
        zeroed = bytearray(data)
        for offset, size in (signature, key):
            zeroed[offset : offset + size] = bytes(size)
        return hashlib.sha256(zeroed).hexdigest()

    @pytest.mark.parametrize("architecture", ARCHITECTURES)
    def test_our_runtimes(self, architecture: str, image: Path) -> None:
        runtime = runtime_path(architecture)
        places = read_sections(runtime).places
        data = runtime.read_bytes() + image.read_bytes()
        sections = places[".sha256_sig"], places[".sig_key"]
        assert self.hash(data, *sections) == self.right(data, *sections)
        check_room(runtime.name, places)

    @pytest.mark.parametrize(("gap", "good"), [(0, True), (16, False)])
    def test_gaps_between_the_sections(self, gap: int, good: bool, image: Path) -> None:  # noqa: FBT001
        """They are why other runtimes may be refused."""
        data = image.read_bytes()
        results = set()
        for offset in range(3000, 3000 + 4096, 7):
            sections = (offset, 1024), (offset + 1024 + gap, 8192)
            results.add(self.hash(data, *sections) == self.right(data, *sections))
        assert results == ({True} if good else {True, False})

    def test_runtime_with_a_gap_is_refused(self) -> None:
        sections = {".sha256_sig": (100, 1024), ".sig_key": (1140, 8192)}
        with pytest.raises(AppImageError, match=r"^x cannot be signed: `.sig_key` does not follow right after"):
            check_room("x", sections)


class TestKeys:
    def test_subkey(self, gnupg_home: Path, image: Path, tmp_path: Path) -> None:
        """A key for signing that belongs to one which is kept elsewhere."""
        del gnupg_home
        primary = make_key("ed25519")
        gpg("--pinentry-mode", "loopback", "--passphrase", "", "--quick-add-key", primary, "ed25519", "sign")
        gpg("--pinentry-mode", "loopback", "--passphrase", "", "--quick-add-key", primary, "cv25519", "encr")
        sign_file(image, Signer.find(None))
        found = verify_signature(image)
        assert (found.state, found.primary) == (State.GOOD, primary)
        assert found.fingerprint != primary
        assert independent_check(image, tmp_path)
        for key in (primary, found.fingerprint):
            assert cli.main(["verify", str(image), "--key", key]) == 0

    def test_key_that_is_too_large(self, gnupg_home: Path) -> None:
        del gnupg_home
        fingerprint = make_key("rsa4096")
        for number in range(10):
            gpg("--pinentry-mode", "loopback", "--passphrase", "", "--quick-add-uid", fingerprint, f"Ada {number}")
        with pytest.raises(
            AppImageError, match=r"^The key of [0-9A-F]{40} has \d+ bytes, and images have room for 8191"
        ):
            Signer.find(None)

    def test_several_signatures(self, gnupg_home: Path, image: Path, tmp_path: Path) -> None:
        """Whose is it then? AppImageUpdate never comes to an end."""
        del gnupg_home
        keys = [make_key("ed25519", name) for name in ("Ada", "Grace")]
        sections = find_sections(image)
        zeroed = [sections[name] for name in (".sha256_sig", ".sig_key")]
        (tmp_path / "digits").write_text(file_digest(image, hashlib.sha256(), zeroed).hex())
        users = [word for key in keys for word in ("--local-user", key)]
        gpg(*users, "--armor", "--output", tmp_path / "sig", "--detach-sign", tmp_path / "digits")
        write_section(image, sections, ".sha256_sig", (tmp_path / "sig").read_bytes())
        write_section(image, sections, ".sig_key", gpg("--armor", "--export", *keys).encode())
        found = verify_signature(image)
        assert (found.state, found.detail) == (State.BAD, "there is more than one signature")

    def test_key_of_someone_else(self, gnupg_home: Path, image: Path) -> None:
        """The signature of one, the key of another."""
        del gnupg_home
        make_key("ed25519", "Ada")
        sign_file(image, Signer.find("Ada"))
        make_key("ed25519", "Grace")
        write_section(image, find_sections(image), ".sig_key", gpg("--armor", "--export", "Grace").encode())
        found = verify_signature(image)
        assert (found.state, found.detail) == (State.BAD, "the key that is embedded is not the one that signed")

    def test_what_other_tools_put_in_its_place(self, image: Path) -> None:
        """go-appimage writes the bare digest."""
        write_section(image, find_sections(image), ".sha256_sig", b"ab" * 32)
        assert cli.main(["verify", str(image)]) == status.UNSIGNED

    def test_nothing_changes_where_signing_fails(
        self, gnupg_home: Path, image: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        del gnupg_home
        before = image.read_bytes()
        assert cli.main(["sign", str(image), "--key", "nobody"]) == status.UNREADABLE
        assert capsys.readouterr().err.startswith("hatch-appimage: Cannot sign with nobody: gpg: ")
        assert image.read_bytes() == before
        assert [path.name for path in image.parent.iterdir() if path.name != "root"] == [image.name]


class TestCommands:
    def test_unsigned_good_other_key_and_bad(
        self, gnupg_home: Path, image: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        del gnupg_home
        fingerprint = make_key("ed25519")
        assert cli.main(["verify", str(image)]) == status.UNSIGNED
        assert cli.main(["sign", str(image)]) == 0
        assert cli.main(["verify", str(image)]) == 0
        assert cli.main(["verify", str(image), "--key", f"0x{fingerprint.lower()}"]) == 0
        assert cli.main(["verify", str(image), "--key", "0123456789ABCDEF" * 4]) == status.OTHER_KEY
        # Ids can be forged, and the last digits even more so.
        assert cli.main(["verify", str(image), "--key", fingerprint[-16:]]) == status.UNREADABLE
        data = bytearray(image.read_bytes())
        data[-1] ^= 1  # padding, which no reader looks at
        image.write_bytes(data)
        capsys.readouterr()
        assert cli.main(["verify", str(image)]) == status.BAD_SIGNATURE
        assert capsys.readouterr().out == f"{image}: bad: the image was changed after it was signed\n"

    def test_signing_again_with_another_key(self, gnupg_home: Path, image: Path) -> None:
        del gnupg_home
        make_key("ed25519", "Ada")
        sign_file(image, Signer.find("Ada"))
        second = make_key("ed25519", "Grace")
        sign_file(image, Signer.find("Grace"))
        assert verify_signature(image).primary == second

    @pytest.mark.parametrize("size", [0, 3, 50, 400, 100_000])
    def test_cut_off(self, image: Path, size: int, capsys: pytest.CaptureFixture[str]) -> None:
        image.write_bytes(image.read_bytes()[:size])
        for command in (["inspect"], ["verify"]):
            assert cli.main([*command, str(image)]) in {status.UNREADABLE, status.DAMAGED}
            output = capsys.readouterr()
            assert (output.out + output.err).count("\n") == 1

    def test_type_1(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (tmp_path / "x").write_bytes(b"\x7fELF\2\1\1\0AI\1" + bytes(100))
        assert cli.main(["inspect", str(tmp_path / "x")]) == status.UNREADABLE
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
    def test_no_such_key(self, gnupg_home: Path) -> None:
        del gnupg_home
        with pytest.raises(AppImageError, match=r"^Cannot sign with nobody: gpg: .*; in CI, HATCH_APPIMAGE_SIGN_PASS"):
            Signer.find("nobody")

    def test_no_gpg(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("shutil.which", lambda _: None)
        with pytest.raises(AppImageError, match="install the package `gnupg`"):
            Signer.find(None)

    def test_passphrase(self, gnupg_home: Path, image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        del gnupg_home
        make_key("ed25519", "Ada", "secret")
        monkeypatch.setenv(PASSPHRASE, "secret")
        sign_file(image, Signer.find("Ada"))
        assert verify_signature(image).state is State.GOOD

    def test_runtime_without_room(self, gnupg_home: Path, tmp_path: Path) -> None:
        del gnupg_home
        make_key("ed25519")
        (tmp_path / "x").write_bytes(make_runtime())
        with pytest.raises(AppImageError, match=r"^x cannot be signed: its runtime has no sections"):
            sign_file(tmp_path / "x", Signer.find(None))
