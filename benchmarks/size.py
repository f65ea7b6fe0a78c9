#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How large files are: the test projects built by this packer and by its peers, as files and unpacked.

``benchmarks/size.py [--project NAME]... [--packer NAME]... [--json FILE]``, with the Python of a development install.

What is built must run and print what it should, or the table says why it does not. Needs the package index and the
Debian packages that it names if they are missing. Sizes are in units of 10^6 bytes; that of a directory is the sum of
the sizes of its files. With ``--directory``, builds stay and are used again, by ``startup.py`` too.
"""

from __future__ import annotations

import argparse
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from hatch_appimage.errors import AppImageError
from hatch_appimage.format import find_squashfs
from results import Figure
from selection import add_options, selected

if TYPE_CHECKING:
    from workplace import Product


def main() -> None:
    """Build, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser)
    options = parser.parse_args()
    figures = []
    with selected("size", options) as selection:
        for app in selection.apps:
            for packer in selection.packers:
                product = selection.try_build(packer, app)
                if isinstance(product, Figure):
                    figures.append(product)
                else:
                    figures.append(Figure(app.project, packer.name, measure(product)))
        report(figures)
        selection.finish(figures, options)


def measure(product: Product) -> dict[str, float]:
    """Return the sizes in bytes: of the file, if there is one, and of the tree, if there is one."""
    values: dict[str, float] = {}
    if product.file:
        values["file"] = product.file.stat().st_size
    if product.tree:
        values["tree"] = tree_size(product.tree)
    elif product.file and is_appimage(product.file):
        with TemporaryDirectory(prefix="hatch-appimage-") as directory:
            command: list[str | Path] = [product.file, "--appimage-extract"]
            subprocess.run(command, check=True, cwd=directory, stdout=subprocess.DEVNULL)
            values["tree"] = tree_size(Path(directory))
    return values


def is_appimage(file: Path) -> bool:
    """Whether a file is a runtime with a SquashFS behind it."""
    try:
        find_squashfs(file)
    except AppImageError:
        return False
    return True


def tree_size(tree: Path) -> int:
    """Return the sum of the sizes of all files, each counted once however many names it has."""
    states = (path.lstat() for path in tree.rglob("*") if path.is_file() and not path.is_symlink())
    return sum({state.st_ino: state.st_size for state in states}.values())


def report(figures: list[Figure]) -> None:
    """Print a table."""
    print(f"\n{'project':14} {'packer':24} {'file':>8} {'unpacked':>9}  (10^6 bytes)")
    for figure in figures:
        cells = [f"{figure.values[name] / 1e6:8.1f}" if name in figure.values else "-" for name in ("file", "tree")]
        print(f"{figure.project:14} {figure.packer:24} {cells[0]:>8} {cells[1]:>9}  {figure.failed}")


if __name__ == "__main__":
    main()
