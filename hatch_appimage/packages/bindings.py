# SPDX-License-Identifier: MIT
"""What a project says of where packages come from, if not from the index that is asked for everything.

Such a statement is in tables of uv, hatch, Poetry and PDM, and in direct references; the metadata of a wheel, by which
is resolved without a lock, has none of the tables. Whatever has the same name on the index is a stranger's.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from glob import escape, glob
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from packaging.markers import InvalidMarker, Marker
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from hatch_appimage.errors import AppImageError
from hatch_appimage.packages.requirements import applies, expand, expand_extras
from hatch_appimage.redact import redact
from hatch_appimage.toml import read_toml
from hatch_appimage.uv import ignores_sources, indexes_of_environment, known_indexes
from hatch_appimage.workspace import find_members, find_workspace, read_table

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from packaging.markers import Environment
    from packaging.pylock import Package, PackageSdist, PackageWheel

_FILE = "pyproject.toml"
# The keys of uv's and Poetry's tables that name a place (https://docs.astral.sh/uv/concepts/projects/dependencies/,
# https://python-poetry.org/docs/dependency-specification/).
_PLACES = ("path", "git", "url", "file")
# The name of all packages, as a pattern.
_EVERYTHING = "*"
# What Poetry calls the public index, and what its documentation calls it where it is written down like any other
# (https://python-poetry.org/docs/repositories/#package-sources). Of a source without a priority it is the first.
_PUBLIC = frozenset({"pypi", "pypi-public"})
_FIRST_PRIORITIES = frozenset({"primary", "default"})
# An editable requirement of PDM, and other references to a place that have a name
# (https://pdm-project.org/latest/usage/dependency/).
_EGG = re.compile(r"[#&]egg=([\w.-]+)")
_CONSTRAINT = re.compile(r"^\s*([\w.-]+)\s*(?:\[[^]]*\]\s*)?@", re.MULTILINE)


@dataclass(frozen=True)
class Scope:
    """Which of a project's statements count.

    Attributes:
        environment: the values of markers.
        features: the optional dependencies that are installed, normalised.
        groups: the dependency groups that are installed, normalised.

    """

    environment: Environment
    features: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()

    @classmethod
    def of(cls, environment: Environment, features: Iterable[str], groups: Iterable[str]) -> Scope:
        """Normalise the names of features and groups."""
        return cls(environment, frozenset(map(canonicalize_name, features)), frozenset(map(canonicalize_name, groups)))

    def has(self, conditions: Mapping[str, Any]) -> bool:
        """Tell whether an entry applies that may be for a marker, an extra or a group only."""
        marker = conditions.get("marker") or conditions.get("markers")
        return (
            ("extra" not in conditions or canonicalize_name(str(conditions["extra"])) in self.features)
            and ("group" not in conditions or canonicalize_name(str(conditions["group"])) in self.groups)
            and (marker is None or self._fits(str(marker)))
        )

    def _fits(self, marker: str) -> bool:
        try:
            return Marker(marker).evaluate(cast("dict[str, str]", self.environment))
        except InvalidMarker:
            return True  # whoever reads the table will say what is wrong


@dataclass(frozen=True)
class Binding:
    """A statement of where a package comes from.

    Attributes:
        name: of the package, normalised; it may be a pattern such as ``acme-*``.
        place: where it is, in a few words.
        table: who says so.
        index: the address of the index, if it is on one.
        followed: uv finds it there when it resolves the project itself, and not just the metadata of its wheel.
        others: what it is not about though its pattern means them: another statement is.

    """

    name: str
    place: str
    table: str
    index: str | None = None
    followed: bool = False
    others: frozenset[str] = frozenset()

    @property
    def way_to_lock(self) -> str:
        """Say how the tool that reads the table locks a project in a way that can be read here."""
        if "poetry" in self.table:
            return "Run `poetry lock`, and set `lock` to the `poetry.lock` if that is not beside pyproject.toml"
        if "pdm" in self.table or "hatch" in self.table:
            return "Lock the project as a `pylock.toml`"
        return "Run `uv lock`, and set `lock` to the `uv.lock` if that is not beside pyproject.toml"

    def means(self, name: str) -> bool:
        """Whether it is about a package of this normalised name."""
        return fnmatchcase(name, self.name) and name not in self.others

    def is_kept_by(self, package: Package) -> bool:
        """Tell whether a package that was chosen is from no index, or from the one that is meant."""
        if self.index is not None and package.index is not None and not package.index.startswith("file:"):
            return _same_address(self.index, package.index)
        files: list[PackageWheel | PackageSdist] = [
            *(package.wheels or ()),
            *([package.sdist] if package.sdist else ()),
        ]
        return package.is_direct or any(file.path or (file.url or "").startswith("file:") for file in files)


def read_bindings(root: Path, scope: Scope) -> list[Binding]:
    """Read what a project's ``pyproject.toml``, and that of the workspace around it, say of packages.

    Args:
        root: the project's directory.
        scope: which statements count.

    """
    document = _read(root)
    tool = _table(document, "tool")
    name = str(_table(document, "project").get("name"))
    scope = replace(scope, features=expand_extras(_written(document), name, scope.features, scope.environment))
    direct = [requirement for requirement in _declared(document, scope) if requirement.url]
    sources = _uv_sources(root, document)
    return [
        *_of_uv(root, sources, scope),
        *_of_members(root, {*sources, canonicalize_name(name)}),
        *_of_hatch(root, document),
        *_of_poetry(_table(tool, "poetry"), scope),
        *_of_pdm(_table(tool, "pdm"), scope),
        *(Binding(canonicalize_name(it.name), redact(str(it.url)), "[project]") for it in direct),
    ]


def check_declared(
    root: Path,
    scope: Scope,
    requirements: Iterable[Requirement] | None,
    further: Iterable[str],
    constraints: Path | None,
) -> None:
    """Refuse a project that needs packages from a place which a resolution without a lock does not find.

    Args:
        root: the project's directory.
        scope: which statements count.
        requirements: what its wheel needs in the scope; None if there is no wheel yet, and the project says it.
        further: the requirements of the image (PEP 508).
        constraints: a file that narrows versions.

    Raises:
        AppImageError: with each of these packages, and what to do about it.

    """
    added = [it for it in map(Requirement, further) if applies(it, (), scope.environment)]
    own = _declared(_read(root), scope) if requirements is None else list(requirements)
    needed = [*own, *added]
    placed = {canonicalize_name(it.name) for it in own if it.url} | placed_names(added, constraints)
    # uv heeds its sources for dependency groups.
    placed |= {canonicalize_name(it.name) for group in scope.groups for it in _members(_read(root), group)}
    bindings = _without_known([root], scope, known_indexes(root))
    names = {canonicalize_name(it.name) for it in needed} - placed
    followed = {canonicalize_name(it.name) for it in own}
    _refuse(
        (name, binding)
        for name in sorted(names)
        for binding in bindings
        if binding.means(name) and not (binding.followed and name in followed)
    )


def placed_names(requirements: Iterable[Requirement], constraints: Path | None) -> set[str]:
    """Return the normalised names of packages whose place is said by the image's requirements or by constraints."""
    names: set[str] = {canonicalize_name(it.name) for it in requirements if it.url}
    if constraints:
        text = constraints.read_text(encoding="utf-8", errors="replace")
        names |= {canonicalize_name(name) for name in _CONSTRAINT.findall(text)}
    return names


