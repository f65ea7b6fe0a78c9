# SPDX-License-Identifier: MIT
"""The runtime's reader: the same files as another reader finds; from a damaged image nothing worse than one line."""

from __future__ import annotations

import hashlib
import io
import os
import random
import shutil
import stat
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hatch_appimage.runtime import runtime_path
from hatch_appimage.squashfs import SquashFSImage, write_squashfs
from support.runtime_image import HOST, PATIENCE, Image, make_appdir, pack, wait_until
from support.tools import require

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    directory = tmp_path / "tmp"
    directory.mkdir()
    return directory


@contextmanager
def mount(image: Image) -> Iterator[Path]:
    """Mount an image and, in the end, see that nothing is left."""
    process = image.start("--appimage-mount")
    try:
        assert process.stdout
        yield Path(process.stdout.readline().strip())
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE)
    image.wait_until_clean()


def describe(root: Path) -> dict[str, tuple[object, ...]]:
    """Everything that two readers must agree on: kinds, modes, times, contents, links, names of one file."""
    found: dict[str, tuple[object, ...]] = {}
    names: dict[int, str] = {}
    for directory, directories, files in os.walk(root):
        for name in sorted(directories + files):
            path = Path(directory) / name
            status = path.lstat()
            relative = str(path.relative_to(root))
            content = ""
            if path.is_symlink():
                content = str(path.readlink())
            elif path.is_file():
                content = hashlib.sha256(path.read_bytes()).hexdigest()
                if status.st_nlink > 1:
                    content += names.setdefault(status.st_ino, relative)
            size = status.st_size if path.is_file() else 0
            found[relative] = (
                stat.S_IFMT(status.st_mode),
                stat.S_IMODE(status.st_mode),
                status.st_mtime,
                size,
                content,
            )
    return found


