# SPDX-License-Identifier: MIT
"""What the runtime puts into the page cache before the application asks: the right bytes, and never a hung process."""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from test_runtime import APPRUN, HOST, WAYS, Image, device_mode, processes_of, wait_until
from tools import require

from hatch_appimage.appdir import AppDir
from hatch_appimage.architecture import ARCHITECTURES
from hatch_appimage.image import load_runtime, write_image
from hatch_appimage.runtime import runtime_path

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(
    os.process_cpu_count() < 2 if hasattr(os, "process_cpu_count") else len(os.sched_getaffinity(0)) < 2,
    reason="with one processor nothing is pushed",
)

SMALL_FILES = 200
#: More than an interpreter reads, so that the rest is pushed too.
BEGIN = 'for number in $(seq 0 19); do cat "$APPDIR/small/$number" >/dev/null; done; sleep 1;'


def compressible(size: int, seed: int) -> bytes:
    """Return data that takes time to decompress."""
    generator = random.Random(seed)  # noqa: S311 - the same data every time
    words = [generator.randbytes(generator.randrange(3, 12)) for _ in range(500)]
    pieces = []
    length = 0
    while length < size:
        pieces.append(generator.choice(words))
        length += len(pieces[-1])
    return b"".join(pieces)[:size]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if os.geteuid():
        message = "needs root, to be root and to become somebody else"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(message)
    root = tmp_path_factory.mktemp("push") / "AppDir"
    (root / "small").mkdir(parents=True)
    (root / "AppRun").write_text(APPRUN)
    (root / "AppRun").chmod(0o755)
    (root / "library").write_bytes(compressible((3 << 20) + 1234, 1))
    (root / "too-large").write_bytes(compressible(9 << 20, 2))
    with (root / "sparse").open("wb") as sparse:
        sparse.write(b"begin")
        sparse.seek(1 << 20)
        sparse.write(b"end")
    for number in range(SMALL_FILES):
        (root / f"small/{number}").write_bytes(compressible(1 + number * 97, number))
    os.link(root / "small/30", root / "linked")
    (root / "empty").touch()
    return root


@pytest.fixture(scope="module")
def built(tree: Path) -> Path:
    for folder in tree.parents[:3]:
        folder.chmod(0o755)
    return build(tree, tree.parent / "pushed.AppImage")


def build(tree: Path, path: Path, startup: int | None = None) -> Path:
    """Pack with everything in the start-up order; ``startup`` overrides where its data ends."""
    runtime = load_runtime(runtime_path(HOST), ARCHITECTURES[HOST])
    order = ["AppRun", "library", *(f"small/{number}" for number in range(SMALL_FILES)), "sparse", "linked", "empty"]
    write_image(
        AppDir(tree, "app"),
        runtime,
        path,
        order=order,
        application=(),
        update_information=None,
        compression="zstd",
        compression_level=3,
        timestamp=1,
    )
    if startup is not None and runtime.startup is not None:
        with path.open("r+b") as file:
            file.seek(runtime.startup)
            file.write(startup.to_bytes(8, "little"))
    return path


