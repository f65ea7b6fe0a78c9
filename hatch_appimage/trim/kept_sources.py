# SPDX-License-Identifier: MIT
"""Which modules keep their sources in an image that otherwise has their bytecode only, and why."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from hatch_appimage.python.installed import installed_distributions, installed_files, name_of
from hatch_appimage.sources.reach import find_reach_of_commands
from hatch_appimage.sources.reader import File
from hatch_appimage.sources.uses import SourceUse
from hatch_appimage.trim.packages import matches

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from hatch_appimage.layout import AppDir
    from hatch_appimage.python import BundledPython
    from hatch_appimage.sources.reach import Reach
    from hatch_appimage.sources.reader import SourceReader

# What Python imports before `encodings` has ended with what gives sourceless modules their paths: see patch_stdlib.py.
_FIRST = frozenset(map(PurePosixPath, ("codecs.py", "encodings/__init__.py", "encodings/aliases.py")))
# What pytest finds tests by.
_TEST_RUNNER = "pytest"
_TESTS = ("conftest.py", "test_*.py", "*_test.py")
# Packages that parse the standard library's modules where the code that they are given imports these: pylint's and
# IPython's, and one for refactoring.
_ANALYSERS = frozenset({"astroid", "jedi", "rope"})
# Alembic loads the scripts of a directory by their paths, those beside this one and below it.
_MIGRATIONS = "script.py.mako"
_INIT = "__init__.py"


@dataclass(frozen=True)
class Module:
    """A source that is imported by its name, if at all.

    Attributes:
        path: where it is.
        place: below the directory that modules are looked for in.
        owner: the installed package that it belongs to, by its normalized name; the first part of its place for one
            that belongs to none. Empty for the standard library.

    """

    path: Path
    place: PurePosixPath
    owner: str

    @property
    def package(self) -> str:
        """The absolute name of the package that it is in."""
        return ".".join(self.place.parent.parts)


@dataclass(frozen=True)
class KeptSources:
    """Sources that stay, for one reason.

    Attributes:
        reason: why; it completes "These stay because ".
        paths: the sources.

    """

    reason: str
    paths: tuple[Path, ...]


def find_modules(appdir: AppDir, python: BundledPython) -> list[Module]:
    """Return the sources that are nothing but modules: of the standard library, of packages and of namespace packages.

    A directory within a package that is no package itself has data: templates, and scripts that are run by their paths.
    So has one whose name no module can have. What a link leads to may be meant by the link's name.

    """
    owners = {file.path: file.owner for file in installed_files(python)}
    linked = {path.resolve() for path in appdir.root.rglob("*.py") if path.is_symlink()}
    found = []
    for path in appdir.files():
        root = next((root for root in (*python.site_packages, python.stdlib) if path.is_relative_to(root)), None)
        if root is not None and path.suffix == ".py" and path not in linked and _is_module(path, root):
            place = PurePosixPath(path.relative_to(root))
            found.append(Module(path, place, "" if root == python.stdlib else owners.get(path, place.parts[0])))
    return found


def _is_module(path: Path, root: Path) -> bool:
    *parts, last = path.relative_to(root).parts
    # Names that begin with a digit, as those of Django's migrations do, are imported by functions.
    if not all(map(str.isidentifier, parts)) or not f"_{last.removesuffix('.py')}".isidentifier():
        return False
    packages = [(root.joinpath(*parts[:depth]) / _INIT).is_file() for depth in range(1, len(parts) + 1)]
    return packages == sorted(packages)  # within a package there are only packages


def find_kept_sources(
    modules: Iterable[Module],
    python: BundledPython,
    project: str,
    reach: Reach,
    patterns: Iterable[str],
    *,
    exposed: bool,
    reader: SourceReader,
) -> list[KeptSources]:
    """Find the modules whose sources something in the image needs, as far as their own text shows it.

    Args:
        modules: all of them.
        python: the bundled Python.
        project: the project's name.
        reach: what the application imports.
        patterns: globs of what the project wants to keep.
        exposed: users can start the interpreter itself, whose standard library is as everywhere then.
        reader: knows what sources do.

    """
    search = _Search(list(modules), python, canonicalize_name(project), reach, reader)
    kept: dict[Path, str] = {}
    for module, reason in search.find(tuple(patterns), exposed=exposed):
        kept.setdefault(module.path, reason)
    by_reason: dict[str, list[Path]] = defaultdict(list)
    for path, reason in kept.items():
        by_reason[reason].append(path)
    return [KeptSources(reason, tuple(sorted(paths))) for reason, paths in by_reason.items()]


class _Search:
    """Goes through what may need sources."""

    def __init__(
        self, modules: list[Module], python: BundledPython, project: str, reach: Reach, reader: SourceReader
    ) -> None:
        self._modules = modules
        self._python = python
        self._reader = reader
        self._project = project
        self._reached = frozenset(reach.files)
        self._by_owner: dict[str, list[Module]] = defaultdict(list)
        for module in modules:
            self._by_owner[module.owner].append(module)
        files = {module: File(module.path, module.package) for module in modules if module.owner}
        reader.read(files.values())
        self._uses = [
            (module, facts.use)
            for module, file in files.items()
            if (facts := reader.facts(file)) and facts.use != SourceUse()
        ]

    def find(self, patterns: tuple[str, ...], *, exposed: bool) -> Iterator[tuple[Module, str]]:
        """Yield modules that keep their sources, each with the reason; some of them several times."""
        for module in self._modules:
            if reason := self._reason_of(module, patterns, exposed=exposed):
                yield module, reason
        for module, use in self._uses:
            yield from self._needed_by(module, use)
            if use.packages:
                yield from self._looked_for_in_packages(module, use)
        for reader, module in self._readers.items():
            for other in self._modules:
                if self._requires(other, reader):
                    yield other, f"{module.place} reads the sources of what it is given"

    def _reason_of(self, module: Module, patterns: tuple[str, ...], *, exposed: bool) -> str | None:
        """Return why a module stays, whatever others do."""
        if matches(module.place, patterns):
            return "`keep-sources` names them"
        if not module.owner:
            return self._reason_of_stdlib(module, exposed=exposed)
        if _TEST_RUNNER in self._requirements and any(fnmatchcase(module.place.name, each) for each in _TESTS):
            return f"{_TEST_RUNNER} finds tests by them"
        if any((parent / _MIGRATIONS).is_file() for parent in (module.path.parent, module.path.parent.parent)):
            return "Alembic runs them by their paths"
        return None

    def _reason_of_stdlib(self, module: Module, *, exposed: bool) -> str | None:
        if exposed:
            return "the interpreter is exposed with its standard library"
        if module.place in _FIRST:
            return "Python imports them before all others"
        analyser = min(_ANALYSERS & self._requirements.keys(), default=None)
        return f"{analyser} parses what the code that it is given imports" if analyser else None

    def _needed_by(self, module: Module, use: SourceUse) -> Iterator[tuple[Module, str]]:
        if use.itself:
            yield module, "they do something with their own paths"
        if use.names:
            for other in self._modules if module.owner == self._project else self._by_owner[module.owner]:
                # Every package has some of these names.
                names = [name for name in use.names if other.owner == module.owner or not name.startswith("__")]
                if other.owner and any(_is_named(other.place, name) for name in names):
                    yield other, f"{module.place} names them"
        if use.lists:
            everywhere = use.elsewhere and (module.path in self._reached or module.path in self._of_commands)
            for other in self._by_owner[module.owner]:
                if everywhere or other.path.is_relative_to(module.path.parent):
                    yield other, f"{module.place} looks for sources"

    def _looked_for_in_packages(self, module: Module, use: SourceUse) -> Iterator[tuple[Module, str]]:
        """Yield what is looked for in a package that is given by its name: whoever gives it requires the module's."""
        for other in self._modules:
            if other.place.name in use.names and self._requires(other, module.owner):
                yield other, f"{module.place} looks for them in the packages that it is given"

    def _requires(self, module: Module, owner: str) -> bool:
        """Whether a module is of a package that requires another, or of that itself."""
        return bool(module.owner) and owner in self._requirements.get(module.owner, {module.owner})

    @cached_property
    def _of_commands(self) -> frozenset[Path]:
        return find_reach_of_commands(self._python, reader=self._reader)

    @cached_property
    def _readers(self) -> Mapping[str, Module]:
        """The packages that read sources of others and are imported, each with a module that does."""
        return {
            module.owner: module for module, use in reversed(self._uses) if use.others and module.path in self._reached
        }

    @cached_property
    def _requirements(self) -> Mapping[str, frozenset[str]]:
        """The names of all installed packages, each with those of itself and of all that it requires, extras too."""
        direct: dict[str, frozenset[str]] = {}
        for distribution in installed_distributions(self._python):
            names = map(_name_of, distribution.requires or ())
            direct[name_of(distribution)] = frozenset(filter(None, names))
        return {name: _closure(name, direct) for name in direct}


def _name_of(requirement: str) -> str | None:
    try:
        return canonicalize_name(Requirement(requirement).name)
    except InvalidRequirement:
        return None


def _closure(name: str, direct: Mapping[str, frozenset[str]]) -> frozenset[str]:
    found = {name}
    while more := {each for known in found for each in direct.get(known, ())} - found:
        found |= more
    return frozenset(found)


def _is_named(place: PurePosixPath, name: str) -> bool:
    return fnmatchcase(f"/{place}", f"*/{name.removeprefix('./').lstrip('/')}")
