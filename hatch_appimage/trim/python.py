# SPDX-License-Identifier: MIT
"""Leave out of the AppDir what nothing in it uses of the standard library, and the packages that install others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from hatch_appimage.python.installed import installed_distributions, installed_files, name_of, paths_of
from hatch_appimage.sources.files import find_sources
from hatch_appimage.trim.foreign_code import find_foreign_code
from hatch_appimage.trim.installers import MODULES, find_users_of_installers
from hatch_appimage.trim.packages import Trimmed, globs_for_stdlib, matches, remove_files, stdlib_files
from hatch_appimage.trim.settings import INSTALLERS, STDLIB
from hatch_appimage.trim.stdlib import StandardLibrary, find_unused_parts
from hatch_appimage.trim.stdlib_needs import find_needs

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from importlib.metadata import PathDistribution
    from pathlib import Path

    from hatch_appimage.layout import AppDir
    from hatch_appimage.python import BundledPython
    from hatch_appimage.sources.files import Source
    from hatch_appimage.sources.reach import Reach
    from hatch_appimage.sources.reader import SourceReader
    from hatch_appimage.trim.settings import TrimSettings


def trim_python(
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
    """Leave out the packages that install others, and parts of the standard library.

    Nothing is left out where code may run that is not in the image: nobody can tell what that imports.

    Args:
        appdir: with everything installed, and without what else is left out: that uses nothing.
        python: its Python.
        project: the project's name; its own package stays.
        reach: what the application imports.
        settings: what is to be left out.
        exposed: users can start the interpreter itself.
        extra: files that the project put into the AppDir, which stay.
        reader: knows what sources name.

    """
    groups = [name for name in (INSTALLERS, STDLIB) if name in settings.trim]
    if not groups:
        return Trimmed({})
    extra = frozenset(extra)
    owners: dict[Path, str] = {}
    for each in installed_distributions(python):
        owners |= dict.fromkeys(set(paths_of(each)) - extra, name_of(each))
    sources = find_sources(appdir, python, owners)
    if unknown := find_unknown_code(python, sources, reach, reader, exposed=exposed):
        return Trimmed({}, dict.fromkeys(groups, f"code that is not in the image may use it: {unknown}"))
    trimming = _Trimming(appdir, python, settings, extra | reach.own, reader)
    trimmed = Trimmed({})
    if INSTALLERS in groups:
        trimmed = trimming.leave_out_installers(sources, project)
        sources = [source for source in sources if source.owner not in trimmed.packages]
    if STDLIB in groups:
        trimmed |= trimming.leave_out_parts(sources)
    return trimmed


def find_unknown_code(
    python: BundledPython, sources: Sequence[Source], reach: Reach, reader: SourceReader, *, exposed: bool
) -> str | None:
    """Return why code may run that is not in the image, or that nobody can read; None if nothing is seen to run any.

    Args:
        python: the bundled Python.
        sources: the files that can run code.
        reach: what the application imports.
        reader: knows what sources do.
        exposed: users can start the interpreter itself.

    """
    if exposed:
        return "`expose-python`"
    return _find_bare_bytecode(python) or find_foreign_code(sources, reach.files, reach.own, reader)


def _find_bare_bytecode(python: BundledPython) -> str | None:
    """Return what an installed package has of bytecode without its source, which nobody reads."""
    for site in python.site_packages:
        for path in sorted(site.rglob("*.pyc")):
            if path.parent.name != "__pycache__":
                return f"{path.relative_to(site)} has no source"
    return None


@dataclass(frozen=True)
class _Trimming:
    """What is trimmed, and how.

    Attributes:
        appdir: with everything installed.
        python: its Python.
        settings: what is to be left out.
        staying: files that stay with all of the package that they belong to.
        reader: knows what sources name.

    """

    appdir: AppDir
    python: BundledPython
    settings: TrimSettings
    staying: frozenset[Path]
    reader: SourceReader

    def leave_out_installers(self, sources: Sequence[Source], project: str) -> Trimmed:
        users = find_users_of_installers(sources, self.reader)
        keep = self.settings.keep_files
        unused = frozenset(name for name, user in users.items() if user is None) - {canonicalize_name(project)}
        files = [file for file in installed_files(self.python) if file.owner in unused]
        unused -= {file.owner for file in files if file.path in self.staying or matches(file.place, keep)}
        distributions = [each for each in installed_distributions(self.python) if name_of(each) in unused]
        # The metadata goes as well: importlib.metadata tells what is in the image, whatever else requires the package.
        saved, _ = remove_files({INSTALLERS: [path for each in distributions for path in _files_of(each)]})
        modules = {name: INSTALLERS for package in unused for name in MODULES[package]}
        return Trimmed(saved, {name: user for name, user in users.items() if user}, modules, unused)

    def leave_out_parts(self, sources: Sequence[Source]) -> Trimmed:
        library = StandardLibrary.read(self.appdir, self.python, self.reader)
        keep = globs_for_stdlib(self.settings.keep_files)
        files = stdlib_files(self.appdir, self.python) if keep else []
        kept = self.staying.union(file.path for file in files if matches(file.place, keep))
        needs = find_needs(sources, {name.partition(".")[0] for name in library.files}, self.reader)
        parts = find_unused_parts(library, needs, kept=kept, reader=self.reader)
        names = [name for modules in parts.unused.values() for name in modules]
        saved, _ = remove_files({STDLIB: sorted(library.files_of(names) - kept)})
        modules = {name: STDLIB for name in names if name.rpartition(".")[0] not in names}
        return Trimmed(saved, parts.used, modules)


def _files_of(distribution: PathDistribution) -> set[Path]:
    return {path for path in paths_of(distribution) if path.is_file()}
