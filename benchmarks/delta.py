#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How much an update costs: what the real zsync client fetches to get from one version of an image to the next.

Builds two versions of the test projects with this checkout, one line or one dependency apart, and packs the same two
trees with mksquashfs, too.

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
from hatch_appimage.format import find_squashfs
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


def main() -> None:
    """Print a row for each change."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", help="one project")
    options = parser.parse_args()
    print(f"{'project':<14} {'change':<10} {'size':>11} {'ours':>10} {'':>7} {'mksquashfs':>11} {'':>7} {'ratio':>6}")
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
    ours_sent, theirs_sent = update(*images), update(*theirs)
    size, their_size = images[1].stat().st_size, theirs[1].stat().st_size
    print(
        f"{change.project:<14} {change.name:<10} {size:>11,} {ours_sent:>10,} {ours_sent / size:>7.2%} "
        f"{theirs_sent:>11,} {theirs_sent / their_size:>7.2%} {ours_sent / theirs_sent:>6.2f}",
        flush=True,
    )


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


def update(old: Path, new: Path) -> int:
    """Update with the real client; return how many bytes of the image it fetched."""
    write_zsync(new, url=new.name, mtime=0)
    with serving(new.parent) as server, TemporaryDirectory() as directory:
        output = Path(directory, "updated")
        command: list[str | Path] = ["zsync", "-q", "-i", old, "-o", output, f"{server.url}/{new.name}.zsync"]
        subprocess.run(command, check=True, cwd=directory, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if output.read_bytes() != new.read_bytes():
            raise SystemExit("The updated file is not the new one")
        return server.sent.get(new.name, 0)


if __name__ == "__main__":
    main()
