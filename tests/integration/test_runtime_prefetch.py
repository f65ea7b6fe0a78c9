# SPDX-License-Identifier: MIT
"""What the runtime puts into the page cache before the application asks: the right bytes, and never a hung process."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import os
import random
import shutil
import signal
import struct
import subprocess
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hatch_appimage.architecture import ARCHITECTURES
from hatch_appimage.image.compression import Preset
from hatch_appimage.image.write import load_runtime, write_image
from hatch_appimage.runtime import runtime_path
from hatch_appimage.runtime.compile import compile_runtime, fetch_zstd
from hatch_appimage.squashfs import SquashFSImage, write_squashfs, writer
from hatch_appimage.squashfs import format as fs
from support.projects import SUPPORT
from support.runtime_image import APPRUN, HOST, WAYS, Image, processes_of, sized_for, wait_until
from support.tools import require, unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(
    len(os.sched_getaffinity(0)) < 2,
    reason="with one processor nothing is prefetched",
)

SMALL_FILES = 200
LATER = "sleep 1;"
PAGE = os.sysconf("SC_PAGE_SIZE")
BLOCK = 128 << 10


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
def tree(needs_root: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    del needs_root
    root = tmp_path_factory.mktemp("prefetch") / "AppDir"
    (root / "small").mkdir(parents=True)
    (root / "AppRun").write_text(APPRUN)
    (root / "AppRun").chmod(0o755)
    (root / "library").write_bytes(compressible((3 << 20) + 1234, 1))
    (root / "too-large").write_bytes(compressible(17 << 20, 2))
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
    for directory in tree.parents[:3]:
        directory.chmod(0o755)
    return build(tree, tree.parent / "prefetched.AppImage")


@pytest.fixture(scope="module")
def faulty_runtime(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a runtime that meets the kernel that the environment describes; see faulty_kernel.c."""
    directory = tmp_path_factory.mktemp("faulty")
    fetch_zstd(directory)
    faults = SUPPORT / "faulty_kernel.c"
    more = ("-Dread=faulty_read", "-Dwritev=faulty_writev", faults)
    compile_runtime(HOST, directory / "runtime", directory, "faulty", more)
    return directory / "runtime"


@pytest.fixture(scope="module")
def faulty(tree: Path, faulty_runtime: Path) -> Path:
    return build(tree, tree.parent / "faulty.AppImage", runtime_file=faulty_runtime)


def build(
    tree: Path,
    path: Path,
    *,
    startup: tuple[int, int, int, int] | None = None,
    runtime_file: Path | None = None,
    architecture: str = HOST,
    libraries: tuple[str, ...] = ("library",),
    application: tuple[str, ...] = (),
) -> Path:
    """Pack with everything in the start-up order; ``startup`` overrides where its data begins and ends."""
    runtime = load_runtime(runtime_file or runtime_path(architecture), ARCHITECTURES[architecture])
    small = [f"small/{number}" for number in range(SMALL_FILES)]
    order = ["AppRun", *libraries, *small, "sparse", "linked", "empty"]
    write_image(
        tree,
        runtime,
        path,
        Preset("zstd", 3, 1 << 17),
        order=order,
        application=application,
        update_information=None,
        timestamp=1,
    )
    if startup is not None and runtime.startup is not None:
        with path.open("r+b") as file:
            file.seek(runtime.startup)
            file.write(struct.pack("<4Q", *startup))
    return path


MOUNTS = [way for way in WAYS if WAYS[way][3] == "mount"]


@pytest.fixture(params=MOUNTS)
def image(request: pytest.FixtureRequest, built: Path, tmp_path_factory: pytest.TempPathFactory) -> Image:
    user, prefix, settings, _ = WAYS[request.param]
    temporary = tmp_path_factory.mktemp("tmp")
    os.chown(temporary, user, user)
    return Image(sized_for(request.param, built), temporary, user, tuple(prefix), tuple(settings.items()))


@pytest.fixture
def mounted(built: Path, tmp_path: Path) -> Image:
    return Image(built, make_temporary(tmp_path))


def make_temporary(directory: Path) -> Path:
    temporary = directory / "tmp"
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


