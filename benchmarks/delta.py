#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How much an update costs, from one version of an image to the next: by the real zsync client, and by a block map.

Builds two versions of the test projects with this checkout, one line or one dependency apart, and packs the same two
trees with mksquashfs, too. Bytes are all that is fetched: of the image, and of the file that describes it.

Needs Debian's zsync and squashfs-tools, and a package index.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from apps import ROOT, Edit
from hatch_appimage.appdir.appimage_self.assemble import assemble, is_announced
from hatch_appimage.appdir.appimage_self.blocks import MAX_SIZE, SUFFIX, read_map
from hatch_appimage.appdir.appimage_self.engine import Release
from hatch_appimage.appdir.appimage_self.web import Web
from hatch_appimage.appdir.appimage_self.zsync import fetch_header
from hatch_appimage.format import find_squashfs
from hatch_appimage.image.block_map import write_block_map
from hatch_appimage.image.zsync import write_zsync
from range_server import serving


@dataclass(frozen=True)
class Change:
    """A step from one version of a project to the next.

    Attributes:
        project: a directory of ``test-projects``.
        name: for people.
        file: what changes in it.
        before: the text there, which the first version gets instead of ``base``.
        after: the text that the second version has.
        base: what stands there in the repository.

    """

    project: str
    name: str
    file: str
    base: str
    before: str
    after: str


CHANGES = (
    Change(
        "flask-app",
        "one line",
        "src/flask_app/server.py",
        "Hello from an AppImage",
        "Hello from an AppImage",
        "Hello from the next AppImage",
    ),
    Change("flask-app", "requests", "pyproject.toml", "requests>=2.31", "requests==2.32.4", "requests==2.32.5"),
    Change(
        "pandas-report",
        "one line",
        "src/pandas_report/__init__.py",
        "import pandas as pd",
        "import pandas as pd",
        "import pandas as pd  # the next version",
    ),
    Change(
        "pandas-report",
        "dateutil",
        "pyproject.toml",
        '"pandas"',
        '"pandas<3", "python-dateutil==2.9.0"',
        '"pandas<3", "python-dateutil==2.9.0.post0"',
    ),
)


@dataclass(frozen=True)
class Cost:
    """What an update costs.

    Attributes:
        image: bytes that are fetched of the image.
        description: bytes that are fetched of what describes it.
        requests: how many are sent.
        seconds: of processor time that the client takes.

    """

    image: int
    description: int
    requests: int
    seconds: float

    @property
    def fetched(self) -> int:
        """Bytes that are fetched altogether."""
        return self.image + self.description


def main() -> None:
    """Print rows for each change."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", help="one project")
    options = parser.parse_args()
    print(f"{'project':<14} {'change':<10} {'packed by':<11} {'size':>11}", end="")
    print(
        "".join(f"  {name:>10} {'':>7} {'image':>10} {'requests':>8} {'CPU':>6}" for name in ("zsync", "map")), " ratio"
    )
    for change in CHANGES:
        if options.only in {None, change.project}:
            with TemporaryDirectory() as directory:
                measure(change, Path(directory))


def measure(change: Change, directory: Path) -> None:
    """Build both versions, pack them both ways, and update both ways."""
    images = [
        build(change, directory / f"ours-{number}", text) for number, text in enumerate((change.before, change.after))
    ]
    theirs = [repack(image, directory / f"theirs-{number}") for number, image in enumerate(images)]
    for packer, (old, new) in {"this": images, "mksquashfs": theirs}.items():
        size, costs = new.stat().st_size, (update(old, new), update_by_map(old, new))
        print(f"{change.project:<14} {change.name:<10} {packer:<11} {size:>11,}", end="")
        for cost in costs:
            print(f"  {cost.fetched:>10,} {cost.fetched / size:>7.2%} {cost.image:>10,}", end="")
            print(f" {cost.requests:>8} {cost.seconds:>5.2f}s", end="")
        print(f" {costs[1].fetched / costs[0].fetched:>6.2f}", flush=True)


def build(change: Change, directory: Path, text: str) -> Path:
    """Build one version with this checkout."""
    project = Path(
        shutil.copytree(ROOT / "test-projects" / change.project, directory, ignore=shutil.ignore_patterns("dist"))
    )
    Edit(change.file, change.base, text).apply(project)
    command = [sys.executable, "-m", "hatchling", "build", "-t", "appimage"]
    subprocess.run(command, cwd=project, check=True, env={**os.environ, "HATCH_QUIET": "1"})
    (image,) = (project / "dist").glob("*.AppImage")
    return image


def repack(image: Path, directory: Path) -> Path:
    """Pack the same tree with mksquashfs behind the same runtime."""
    directory.mkdir()
    offset = find_squashfs(image)
    tree, squashfs = directory / "tree", directory / "squashfs"
    subprocess.run(["unsquashfs", "-q", "-n", "-d", tree, "-o", str(offset), image], check=True)
    options = [
        "-comp",
        "zstd",
        "-Xcompression-level",
        "15",
        "-b",
        "128K",
        "-all-root",
        "-all-time",
        "0",
        "-mkfs-time",
        "0",
    ]
    subprocess.run(["mksquashfs", tree, squashfs, "-quiet", "-no-progress", "-no-xattrs", *options], check=True)
    packed = directory / image.name
    with image.open("rb") as runtime, squashfs.open("rb") as payload, packed.open("wb") as target:
        target.write(runtime.read(offset))
        shutil.copyfileobj(payload, target)
    return packed


def update(old: Path, new: Path) -> Cost:
    """Update with the real client."""
    write_zsync(new, url=new.name, mtime=0)
    with serving(new.parent) as server, TemporaryDirectory() as directory:
        output = Path(directory, "updated")
        command: list[str | Path] = ["zsync", "-q", "-i", old, "-o", output, f"{server.url}/{new.name}.zsync"]
        with subprocess.Popen(command, cwd=directory, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            seconds = processor_time(process.pid)
            process.returncode = 0
        check(output, new)
        return Cost(server.sent.get(new.name, 0), server.sent[f"{new.name}.zsync"], server.requests, seconds)


def update_by_map(old: Path, new: Path) -> Cost:
    """Update as images that manage themselves do."""
    write_block_map(new, version="2")
    with serving(new.parent) as server, TemporaryDirectory() as directory:
        output = Path(directory, "updated")
        child = os.fork()
        if not child:
            try:
                fetch(f"{server.url}/{new.name}", old, output)
            finally:
                os._exit(0)
        seconds = processor_time(child)
        check(output, new)
        sent = server.sent
        described = sent[new.name + SUFFIX] + sent[f"{new.name}.zsync"]
        return Cost(sent.get(new.name, 0), described, server.requests, seconds)


def fetch(url: str, old: Path, output: Path) -> None:
    """Put the new image together."""
    web = Web()
    header = fetch_header(web, f"{url}.zsync")
    block_map = read_map(web.read(url + SUFFIX, MAX_SIZE), url)
    release = Release("2", header.size, url, f"{url}.zsync", header.sha1, block_map.sha256, block_map)
    with output.open("wb+") as part:
        assemble(web, release, [str(old)], part, lambda *_: None)
        is_announced(part, release)


def processor_time(process: int) -> float:
    """Wait for a process, and return how many seconds of processor time it took."""
    _, _, usage = os.wait4(process, 0)
    return usage.ru_utime + usage.ru_stime


def check(updated: Path, new: Path) -> None:
    """See that an update was one."""
    if updated.read_bytes() != new.read_bytes():
        raise SystemExit("The updated file is not the new one")


if __name__ == "__main__":
    main()
