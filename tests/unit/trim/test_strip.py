# SPDX-License-Identifier: MIT
"""Symbols are removed from the programs and libraries of installed packages."""

from __future__ import annotations

import csv
import shutil
import subprocess
from pathlib import Path

import pytest

from hatch_appimage.architecture import ARCHITECTURES, native_architecture
from hatch_appimage.elf import read_sections
from hatch_appimage.elf_strip import Stripped
from hatch_appimage.layout import AppDir
from hatch_appimage.python import BundledPython
from hatch_appimage.python.installed import installed_distributions, update_records
from hatch_appimage.trim.settings import TrimSettings
from hatch_appimage.trim.strip import strip_packages
from support.tools import require

SOURCE = "".join(f"static int hidden_{number}(int a) {{ return a * {number}; }}\n" for number in range(50)) + (
    "int (*functions[])(int) = {" + ", ".join(f"hidden_{number}" for number in range(50)) + "};\n"
)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a library for this machine, with symbols."""
    directory = tmp_path_factory.mktemp("original")
    (directory / "a.c").write_text(SOURCE)
    library = directory / "a.so"
    command: list[str | Path] = [require("cc", "gcc"), "-g", "-shared", "-fPIC", "-o", library, directory / "a.c"]
    subprocess.run(command, check=True)
    return library


class Image:
    """An AppDir with packages in it."""

    def __init__(self, root: Path, original: Path) -> None:
        self.appdir = AppDir(root / "AppDir", "my-app")
        self.site = self.appdir.lib / "python3.12" / "site-packages"
        self.original = original
        self.python = BundledPython(
            version="3.12.1",
            executable=self.appdir.libexec / "python3.12",
            stdlib=self.site.parent,
            site_packages=(self.site,),
            interpreter=Path("/python"),
            origin=Path("/"),
        )

    def install(self, package: str, *names: str) -> list[Path]:
        """Install a package of libraries, by their paths below the directory of packages."""
        info = self.site / f"{package}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        with (info / "RECORD").open("w") as record:
            csv.writer(record).writerows(
                [name, "", ""] for name in [*names, f"{info.name}/METADATA", f"{info.name}/RECORD"]
            )
        paths = [self.site / name for name in names]
        for path in paths:
            self.put(path)
        return paths

    def put(self, path: Path) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        return Path(shutil.copy(self.original, path))

    def strip(self, *, keep: tuple[str, ...] = (), extra: tuple[Path, ...] = (), name: str = "") -> Stripped:
        architecture = ARCHITECTURES[name] if name else native_architecture()
        settings = TrimSettings(keep_files=keep)
        return strip_packages(self.appdir, architecture, self.python, settings, extra=extra)

    def is_stripped(self, path: Path) -> bool:
        assert (".symtab" in read_sections(path).places) == (path.read_bytes() == self.original.read_bytes())
        return ".symtab" not in read_sections(path).places


@pytest.fixture
def image(tmp_path: Path, original: Path) -> Image:
    return Image(tmp_path, original)


def test_all_packages(image: Image) -> None:
    """The project's own is one of them, and programs lie outside of the directory of packages."""
    paths = [*image.install("my_app", "my_app/a.so"), *image.install("other", "other/b.so", "../../../bin/tool")]
    result = image.strip()
    assert all(map(image.is_stripped, paths))
    saved = image.original.stat().st_size - paths[0].stat().st_size
    assert result == Stripped(3, 3 * saved)


def test_records_are_true_afterwards(image: Image) -> None:
    (path,) = image.install("other", "other/b.so")
    image.strip()
    update_records(image.python)
    (distribution,) = installed_distributions(image.python)
    sizes = {str(file): file.size for file in distribution.files or ()}
    assert sizes["other/b.so"] == path.stat().st_size < image.original.stat().st_size


def test_what_stays(image: Image) -> None:
    kept, own, link, stripped = image.install("other", "other/kept.so", "other/own.so", "other/link.so", "other/z.so")
    outside = image.put(image.appdir.lib / "outside.so")
    link.unlink()
    link.symlink_to(outside)
    assert image.strip(keep=("*/kept.so",), extra=(own,)).files == 1
    assert not any(map(image.is_stripped, (kept, own, outside)))
    assert image.is_stripped(stripped)
    assert link.is_symlink()


def test_other_architecture(image: Image) -> None:
    """What is for another processor, such as that of a graphics card, is data here."""
    (path,) = image.install("other", "other/b.so")
    other = next(name for name in ARCHITECTURES if name != native_architecture().name)
    assert image.strip(name=other) == Stripped()
    assert not image.is_stripped(path)


def test_damaged(image: Image) -> None:
    (path,) = image.install("other", "other/b.so")
    path.write_bytes(path.read_bytes()[:100])
    assert image.strip() == Stripped()


def test_reasons(image: Image) -> None:
    (path,) = image.install("other", "other/b.so")
    with path.open("ab") as file:
        file.write(b"payload")
    reason = "data is appended that no header describes, which may be for the program to read"
    assert image.strip() == Stripped(kept={"usr/lib/python3.12/site-packages/other/b.so": reason})