def found_by_name(packages: Iterable[Package], root: Path, scope: Scope) -> list[Package]:
    """Return those packages that uv finds again by their names, on the indexes that it asks for everything."""
    elsewhere = [it for it in _without_known([root], scope, known_indexes(root)) if it.index is not None]
    return [it for it in packages if not it.is_direct and not any(binding.means(it.name) for binding in elsewhere)]


def has_followed(root: Path, scope: Scope) -> bool:
    """Tell whether a project has packages in places that uv finds, but not by the metadata of the project's wheel."""
    return any(binding.followed for binding in read_bindings(root, scope))


def check_resolved(
    packages: Iterable[Package], root: Path, further: Iterable[Path], scope: Scope, direct: Iterable[Requirement]
) -> None:
    """Refuse packages that were found on an index although a project says that they are elsewhere.

    Args:
        packages: what was chosen without a lock.
        root: the directory of the project, whose settings say which indexes were asked.
        further: the directories of other projects that say where packages are.
        scope: which of their statements count.
        direct: what the project itself needs.

    Raises:
        AppImageError: with each of these packages, and what to do about it.

    """
    needs = {root: direct} | {directory: _declared(_read(directory), scope) for directory in further}
    # uv does not write which index a package is from. It takes one from where any project that needs it says.
    asked = {
        (binding.name, binding.index)
        for directory, requirements in needs.items()
        for binding in read_bindings(directory, scope)
        if binding.followed and binding.name in {canonicalize_name(it.name) for it in requirements}
    }
    _refuse(
        (package.name, binding)
        for package in packages
        for binding in _without_known(needs, scope, known_indexes(root))
        if binding.means(package.name) and not binding.is_kept_by(package)
        if binding.index is None or (binding.name, binding.index) not in asked
    )


