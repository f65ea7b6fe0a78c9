# SPDX-License-Identifier: MIT
"""Schemas of GSettings: those that the image's libraries and the application name, compiled."""

from __future__ import annotations

import platform
import re
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from hatch_appimage.errors import AppImageError
from hatch_appimage.introspection.places import SCHEMAS
from hatch_appimage.introspection.programs import is_runnable, run_program

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from hatch_appimage.layout import AppDir
    from hatch_appimage.system import System

_COMPILED = "gschemas.compiled"
# What the compiler reads (glib-compile-schemas(1)).
_COMPILED_FROM = ("*.gschema.xml", "*.enums.xml", "*.gschema.override")
_COMPILER = "glib-compile-schemas"
_MACHINE = f"/usr/share/{SCHEMAS}"
# Of the attributes of a schema (its format is in GLib's `gschema.dtd`).
_ID = re.compile(rb"<schema\b[^>]*?\bid=[\"']([\w.-]+)[\"']")
_OTHER = re.compile(rb"\b(?:extends|schema)=[\"']([\w.-]+)[\"']")
_ENUMS = re.compile(rb"\b(?:enum|flags)=[\"']([\w.-]+)[\"']")
_DEFINED = re.compile(rb"<(?:enum|flags)\b[^>]*?\bid=[\"']([\w.-]+)[\"']")
# What a schema's id looks like where a program or a source names it.
_NAMED = re.compile(rb"(?<![\w.-])[A-Za-z][\w-]*(?:\.[\w-]+){2,}(?![\w-])")


def names_in(data: bytes) -> set[bytes]:
    """Return what may be ids of schemas in a file of any kind."""
    return set(_NAMED.findall(data))


def find_schemas(named: Collection[bytes], system: System) -> list[Path]:
    """Return the files of the machine that have schemas which are named, with what these build on.

    Args:
        named: names, those of schemas among them.
        system: the machine.

    """
    directories = [system.locate(_MACHINE), *(package.root / _MACHINE[1:] for package in system.added)]
    files = [path for directory in directories for path in sorted(directory.glob("*.xml"))]
    texts = {path: path.read_bytes() for path in files}
    wanted = set(named)
    chosen: set[Path] = set()
    while more := {path for path in set(texts) - chosen if wanted.intersection(_ID.findall(texts[path]))}:
        chosen |= more
        wanted |= {name for path in more for name in _OTHER.findall(texts[path])}
    enums = {name for path in chosen for name in _ENUMS.findall(texts[path])}
    chosen |= {path for path, text in texts.items() if enums.intersection(_DEFINED.findall(text))}
    return sorted(chosen)


def compile_schemas(files: Iterable[Path], appdir: AppDir, system: System) -> int:
    """Compile schemas together with the project's own, which lie in the AppDir by now; return how many files.

    Raises:
        AppImageError: they have errors, or there is no compiler.

    """
    directory = appdir.usr / "share" / SCHEMAS
    with TemporaryDirectory(prefix="hatch-appimage-") as name:
        together = Path(name)
        own = (path for pattern in _COMPILED_FROM for path in directory.glob(pattern))
        for path in (*files, *own):
            shutil.copyfile(path, together / path.name)
        count = len(list(together.iterdir()))
        if count:
            arguments = ("--strict", f"--targetdir={together}", together)
            run_program(_find_compiler(system), *arguments, system=system, doing="compile schemas")
            directory.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(together / _COMPILED, directory / _COMPILED)
    return count


def _find_compiler(system: System) -> Path:
    """Return the compiler of this machine; Debian has it beside its libraries, not on the PATH."""
    found = shutil.which(_COMPILER) or next(_beside_libraries(system), None)
    if found is None:
        raise AppImageError(
            f"GTK needs schemas of GSettings, and {_COMPILER} is missing that compiles them: install it (Debian has it "
            "in libglib2.0-0 and libglib2.0-bin)"
        )
    return Path(found)


def _beside_libraries(system: System) -> Iterator[Path]:
    # Programs of a copy of another system are not run, only what its packages bring for this.
    own = system.directories if system.root == Path("/") or system.release else ()
    for directory in (*own, *sorted(Path("/usr/lib").glob(f"{platform.machine()}-linux-gnu*"))):
        path = directory / "glib-2.0" / _COMPILER
        if path.is_file() and is_runnable(path):
            yield path
