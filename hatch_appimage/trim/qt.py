# SPDX-License-Identifier: MIT
"""Leave out of the AppDir the modules of Qt that nothing in it uses."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from hatch_appimage.python.installed import installed_files
from hatch_appimage.sources.files import ENTRY_POINTS, find_sources
from hatch_appimage.trim.packages import Trimmed, matches, remove_files
from hatch_appimage.trim.python import find_unknown_code
from hatch_appimage.trim.qt_binding import BINDINGS, SCRIPTS, Binding
from hatch_appimage.trim.qt_modules import find_unused_files
from hatch_appimage.trim.qt_uses import find_uses
from hatch_appimage.trim.settings import QT

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from hatch_appimage.layout import AppDir
    from hatch_appimage.python import BundledPython
    from hatch_appimage.python.installed import InstalledFile
    from hatch_appimage.sources.files import Source
    from hatch_appimage.sources.reach import Reach
    from hatch_appimage.sources.reader import SourceReader
    from hatch_appimage.trim.qt_uses import Uses
    from hatch_appimage.trim.settings import TrimSettings


def trim_qt(
    appdir: AppDir,
    python: BundledPython,
    project: str,
    reach: Reach,
    settings: TrimSettings,
    *,
    exposed: bool = False,
    extra: Iterable[Path] = (),
    reader: SourceReader,
) -> Trimmed:
    """Leave out what the bindings of Qt that are installed have beyond what code in the image names.

    Nothing is left out where code may run that is not in the image: nobody can tell what that imports.

    Args:
        appdir: with everything installed, and without the tests of packages.
        python: its Python.
        project: the project's name; its own files stay.
        reach: what the application imports.
        settings: what is to be left out.
        exposed: users can start the interpreter itself.
        extra: files that the project put into the AppDir, which stay.
        reader: knows what sources name.

    """
    files = list(installed_files(python)) if QT in settings.trim else []
    of_bindings = _files_of_bindings(files)
    if not of_bindings:
        return Trimmed({})
    sources = find_sources(appdir, python, {file.path: file.owner for file in files})
    if unknown := find_unknown_code(python, sources, reach, reader, exposed=exposed):
        return Trimmed({}, {QT: f"code that is not in the image may use it: {unknown}"})
    owners = {file.owner for some in of_bindings.values() for file in some}
    commands = [file.path for file in files if file.owner in owners and not file.importable]
    sources = [source for source in sources if source.path not in commands and not _lists_tools(source, owners)]
    own, extra = canonicalize_name(project), frozenset(extra)
    gone: list[Path] = []
    used: dict[str, str] = {}
    modules: dict[str, str] = {}
    for name, some in sorted(of_bindings.items()):
        binding = Binding(name, _root_of(some[0]), frozenset(file.path for file in some))
        staying = [file.path for file in some if file.owner == own or matches(file.place, settings.keep_files)]
        unused = find_unused_files(binding, _find_uses(sources, binding, reach, reader), {*staying, *extra})
        gone += sorted(unused.files)
        if unused.files.issuperset(binding.scripts):
            gone += [path for path in commands if _starts(path, f"{name}.{SCRIPTS}")]
        used |= {f"{name}.{module}".rstrip("."): reason for module, reason in unused.used.items()}
        modules |= {f"{name}.{module}": QT for module in unused.modules}
    saved, _ = remove_files({QT: [path for path in gone if path not in extra]})
    return Trimmed(saved, used, modules)


def _find_uses(sources: Iterable[Source], binding: Binding, reach: Reach, reader: SourceReader) -> Uses:
    """Find what is used of a binding, its programs for developers among it if the image starts one."""
    uses = find_uses(sources, binding, reader)
    if not reach.files.isdisjoint(binding.scripts):
        uses.modules[SCRIPTS] = "the image starts it"
    return uses


def _files_of_bindings(files: Iterable[InstalledFile]) -> dict[str, list[InstalledFile]]:
    found: dict[str, list[InstalledFile]] = defaultdict(list)
    for file in files:
        if file.importable and file.place.parts[0] in BINDINGS and len(file.place.parts) > 1:
            found[file.place.parts[0]].append(file)
    return found


def _root_of(file: InstalledFile) -> Path:
    return file.path.parents[len(file.place.parts) - 2]


def _starts(command: Path, package: str) -> bool:
    """Whether a command calls something in a package."""
    return package.encode() in command.read_bytes()


def _lists_tools(source: Source, owners: set[str]) -> bool:
    """Whether a file is the list of commands that a binding brings for developers."""
    if source.path.name != ENTRY_POINTS:
        return False
    return canonicalize_name(source.place.parts[0].split("-")[0]) in owners