def _without_known(roots: Iterable[Path], scope: Scope, indexes: Sequence[str]) -> list[Binding]:
    """Return what projects say, but for packages that are on an index which is asked for everything.

    Where a project has all of its packages counts for the first one alone: tools ask nothing else of its dependencies.
    """
    bindings = [
        binding
        for number, root in enumerate(roots)
        for binding in read_bindings(root, scope)
        if number == 0 or binding.name != _EVERYTHING
    ]
    return [it for it in bindings if it.index is None or not _is_known(it.index, indexes)]


def _refuse(strangers: Iterable[tuple[str, Binding]]) -> None:
    lines: dict[str, str] = {}
    for name, binding in strangers:
        if binding.name == _EVERYTHING:
            lines[_EVERYTHING] = _explain_all(binding)
        else:
            lines[name] = _explain(name, binding)
    if lines:
        raise AppImageError("\n".join(lines.values()))


def _explain(name: str, binding: Binding) -> str:
    return (
        f"{name} comes from {binding.place}, says {binding.table}, and the metadata of a wheel does not: without a "
        f"lock, what the package index has by this name would be packed. {binding.way_to_lock}, or add "
        f"`{name} @ file://${{PROJECT_ROOT}}/...`, with the path of its project or wheel, to `requirements`"
    )


def _explain_all(binding: Binding) -> str:
    return (
        f"All packages come from {binding.place}, says {binding.table}, and uv does not read that: without a lock, "
        f"what the public index has by their names would be packed. {binding.way_to_lock}, or have uv ask that index, "
        "by UV_DEFAULT_INDEX or in [[tool.uv.index]]"
    )


def _of_uv(root: Path, sources: Mapping[str, tuple[Any, Path]], scope: Scope) -> Iterator[Binding]:
    ignored = ignores_sources(root)
    for name, (entry, where) in sources.items():
        for source in _tables(entry):
            if not ignored(name) and scope.has(source):
                index = _index_address(root, str(source["index"])) if "index" in source else None
                table = f"[tool.uv.sources]{'' if where == root else f' of {where / _FILE}'}"
                followed = _is_there(source, where, root)
                yield Binding(canonicalize_name(name), _place(source, index), table, index, followed=followed)


def _of_members(root: Path, others: Collection[str]) -> Iterator[Binding]:
    """Yield the members of uv's workspace but for some; uv wants a source for each that is needed."""
    ignored = ignores_sources(root)
    names = {canonicalize_name(name) for directory in find_members(root) if (name := _name_of(directory))}
    for name in sorted(names.difference(others)):
        if not ignored(name):
            yield Binding(name, "the workspace", "[tool.uv.workspace]")


def _name_of(directory: Path) -> str | None:
    """Return the name of a project that lies beside another one; None if that cannot be told."""
    table = read_table(directory / _FILE, "project") or {}
    return str(table["name"]) if "name" in table else None