def is_through(image: Image) -> bool:
    """Whether all is prefetched: then the pipe is closed through which the server tells the unmounter."""
    for process in processes_of(image):
        for descriptor in Path(f"/proc/{process}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # closed just now
                if str(descriptor.readlink()).startswith("pipe:"):
                    return False
    return True


def resident(path: Path) -> int:
    """How many bytes of a file are in the page cache; looking does not read any."""
    command: list[str | Path] = [require("fincore", "util-linux"), "--bytes", "--noheadings", "--output", "RES", path]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


class TestContents:
    @pytest.mark.parametrize("before", ["", LATER], ids=["at once", "when all is prefetched"])
    def test_are_those_of_the_tree(self, tree: Path, image: Image, before: str) -> None:
        result = image.run("run", "eval", before + SUMS)
        assert result.stderr == ""
        assert parse_sums(result.stdout) == digests(tree)
        image.wait_until_clean()

    @pytest.mark.parametrize(
        "startup",
        [
            (0, 0, 0, 0),
            (0, 1, 0, 0),
            (0, 100_000, 0, 0),
            (0, 1 << 62, 0, 0),
            (0, (1 << 64) - 1, 0, (1 << 64) - 1),
            (100_000, 0, 5, 4),
            (0, 0, 0, 1 << 62),
            (0, 100_000, 0, 1 << 62),
            (0, 100_000, 200_000, 300_000),
        ],
    )
    def test_whatever_the_section_says(self, tree: Path, tmp_path: Path, startup: tuple[int, int, int, int]) -> None:
        image = Image(build(tree, tmp_path / "other.AppImage", startup=startup), make_temporary(tmp_path))
        assert parse_sums(image.run("run", "eval", LATER + SUMS).stdout) == digests(tree)
        image.wait_until_clean()

    def test_while_others_look_on(self, tree: Path, mounted: Image) -> None:
        """A process that searches the temporary directory finds every mount as soon as it is there."""
        script = f"while :; do find {mounted.temporary} -type f -exec head -c 5000 {{}} + >/dev/null 2>&1; done"
        with subprocess.Popen(["sh", "-c", script], start_new_session=True) as searcher:
            try:
                for _ in range(10):
                    assert parse_sums(mounted.run("run", "eval", SUMS).stdout) == digests(tree)
            finally:
                os.killpg(searcher.pid, signal.SIGKILL)
        mounted.wait_until_clean()


@pytest.mark.skipif(HOST != "x86_64", reason="the kernel of no other host runs a runtime of 32 bits")
def test_32_bits(tree: Path, tmp_path: Path) -> None:
    try:
        subprocess.run([runtime_path("i686"), "--appimage-version"], check=True, stderr=subprocess.DEVNULL)
    except OSError:
        unavailable("this kernel runs no programs of 32 bits")
    image = Image(build(tree, tmp_path / "i686.AppImage", architecture="i686"), make_temporary(tmp_path))
    assert parse_sums(image.run("run", "eval", SUMS).stdout) == digests(tree)
    wanted = in_pages(tree, tails=True)
    assert prefetched_pages(image, wanted) == wanted


@contextlib.contextmanager
def started(image: Image, script: str, *, prefetched: bool = False) -> Iterator[Path]:
    """Run a script and wait for its end, and until all is prefetched; yield the mount point."""
    process = image.start("run", "eval", f"{script} echo done; exec sleep 60")
    try:
        assert process.stdout
        assert process.stdout.readline() == "done\n"
        if prefetched:
            wait_until(lambda: is_through(image), 30)
        (name,) = image.leftovers()
        yield image.temporary / name
    finally:
        process.kill()
        process.communicate()
        image.wait_until_clean()


def prefetched_pages(image: Image, wanted: dict[str, int]) -> dict[str, int]:
    """Return what is in the page cache of files that nobody has read.

    On a machine with much else to do, the server may be too late to prefetch, and the kernel may take pages away again:
    it is started some times more.
    """
    for _ in range(10):
        with started(image, "", prefetched=True) as point:
            found = {name: resident(point / name) for name in wanted}
        assert all(found[name] <= wanted[name] for name in wanted)
        if found == wanted:
            break
    return found


def in_pages(tree: Path, *, tails: bool) -> dict[str, int]:
    """Return what is to be prefetched of some files, with the page that a file's end does not fill or without."""
    sizes = {name: (tree / name).stat().st_size for name in ("library", f"small/{SMALL_FILES - 1}", "small/30")}
    return {name: (size + (PAGE - 1 if tails else 0)) // PAGE * PAGE for name, size in sizes.items()} | {"too-large": 0}


class TestPrefetching:
    def test_is_there_before_it_is_read(self, tree: Path, mounted: Image) -> None:
        wanted = in_pages(tree, tails=True)
        assert prefetched_pages(mounted, wanted) == wanted

    def test_can_be_switched_off(self, tree: Path, mounted: Image) -> None:
        image = replace(mounted, settings=(("APPIMAGE_NO_PREFETCH", "1"),))
        wanted = in_pages(tree, tails=True)
        with started(image, LATER, prefetched=True) as point:
            assert {name: resident(point / name) for name in wanted} == dict.fromkeys(wanted, 0)
        assert parse_sums(image.run("run", "eval", SUMS).stdout) == digests(tree)
        image.wait_until_clean()


def expect_prefetched(image: Image, tree: Path) -> None:
    """See that files are there before they are read, and what they are, at once and when all is prefetched."""
    wanted = in_pages(tree, tails=True)
    assert prefetched_pages(image, wanted) == wanted
    for before in ("", LATER):
        assert parse_sums(image.run("run", "eval", before + SUMS).stdout) == digests(tree)
        image.wait_until_clean()


def test_what_every_release_changes(tree: Path, tmp_path: Path) -> None:
    """The application's own files lie at the end of the image, and are prefetched with the others."""
    small = [f"small/{number}" for number in range(0, SMALL_FILES, 2)]
    path = build(tree, tmp_path / "own.AppImage", application=("library", *small))
    expect_prefetched(Image(path, make_temporary(tmp_path)), tree)


def test_interpreter_that_is_too_large(tree: Path, tmp_path: Path) -> None:
    """It is not put into the page cache, as a start does not read all of it; what follows is."""
    path = build(tree, tmp_path / "large.AppImage", libraries=("too-large", "library"))
    expect_prefetched(Image(path, make_temporary(tmp_path)), tree)


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
        data[runtime.startup : runtime.startup + 16] = struct.pack("<2Q", 0, squashfs.stat().st_size)
        path = tmp_path / f"{size}.AppImage"
        path.write_bytes(bytes(data) + squashfs.read_bytes())
        path.chmod(0o755)
        image = Image(path, temporary)
        assert parse_sums(image.run("run", "eval", LATER + SUMS).stdout) == digests(tree)
        image.wait_until_clean()


class TestKernel:
    """A kernel that does less, or is slower."""

    @pytest.fixture
    def image(self, request: pytest.FixtureRequest, image: Image, faulty: Path) -> Image:
        return replace(image, path=sized_for(request.node.callspec.params["image"], faulty))

    def with_faults(self, image: Image, **faults: int) -> Image:
        return replace(image, settings=(*image.settings, *((name, str(value)) for name, value in faults.items())))

    @pytest.mark.parametrize("after", [0, 9])
    @pytest.mark.parametrize("fault", [errno.EINVAL, errno.ENOSYS, errno.ENOENT, errno.ENOMEM])
    def test_refuses(self, tree: Path, image: Image, fault: int, after: int) -> None:
        image = self.with_faults(image, FAULT=fault, FAULT_AFTER=after)
        result = image.run("run", "eval", SUMS)
        assert result.stderr == ""
        assert parse_sums(result.stdout) == digests(tree)
        image.wait_until_clean()

    def test_nothing_is_prefetched_after_it_has_refused(self, mounted: Image, faulty: Path) -> None:
        image = self.with_faults(replace(mounted, path=faulty), FAULT=errno.EINVAL, FAULT_AFTER=3)
        with started(image, "", prefetched=True) as point:
            assert resident(point / "library") <= 3 * BLOCK
            assert resident(point / f"small/{SMALL_FILES - 1}") == 0

    @pytest.mark.parametrize("delay", [500, 20_000])
    def test_takes_long(self, tree: Path, image: Image, delay: int) -> None:
        image = self.with_faults(image, FAULT_DELAY=delay)
        result = image.run("run", "eval", SUMS)
        assert result.stderr == ""
        assert parse_sums(result.stdout) == digests(tree)
        image.wait_until_clean()

    def test_leaves_what_is_behind_the_end(self, tree: Path, mounted: Image, faulty: Path) -> None:
        """Of a kernel that may leave anything there, no page is asked for that the file does not fill."""
        image = self.with_faults(replace(mounted, path=faulty), FAULT_MINOR=40)
        wanted = in_pages(tree, tails=False)
        assert prefetched_pages(image, wanted) == wanted

    def test_others_see_the_image_and_nothing_else(self, tree: Path, mounted: Image, faulty: Path) -> None:
        """While files are prefetched there is one directory more, whose name nobody knows, not even from listings."""
        image = self.with_faults(replace(mounted, path=faulty), FAULT_DELAY=20_000)
        names = {path.name for path in tree.iterdir()}
        with started(image, "") as point:
            assert not is_through(image)
            for _ in range(20):
                assert {path.name for path in point.iterdir()} == names
                assert not (point / ".prefetch0000000000000000").exists()
                time.sleep(0.02)

    def test_listings_are_complete_while_files_are_prefetched_and_after(
        self, tree: Path, mounted: Image, faulty: Path
    ) -> None:
        image = self.with_faults(replace(mounted, path=faulty), FAULT_DELAY=5000)
        sizes = {path.name: path.stat().st_size for path in (tree / "small").iterdir()}
        seen = set()
        for _ in range(10):  # on a busy machine it may be too late to prefetch anything
            with started(image, "") as point:
                for through in (False, True):
                    if through:
                        wait_until(lambda: is_through(image), 30)
                    seen.add(is_through(image))
                    assert {path.name: path.stat().st_size for path in (point / "small").iterdir()} == sizes
            if seen == {False, True}:
                break
        assert seen == {False, True}

    def test_application_ends_before_it_is_done(self, image: Image) -> None:
        image = self.with_faults(image, FAULT_DELAY=50_000)
        for script in ("exit 3", f"{LATER} exit 3"):
            assert image.run("run", "eval", script).returncode == 3
            image.wait_until_clean()
        wait_until(lambda: not processes_of(image))

    def test_many_at_once(self, mounted: Image, faulty: Path, tree: Path) -> None:
        image = self.with_faults(replace(mounted, path=faulty), FAULT_DELAY=200)
        processes = [image.start("run", "eval", SUMS) for _ in range(50)]
        for process in processes:
            output, errors = process.communicate(timeout=60)
            assert errors == ""
            assert parse_sums(output) == digests(tree)
        image.wait_until_clean()


def make_maze(tree: Path) -> bytes:
    """Return a tree's image with directories that are in two places each: 2 to the power of 40 paths."""
    depth = 40
    directory = tree
    for level in range(depth):
        (directory / f"b{level:02}").mkdir()
        directory = directory / f"a{level:02}"
        directory.mkdir()
    output = io.BytesIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writer, "new_compressor", lambda *_: bytes)
        write_squashfs(tree, output, compression="zstd", level=1, block_size=4096, mtime=0, threads=1)
    image = bytearray(output.getvalue())
    directories = fs.Superblock.unpack(bytes(image[: fs.SUPERBLOCK_SIZE])).directory_table
    reader = SquashFSImage(io.BytesIO(output.getvalue()))
    path = ""
    for level in range(depth):
        place = image.index(f"b{level:02}".encode(), directories) - fs.DIRECTORY_ENTRY.size
        found = reader.find(f"{path}a{level:02}")
        assert found
        image[place : place + 2] = (found.reference & 0xFFFF).to_bytes(2, "little")
        path += f"a{level:02}/"
    return bytes(image)


def test_directories_without_number(tmp_path: Path) -> None:
    """Whoever looks for the directories of start-up files ends nevertheless when the application does."""
    root = tmp_path / "AppDir"
    root.mkdir()
    (root / "AppRun").write_text(APPRUN)
    (root / "AppRun").chmod(0o755)
    runtime = load_runtime(runtime_path(HOST), ARCHITECTURES[HOST])
    assert runtime.startup is not None
    data = bytearray(runtime.data)
    data[runtime.startup : runtime.startup + 16] = struct.pack("<2Q", 0, 1 << 40)
    path = tmp_path / "maze.AppImage"
    path.write_bytes(bytes(data) + make_maze(root))
    path.chmod(0o755)
    image = Image(path, make_temporary(tmp_path))
    assert image.run("run", "eval", 'test -d "$APPDIR/b00/b01/b02/a03" && exit 4').returncode == 4
    image.wait_until_clean()
    wait_until(lambda: not processes_of(image))


@pytest.mark.parametrize("delay", [0, 2000])
def test_no_process_hangs_when_the_server_is_killed(tmp_path: Path, built: Path, faulty: Path, delay: int) -> None:
    """At any moment of the start, with the application and others reading what is being prefetched."""
    path = tmp_path / "killed.AppImage"
    shutil.copy(faulty if delay else built, path)
    image = Image(path, make_temporary(tmp_path), settings=(("FAULT_DELAY", str(delay)),))
    script = (
        'while cat "$APPDIR/library" "$APPDIR"/small/* && stat --file-system "$APPDIR"; do :; done >/dev/null; exit 9'
    )
    generator = random.Random(3)  # noqa: S311 - the same moments every time
    for _ in range(40):
        process = image.start("run", "eval", script)
        time.sleep(generator.uniform(0.001, 0.03))
        # Again, as those that are killed may just have been about to start others.
        wait_until(partial(is_through_with, image, process))
        if is_unpacked(image):  # there was nothing to be mounted any more, and its files stay
            process.kill()
        process.communicate()
        # 2: the shell cannot read its script; 126, 127: nobody can.
        assert process.returncode in {2, 9, 126, 127, -signal.SIGKILL}
        wait_until(partial(kill_daemons, image, process))
        wait_until(lambda: not processes_of(image))
        image.clear()


def is_through_with(image: Image, process: subprocess.Popen[str]) -> bool:
    """Kill what serves a process; say whether that has ended, or goes on without."""
    return kill_daemons(image, process) or is_unpacked(image)


def is_unpacked(image: Image) -> bool:
    """Whether the start has found no way to mount the image."""
    return any(name.startswith(".appimage-") for name in image.leftovers())


def daemons_of(image: Image, process: subprocess.Popen[str]) -> list[int]:
    """Return the server and the unmounter, in this order."""
    return sorted(number for number in processes_of(image) if number != process.pid)


@pytest.mark.parametrize("delay", [0, 2000])
def test_unmounter_killed(tmp_path: Path, built: Path, faulty: Path, delay: int) -> None:
    """While it should tell the kernel of files, and before: the server does its work."""
    image = Image(faulty if delay else built, make_temporary(tmp_path), settings=(("FAULT_DELAY", str(delay)),))
    for moment in range(15):
        process = image.start("run", "eval", "exec sleep 60")
        wait_until(partial(has_started, image, process))
        time.sleep(moment * 0.002)
        os.kill(daemons_of(image, process)[1], signal.SIGKILL)
        time.sleep(0.05)
        process.kill()
        process.communicate()
        image.wait_until_clean()
        wait_until(lambda: not processes_of(image))


def test_application_leaves_its_work_to_another_process(mounted: Image, faulty: Path) -> None:
    """All is prefetched nevertheless, and the server gets its processors back and leaves the session."""
    image = replace(mounted, path=faulty, settings=(("FAULT_DELAY", "500"),))
    result = image.run("run", "eval", "sleep 30 >/dev/null 2>&1 & echo $!", start_new_session=True)
    assert result.returncode == 0
    try:
        wait_until(lambda: is_through(image))
        server, unmounter = sorted(processes_of(image))
        threads = [int(path.name) for path in Path(f"/proc/{server}/task").iterdir()]
        wait_until(lambda: {os.getsid(server), os.getsid(unmounter)} == {server, unmounter})
        wait_until(
            lambda: all(os.sched_getaffinity(thread) == os.sched_getaffinity(0) for thread in [*threads, unmounter])
        )
    finally:
        os.kill(int(result.stdout), signal.SIGTERM)
    image.wait_until_clean()
    wait_until(lambda: not processes_of(image))


def test_server_has_a_thread_for_each_processor_and_one_more(mounted: Image) -> None:
    """Though it keeps to half of the processors while it prefetches; and it prefetches and watches in another."""
    process = mounted.start("run", "eval", "exec sleep 60")
    wait_until(partial(has_started, mounted, process))
    threads = Path(f"/proc/{daemons_of(mounted, process)[0]}/task")
    wait_until(lambda: len(list(threads.iterdir())) == min(len(os.sched_getaffinity(0)), 3) + 2)
    process.kill()
    process.communicate()
    mounted.wait_until_clean()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGHUP], ids=lambda number: number.name)
def test_process_group_ends_at_once(image: Image, number: signal.Signals) -> None:
    """As by Ctrl-C, a closed terminal, or `timeout -s KILL`."""
    for moment in range(20):
        process = image.start("run", "eval", "exec sleep 60", start_new_session=True)
        # SIGKILL ends also who mounts, who is not to be interrupted otherwise.
        if number == signal.SIGKILL:
            wait_until(partial(has_mounted, image, process))
        time.sleep(moment * 0.001)
        os.killpg(process.pid, number)
        process.communicate()
        image.wait_until_clean()
        wait_until(lambda: not processes_of(image))


def has_started(image: Image, process: subprocess.Popen[str]) -> bool:
    """Whether both daemons are there."""
    return len(daemons_of(image, process)) == 2


def has_mounted(image: Image, process: subprocess.Popen[str]) -> bool:
    """Whether both daemons are there, and the process has become its AppRun."""
    return has_started(image, process) and process.pid not in processes_of(image)


def kill_daemons(image: Image, process: subprocess.Popen[str]) -> bool:
    """Kill what serves a process; say whether that has ended."""
    for victim in processes_of(image):
        if victim != process.pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)
    return process.poll() is not None