def make_tree(root: Path) -> Path:
    """Files of every size around the blocks' borders, holes, links, empty and full directories."""
    make_appdir(root)
    noise = random.Random(1)  # noqa: S311 - not for secrets
    data = root / "usr/share"
    for size in (0, 1, 4095, 4096, 4097, 131071, 131072, 131073, 262144, 1048575, 1048577, 3_000_001):
        (data / f"noise-{size}").write_bytes(noise.randbytes(size))
        (data / f"text-{size}").write_bytes((b"some text that compresses " * (size // 26 + 1))[:size])
    with (data / "holes").open("wb") as stream:
        stream.seek(700_000)
        stream.write(b"in between")
        stream.truncate(5_000_000)
    (data / "empty").mkdir()
    many = data / "many"
    many.mkdir()
    for number in range(600):
        (many / f"{number:x}-{'n' * (number % 200)}").write_text(str(number))
    (data / "link").symlink_to("nowhere/" + "x" * 300)
    os.link(data / "data.txt", many / "same")
    (data / "data.txt").chmod(0o640)
    os.utime(data / "data.txt", (1, 1))
    return root


@pytest.mark.usefixtures("needs_root")
class TestSameTree:
    @pytest.fixture(scope="class")
    @staticmethod
    def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
        return make_tree(tmp_path_factory.mktemp("tree") / "AppDir")

    @pytest.mark.parametrize(
        "options",
        [
            (),
            ("-no-fragments",),
            ("-always-use-fragments",),
            ("-no-exports",),
            ("-xattrs",),
            ("-no-duplicates", "-noI", "-noD", "-noF"),
        ],
        ids="-".join,
    )
    @pytest.mark.parametrize("block", ["4096", "131072", "1048576"])
    @pytest.mark.parametrize("compression", ["gzip", "zstd"])
    def test_mounted_and_extracted(
        self, tree: Path, tmp_path: Path, compression: str, block: str, options: tuple[str, ...]
    ) -> None:
        os.setxattr(tree / "usr/share/data.txt", "user.note", b"ignored")
        (tmp_path / "tmp").mkdir()
        path = pack(tree, tmp_path / "App", "-b", block, *options, compression=compression)
        image = Image(path, tmp_path / "tmp")
        unpack = (
            require("unsquashfs", "squashfs-tools"),
            "-no-progress",
            "-quiet",
            "-dest",
            str(tmp_path / "expected"),
        )
        subprocess.run([*unpack, tmp_path / "App.squashfs"], check=True, stdout=subprocess.DEVNULL)
        expected = describe(tmp_path / "expected")
        with mount(image) as point:
            assert describe(point) == expected
        assert image.run("--appimage-extract", cwd=tmp_path).returncode == 0
        extracted = describe(tmp_path / "squashfs-root")
        # Directories get the modes and times of their making.
        assert {name: facts for name, facts in extracted.items() if facts[0] != stat.S_IFDIR} == {
            name: facts for name, facts in expected.items() if facts[0] != stat.S_IFDIR
        }
        shutil.rmtree(tmp_path)

    def test_our_own_writer(self, tree: Path, tmp_path: Path, temporary: Path) -> None:
        for compression in ("gzip", "zstd"):
            path = tmp_path / f"{compression}.AppImage"
            with path.open("w+b") as stream:
                stream.write(runtime_path(HOST).read_bytes())
                write_squashfs(tree, stream, compression=compression, mtime=None)
            path.chmod(0o755)
            with mount(Image(path, temporary)) as point:
                found = describe(point)
            expected = describe(tree)
            contents = {name: (facts[0], facts[3], facts[4][:64]) for name, facts in found.items()}  # type: ignore[index]
            assert contents == {name: (facts[0], facts[3], facts[4][:64]) for name, facts in expected.items()}  # type: ignore[index]


@pytest.mark.usefixtures("needs_root")
class TestLarge:
    def test_sparse_file(self, tmp_path: Path, temporary: Path) -> None:
        root = make_appdir(tmp_path / "AppDir")
        size = 3 << 30
        with (root / "sparse").open("wb") as stream:
            stream.seek(size - 3)
            stream.write(b"end")
        image = Image(pack(root, tmp_path / "App"), temporary)
        with mount(image) as point, (point / "sparse").open("rb") as stream:
            assert stream.seek(0, os.SEEK_END) == size
            stream.seek(size - 4)
            assert stream.read() == b"\0end"
            stream.seek(1 << 30)
            assert not any(stream.read(1 << 20))
        assert image.run("--appimage-extract", "sparse", cwd=tmp_path).returncode == 0
        extracted = (tmp_path / "squashfs-root/sparse").stat()
        assert extracted.st_size == size
        assert extracted.st_blocks * 512 < 1 << 20

    def test_seventy_thousand_files(self, tmp_path: Path, temporary: Path) -> None:
        root = make_appdir(tmp_path / "AppDir")
        for directory in range(7):
            (root / f"directory-{directory}").mkdir()
            for number in range(10_000):
                (root / f"directory-{directory}/{number}").touch()
        image = Image(pack(root, tmp_path / "App"), temporary)
        shutil.rmtree(root)
        with mount(image) as point:
            assert sum(len(files) for _, _, files in os.walk(point)) == 70_004
            assert (point / "directory-6/9999").stat().st_size == 0
            assert not (point / "directory-6/10000").exists()


class TestDamaged:
    """One line, status 127, and nothing left behind."""

    @pytest.fixture(scope="class")
    @staticmethod
    def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
        directory = tmp_path_factory.mktemp("damaged")
        return pack(make_appdir(directory / "AppDir"), directory / "App.AppImage")

    def check(self, content: bytes, tmp_path: Path, temporary: Path, *arguments: str) -> None:
        path = tmp_path / "Damaged.AppImage"
        path.unlink(missing_ok=True)  # processes of the run before may not have ended yet
        path.write_bytes(content)
        path.chmod(0o755)
        image = Image(path, temporary)
        result = image.run(*arguments, "here", cwd=tmp_path)
        assert result.returncode == 127
        assert result.stderr.count("\n") == 1
        assert result.stderr.startswith("AppImage: ")
        image.wait_until_clean()

    @pytest.mark.parametrize(
        "flag", [(), ("--appimage-extract-and-run",), ("--appimage-extract",)], ids=["", "run", "extract"]
    )
    def test_truncated(self, image: Path, tmp_path: Path, temporary: Path, flag: tuple[str, ...]) -> None:
        offset = runtime_path(HOST).stat().st_size
        content = image.read_bytes()
        for length in (offset, offset + 50, offset + 96, len(content) - 8192):
            self.check(content[:length], tmp_path, temporary, *flag)

    @pytest.mark.parametrize(
        "flag", [(), ("--appimage-extract-and-run",), ("--appimage-extract",)], ids=["", "run", "extract"]
    )
    def test_root_is_a_file(self, image: Path, tmp_path: Path, temporary: Path, flag: tuple[str, ...]) -> None:
        offset = runtime_path(HOST).stat().st_size
        content = bytearray(image.read_bytes())
        found = SquashFSImage(io.BytesIO(content[offset:])).find("AppRun")
        assert found
        content[offset + 32 : offset + 40] = found.reference.to_bytes(8, "little")
        self.check(bytes(content), tmp_path, temporary, *flag)

    @pytest.mark.parametrize("field", [0, 8, 12, 16, 20, 22, 26, 28, 32, 40, 48, 64, 72, 80])
    def test_superblock(self, image: Path, tmp_path: Path, temporary: Path, field: int) -> None:
        """Each field that is used, with a value that is out of every range."""
        offset = runtime_path(HOST).stat().st_size
        content = bytearray(image.read_bytes())
        content[offset + field : offset + field + 2] = b"\xfe\xfe"

        path = tmp_path / "Damaged.AppImage"
        path.write_bytes(content)
        path.chmod(0o755)
        damaged = Image(path, temporary)
        result = damaged.run("here", cwd=tmp_path)
        # What a reader can do without may be wrong.
        assert (result.returncode, result.stderr.count("\n")) in {(127, 1), (0, 0)}
        damaged.wait_until_clean()

    def test_anywhere(self, image: Path, tmp_path: Path, temporary: Path) -> None:
        """Bytes here and there: whatever happens, it ends, and no crash is among it."""
        offset = runtime_path(HOST).stat().st_size
        noise = random.Random(2)  # noqa: S311 - not for secrets
        for attempt in range(60):
            content = bytearray(image.read_bytes())
            for _ in range(noise.choice((1, 1, 5, 50))):
                content[noise.randrange(offset, len(content))] = noise.randrange(256)
            path = tmp_path / f"Damaged-{attempt}.AppImage"
            path.write_bytes(content)
            path.chmod(0o755)
            damaged = Image(path, temporary)
            extracted = damaged.run("--appimage-extract", cwd=tmp_path)
            assert extracted.returncode in {0, 127}
            damaged.run("run", "exit", "0")
            shutil.rmtree(tmp_path / "squashfs-root", ignore_errors=True)
        wait_until(lambda: not damaged.leftovers())