def _of_hatch(root: Path, document: Mapping[str, Any]) -> Iterator[Binding]:
    """Yield what environments of hatch take from elsewhere (https://hatch.pypa.io/latest/config/environment/sources/).

    Members of their workspaces count, too, and `hatch.toml` before `pyproject.toml`.
    """
    if os.environ.get("HATCH_NO_SOURCES"):
        return
    environments = read_table(root / "hatch.toml", "envs") or _table(document, "tool", "hatch", "envs")
    for name in environments:
        for project, source in _table(environments, name, "sources").items():
            entry = source if isinstance(source, dict) else {"path": source}
            index = str(entry["index"]) if "index" in entry else None
            table = f"[tool.hatch.envs.{name}.sources]"
            yield Binding(canonicalize_name(project), _place(entry, index), table, index)
        for directory in _hatch_members(root, _table(environments, name, "workspace").get("members")):
            if member := _name_of(directory):
                place = os.path.relpath(directory, root)
                yield Binding(canonicalize_name(member), place, f"[tool.hatch.envs.{name}.workspace]")


def _hatch_members(root: Path, members: Any) -> Iterator[Path]:
    """Yield the directories that patterns mean, which may lead out of the project."""
    for member in members if isinstance(members, list) else ():
        pattern = member.get("path") if isinstance(member, dict) else member
        if isinstance(pattern, str):
            yield from map(Path, sorted(glob(f"{escape(str(root))}/{pattern}")))  # noqa: PTH207 - Path.glob() takes no `..`


def _is_there(source: Mapping[str, Any], where: Path, root: Path) -> bool:
    """Tell whether uv finds a source; what lies beside a project does not lie beside its unpacked sdist."""
    if "path" in source:
        return (where / str(source["path"])).exists()
    return "workspace" not in source or "workspace" in _table(_read(find_workspace(root) or root), "tool", "uv")


def _uv_sources(root: Path, document: Mapping[str, Any]) -> dict[str, tuple[Any, Path]]:
    """Return uv's sources by name, with the directory that says it; a workspace's count for all of its members."""
    sources: dict[str, tuple[Any, Path]] = {}
    if workspace := find_workspace(root):
        inherited = _table(_read(workspace), "tool", "uv", "sources")
        sources |= {canonicalize_name(name): (entry, workspace) for name, entry in inherited.items()}
    own = _table(document, "tool", "uv", "sources")
    return sources | {canonicalize_name(name): (entry, root) for name, entry in own.items()}


def _index_address(root: Path, name: str) -> str:
    """Return the address of an index of uv's; of one that is not there, its name, which is no address of any."""
    directories = (root, find_workspace(root) or root)
    written = (_tables(_table(_read(directory), "tool", "uv").get("index")) for directory in directories)
    entries = chain(indexes_of_environment(), *written)
    return next((str(entry.get("url")) for entry in entries if entry.get("name") == name), name)


def _of_poetry(table: Mapping[str, Any], scope: Scope) -> Iterator[Binding]:
    addresses = {str(entry.get("name")): str(entry.get("url")) for entry in _tables(table.get("source"))}
    groups = _table(table, "group")
    tables = {"tool.poetry.dependencies": _table(table, "dependencies")}
    if "dev" in scope.groups:  # as Poetry wrote that group before version 1.2
        tables["tool.poetry.dev-dependencies"] = _table(table, "dev-dependencies")
    tables |= {
        f"tool.poetry.group.{name}.dependencies": _table(groups, name, "dependencies")
        for name in groups
        if canonicalize_name(name) in scope.groups
    }
    said = {
        canonicalize_name(name)
        for dependencies in tables.values()
        for name, entry in dependencies.items()
        if any("source" in source for source in _tables(entry))
    }
    for address in _first_sources(table):
        place = _place({}, address)
        yield Binding(_EVERYTHING, place, "[[tool.poetry.source]]", address, others=frozenset(said))
    for key, dependencies in tables.items():
        for name, entry in dependencies.items():
            for source in _tables(entry):
                # PyPI is the index that is asked for everything, or has been replaced by another one.
                origin = source.get("source") if str(source.get("source")).lower() != "pypi" else None
                here = scope.has(source) and _is_for(source, scope.environment)
                if here and (origin or not source.keys().isdisjoint(_PLACES)):
                    index = addresses.get(str(origin), str(origin)) if origin else None
                    yield Binding(canonicalize_name(name), _place(source, index), f"[{key}]", index)