@pytest.fixture(params=[way for way in WAYS if WAYS[way][3] == "mount"])
def image(request: pytest.FixtureRequest, built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    user, prefix, settings, _ = WAYS[request.param]
    temporary = tmp_path_factory.mktemp("tmp")
    os.chown(temporary, user, user)
    with device_mode(0o666):
        yield Image(built, temporary, user, tuple(prefix), tuple(settings.items()))


@pytest.fixture
def mounted(built: Path, tmp_path: Path) -> Image:
    return Image(built, make_temporary(tmp_path))


def make_temporary(folder: Path) -> Path:
    temporary = folder / "tmp"
    temporary.mkdir()
    return temporary


def digests(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in root.rglob("*")
        if path.is_file()
    }


SUMS = 'cd "$APPDIR" && find . -type f | sort | xargs sha256sum'


def parse_sums(output: str) -> dict[str, str]:
    return {name[2:]: digest for digest, name in (line.split(None, 1) for line in output.splitlines())}


def resident(path: Path) -> int:
    """How many bytes of a file are in the page cache; looking does not read any."""
    command: list[str | Path] = [require("fincore", "util-linux"), "--bytes", "--noheadings", "--output", "RES", path]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


class TestContents:
    @pytest.mark.parametrize("before", ["", BEGIN], ids=["at once", "when all is pushed"])
    def test_are_those_of_the_tree(self, tree: Path, image: Image, before: str) -> None:
        result = image.run("run", "eval", before + SUMS)
        assert result.stderr == ""
        assert parse_sums(result.stdout) == digests(tree)
        image.wait_until_clean()

    @pytest.mark.parametrize("startup", [0, 1, 100_000, 1 << 62, (1 << 64) - 1])
    def test_whatever_the_section_says(self, tree: Path, tmp_path: Path, startup: int) -> None:
        image = Image(build(tree, tmp_path / "other.AppImage", startup), make_temporary(tmp_path))
        assert parse_sums(image.run("run", "eval", BEGIN + SUMS).stdout) == digests(tree)
        image.wait_until_clean()

    def test_while_others_look_on(self, tree: Path, mounted: Image) -> None:
        """A process that searches the temporary folder finds every mount as soon as it is there."""
        script = f"while :; do find {mounted.temporary} -type f -exec head -c 5000 {{}} + >/dev/null 2>&1; done"
        with subprocess.Popen(["sh", "-c", script], start_new_session=True) as searcher:
            try:
                for _ in range(10):
                    assert parse_sums(mounted.run("run", "eval", SUMS).stdout) == digests(tree)
            finally:
                os.killpg(searcher.pid, signal.SIGKILL)
        mounted.wait_until_clean()


class TestPushing:
    def point(self, image: Image) -> Path:
        wait_until(image.leftovers)
        (name,) = image.leftovers()
        return image.temporary / name

    def test_is_there_before_it_is_read(self, tree: Path, mounted: Image) -> None:
        process = mounted.start("run", "eval", f"{BEGIN} sleep 60 & wait")
        point = self.point(mounted)
        last = SMALL_FILES - 1
        wait_until(lambda: len(processes_of(mounted)) == 2)
        time.sleep(1)
        for name in ("library", f"small/{last}", "small/30"):
            assert resident(point / name) >= (tree / name).stat().st_size, name
        assert resident(point / "too-large") == 0
        kill_group(mounted, process)

    def test_the_rest_only_when_it_is_wanted(self, mounted: Image) -> None:
        process = mounted.start("run", "exec", "sleep", "60")
        point = self.point(mounted)
        time.sleep(0.5)
        assert resident(point / f"small/{SMALL_FILES - 1}") == 0
        process.kill()
        process.communicate()
        mounted.wait_until_clean()

    def test_its_folder_is_not_seen(self, tree: Path, mounted: Image) -> None:
        process = mounted.start("run", "exec", "sleep", "60")
        point = self.point(mounted)
        wait_until((point / "AppRun").exists)
        assert {path.name for path in point.iterdir()} == {path.name for path in tree.iterdir()}
        process.kill()
        process.communicate()
        mounted.wait_until_clean()


def kill_group(image: Image, process: subprocess.Popen[str]) -> None:
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            try:
                mine = f"APPDIR={image.temporary}/".encode() in (folder / "environ").read_bytes()
            except OSError:
                continue
            if mine:
                os.kill(int(folder.name), signal.SIGKILL)
    process.kill()
    process.communicate()
    image.wait_until_clean()


def test_same_through_other_blocks(tree: Path, tmp_path: Path) -> None:
    """From a foreign packer, in blocks smaller than a page of some machines and larger than one request."""
    packer = require("mksquashfs", "squashfs-tools")
    runtime = load_runtime(runtime_path(HOST), ARCHITECTURES[HOST])
    assert runtime.startup is not None
    temporary = make_temporary(tmp_path)
    for size, compression in (("4096", "gzip"), ("1048576", "zstd")):
        squashfs = tmp_path / f"{size}.squashfs"
        command: list[str | Path] = [
            packer,
            tree,
            squashfs,
            "-comp",
            compression,
            "-b",
            size,
            "-noappend",
            "-quiet",
            "-no-progress",
        ]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        data = bytearray(runtime.data)
        data[runtime.startup : runtime.startup + 8] = squashfs.stat().st_size.to_bytes(8, "little")
        path = tmp_path / f"{size}.AppImage"
        path.write_bytes(bytes(data) + squashfs.read_bytes())
        path.chmod(0o755)
        image = Image(path, temporary)
        assert parse_sums(image.run("run", "eval", BEGIN + SUMS).stdout) == digests(tree)
        image.wait_until_clean()


def test_no_process_hangs_when_the_server_is_killed(tmp_path: Path, built: Path) -> None:
    """At any moment of the start, with the application and others reading what is being pushed."""
    path = tmp_path / "killed.AppImage"
    shutil.copy(built, path)
    image = Image(path, make_temporary(tmp_path))
    script = (
        'while cat "$APPDIR/library" "$APPDIR"/small/* && stat --file-system "$APPDIR"; do :; done >/dev/null; exit 9'
    )
    generator = random.Random(3)  # noqa: S311 - the same moments every time
    for _ in range(40):
        process = image.start("run", "eval", script)
        time.sleep(generator.uniform(0.001, 0.03))
        # Again, as those that are killed may just have been about to start others.
        wait_until(lambda process=process: kill_daemons(image, process) and process.poll() is not None)  # type: ignore[misc]
        # 2: the shell cannot read its script; 126, 127: nobody can.
        assert process.returncode in {2, 9, 126, 127}
        process.communicate()
        wait_until(lambda: not processes_of(image))
        for name in image.leftovers():
            subprocess.run(["umount", "--lazy", image.temporary / name], check=False, stderr=subprocess.DEVNULL)
            (image.temporary / name).rmdir()


def kill_daemons(image: Image, process: subprocess.Popen[str]) -> bool:
    for victim in processes_of(image):
        if victim != process.pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)
    return True
