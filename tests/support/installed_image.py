# SPDX-License-Identifier: MIT
"""A small AppDir with a standard library and packages in it, and what is left out of it."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from hatch_appimage.layout import AppDir
from hatch_appimage.python import BundledPython
from hatch_appimage.sources.imports import Reached
from hatch_appimage.sources.reach import Reach
from hatch_appimage.sources.reader import SourceReader
from hatch_appimage.trim.packages import trim_packages
from hatch_appimage.trim.python import trim_python
from hatch_appimage.trim.qt import trim_qt
from hatch_appimage.trim.restore import restore_stdlib
from hatch_appimage.trim.settings import QT, TrimSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hatch_appimage.trim.packages import Trimmed
    from hatch_appimage.trim.restore import Restored

SITE = "usr/lib/python3.12/site-packages"


class Image:
    """An AppDir with packages in it, each with its RECORD."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.site = root / SITE
        self.site.mkdir(parents=True)
        self.python = BundledPython(
            version="3.12.1",
            executable=root / "usr/libexec/python3.12",
            stdlib=self.site.parent,
            site_packages=(self.site,),
            interpreter=Path("/python"),
            origin=root / "origin",
        )

    def add(self, files: Mapping[str, str | bytes], package: str = "pkg", entry_points: str = "") -> None:
        """Install a package."""
        info = f"{package}-1.0.dist-info"
        files = {**files, f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n"}
        files |= {f"{info}/entry_points.txt": entry_points} if entry_points else {}
        for name, text in files.items():
            path = self.site / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode() if isinstance(text, str) else text)
        with (self.site / info / "RECORD").open("w") as record:
            csv.writer(record).writerows([name, "", ""] for name in [*files, f"{info}/RECORD"])

    def trim(
        self,
        *groups: str,
        exclude: tuple[str, ...] = (),
        keep: tuple[str, ...] = (),
        extra: tuple[Path, ...] = (),
        reach: Reach | None = None,
    ) -> Trimmed:
        settings = TrimSettings(trim=groups, exclude_files=exclude, keep_files=keep)
        reach = reach or Reach({}, frozenset())
        return trim_packages(
            AppDir(self.root, "app"), self.python, "My_App", reach, settings, extra=extra, reader=SourceReader()
        )

    @property
    def files(self) -> set[str]:
        """The files of packages, without metadata."""
        paths = (path.relative_to(self.site) for path in self.site.rglob("*") if path.is_file())
        return {str(path) for path in paths if ".dist-info" not in str(path)}

    def add_stdlib(self, files: dict[str, str]) -> None:
        """Write files of the standard library."""
        for name, text in files.items():
            path = self.python.stdlib / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    @property
    def stdlib(self) -> set[str]:
        """The files of the standard library."""
        paths = (path for path in self.python.stdlib.rglob("*") if path.is_file())
        return {str(path.relative_to(self.python.stdlib)) for path in paths if not path.is_relative_to(self.site)}

    def reach(self, *own: str) -> Reach:
        """Return what the application imports: all modules of packages; and its own are those with these files."""
        files = [path for path in self.site.rglob("*") if path.suffix in {".py", ".so"}]
        return Reach(
            {str(path): Reached(path, None) for path in files},
            frozenset(),
            own=frozenset(self.site / name for name in own),
        )

    def trim_python(
        self,
        *groups: str,
        keep: tuple[str, ...] = (),
        own: tuple[str, ...] = (),
        exposed: bool = False,
        extra: tuple[Path, ...] = (),
        reach: Reach | None = None,
    ) -> Trimmed:
        return trim_python(
            AppDir(self.root, "app"),
            self.python,
            "My_App",
            reach or self.reach(*own),
            TrimSettings(trim=groups, exclude_files=(), keep_files=keep),
            exposed=exposed,
            extra=extra,
            reader=SourceReader(),
        )

    def trim_qt(
        self, *, keep: tuple[str, ...] = (), own: tuple[str, ...] = (), exposed: bool = False, wanted: bool = True
    ) -> Trimmed:
        reach = self.reach(*own)
        started = {name: module for name, module in reach.modules.items() if "scripts" not in module.path.parts}
        return trim_qt(
            AppDir(self.root, "app"),
            self.python,
            "My_App",
            replace(reach, modules=started),
            TrimSettings(trim=(QT,) if wanted else (), exclude_files=(), keep_files=keep),
            exposed=exposed,
            reader=SourceReader(),
        )

    def restore(self, *keep: str) -> Restored:
        return restore_stdlib(AppDir(self.root, "app"), self.python, keep=keep, reader=SourceReader())