def _first_sources(table: Mapping[str, Any]) -> list[str]:
    """Return the addresses that Poetry looks every package up at, first or alone; none if it finds them publicly, too.

    https://python-poetry.org/docs/repositories/#package-sources
    """
    sources = [
        source
        for source in _tables(table.get("source"))
        if str(source.get("priority", "primary")).lower() in _FIRST_PRIORITIES and not source.get("secondary")
    ]
    is_public = any(str(source.get("name")).lower() in _PUBLIC for source in sources)
    return [] if is_public else [str(source["url"]) for source in sources if "url" in source]


def _is_for(source: Mapping[str, Any], environment: Environment) -> bool:
    """Tell whether an entry of Poetry's is for this platform and Python; it is if its constraint is no PEP 440."""
    if source.get("platform", environment["sys_platform"]) != environment["sys_platform"]:
        return False
    try:
        pythons = SpecifierSet(str(source.get("python", "")))
    except InvalidSpecifier:
        return True
    return pythons.contains(environment["python_full_version"].removesuffix("+"), prereleases=True)


def _of_pdm(table: Mapping[str, Any], scope: Scope) -> Iterator[Binding]:
    for name, place in _table(table, "resolution", "overrides").items():
        if "/" in str(place):
            yield Binding(canonicalize_name(name), redact(str(place)), "[tool.pdm.resolution.overrides]")
    for source in _tables(table.get("source")):
        url = str(source.get("url"))
        for pattern in source.get("include_packages", ()):
            yield Binding(canonicalize_name(str(pattern)), f"the index {redact(url)}", "[[tool.pdm.source]]", url)
    for group, texts in _table(table, "dev-dependencies").items():
        if canonicalize_name(group) in scope.groups:
            for text in texts:
                if match := _EGG.search(text) or _CONSTRAINT.match(text):
                    place = redact(text.removeprefix("-e").split("@")[-1].strip())
                    yield Binding(canonicalize_name(match[1]), place, "[tool.pdm.dev-dependencies]")


def _place(source: Mapping[str, Any], index: str | None) -> str:
    if index is not None:
        return f"the index {redact(index)}"
    return next((redact(str(source[key])) for key in _PLACES if key in source), "the workspace")


def _declared(document: Mapping[str, Any], scope: Scope) -> list[Requirement]:
    """Return what ``[project]`` needs in a scope, as far as it is written there."""
    name = str(_table(document, "project").get("name"))
    return list(expand(_written(document), name, scope.features, scope.environment))


def _written(document: Mapping[str, Any]) -> Iterator[Requirement]:
    """Yield the requirements of ``[project]``, those of extras with a marker that says so."""
    project = _table(document, "project")
    yield from _requirements(str(text) for text in project.get("dependencies") or ())
    for name, more in _table(project, "optional-dependencies").items():
        yield from _requirements(_with_extra(str(text), name) for text in more)


def _with_extra(text: str, extra: str) -> str:
    requirement, _, marker = text.partition(";")
    condition = f"({marker.strip()}) and " if marker else ""
    return f"{requirement} ; {condition}extra == '{canonicalize_name(extra)}'"


def _members(document: Mapping[str, Any], group: str) -> Iterator[Requirement]:
    """Yield the requirements of a dependency group and of those that it includes (PEP 735)."""
    groups = {canonicalize_name(name): items for name, items in _table(document, "dependency-groups").items()}
    pending, seen = [group], set()
    while pending:
        name = canonicalize_name(pending.pop())
        if name not in seen:
            seen.add(name)
            items = groups.get(name, ())
            yield from _requirements(item for item in items if isinstance(item, str))
            pending += [str(item["include-group"]) for item in items if isinstance(item, dict)]


def _requirements(texts: Iterable[str]) -> Iterator[Requirement]:
    for text in texts:
        with suppress(InvalidRequirement):  # the back end will say what is wrong
            yield Requirement(text)


def _read(root: Path) -> dict[str, Any]:
    try:
        return read_toml(root / _FILE)
    except FileNotFoundError:
        return {}


def _table(document: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    found: Any = document
    for key in keys:
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}


def _tables(value: Any) -> list[dict[str, Any]]:
    return [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, dict)]


def _is_known(index: str, indexes: Iterable[str]) -> bool:
    return any(_same_address(index, known) for known in indexes)


def _same_address(one: str, other: str) -> bool:
    return redact(one).rstrip("/") == redact(other).rstrip("/")
