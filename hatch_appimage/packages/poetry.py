# SPDX-License-Identifier: MIT
"""Poetry's lock file: which of its packages an application needs, as requirements with hashes.

The format is Poetry's own and not specified; what is read here is what Poetry 1.5 and newer write
(``poetry.packages.locker``, lock versions 2.0 and 2.1).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from packaging.markers import Marker
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from hatch_appimage.errors import AppImageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from packaging.markers import Environment

_OLDEST = Version("2.0")
_SCP = re.compile(r"(?P<user>[^/@:]+@)?(?P<host>[^/:]+):(?P<path>.+)")


@dataclass(frozen=True)
class PoetryPackages:
    """What is to be installed of a lock.

    Attributes:
        requirements: one a package, each of one version only.
        hashes: ``algorithm:digest`` of every file of these packages.
        indexes: addresses of the package indexes that they come from, besides the usual one.

    """

    requirements: tuple[str, ...]
    hashes: frozenset[str]
    indexes: tuple[str, ...]


def read_poetry_lock(
    path: Path,
    document: Mapping[str, Any],
    *,
    roots: Iterable[Requirement],
    groups: Iterable[str],
    environment: Environment,
) -> PoetryPackages:
    """Choose the packages of a ``poetry.lock`` that requirements and groups lead to.

    Args:
        path: the file, as it stands in errors; paths in it are relative to its directory.
        document: what is in it.
        roots: what the project requires, without what does not count in the environment.
        groups: dependency groups to install besides.
        environment: the values of markers.

    Raises:
        AppImageError: the lock is of another version, has no such group, or lists a package without hashes.

    """
    try:
        version = Version(str(document.get("metadata", {})["lock-version"]))
    except (KeyError, InvalidVersion) as error:
        raise AppImageError(f"{path} is no lock of Poetry: it has no `lock-version`") from error
    if not _OLDEST <= version < Version("3"):
        raise AppImageError(
            f"{path} has version {version} of Poetry's format, and 2.0 or 2.1 can be read: "
            f"run `poetry lock` with Poetry 1.5 or newer"
        )
    chosen = _Walk(path, document.get("package", []), environment)
    for root in roots:
        chosen.require(root)
    for group in groups:
        chosen.add_group(group)
    packages = sorted(chosen.packages.values(), key=lambda package: str(package["name"]))
    sources = [package.get("source", {}) for package in packages]
    return PoetryPackages(
        tuple(_requirement(package, path) for package in packages),
        frozenset(str(file["hash"]).lower() for package in packages for file in package.get("files", ())),
        tuple(dict.fromkeys(source["url"] for source in sources if source.get("type") == "legacy")),
    )


class _Walk:
    """Follows requirements through a lock."""

    def __init__(self, path: Path, packages: list[dict[str, Any]], environment: Environment) -> None:
        self.path = path
        self.environment = environment
        self.all = packages
        self.packages: dict[str, dict[str, Any]] = {}
        self.followed: set[tuple[str, str]] = set()
        self.known: dict[str, list[dict[str, Any]]] = {}
        for package in packages:
            self.known.setdefault(canonicalize_name(package["name"]), []).append(package)

    def require(self, requirement: Requirement) -> None:
        """Take what fulfils a requirement, with all that it needs; what the lock lacks is found out later."""
        name = canonicalize_name(requirement.name)
        package = self.packages.get(name) or self._find(name, requirement.specifier)
        if package is None:
            return
        self.packages[name] = package
        # The first is what the package needs without any of its extras.
        for extra in ("", *sorted(requirement.extras)):
            if (name, extra) not in self.followed:
                self.followed.add((name, extra))
                for needed in self._needs(package, extra):
                    self.require(needed)

    def add_group(self, group: str) -> None:
        """Take all packages of a dependency group."""
        if not any("groups" in package for package in self.all):
            raise AppImageError(
                f"{self.path} does not say which package belongs to the dependency group `{group}`: "
                f"run `poetry lock` with Poetry 2 or newer"
            )
        members = [(package, name) for package in self.all for name in package.get("groups", ()) if _same(name, group)]
        if not members:
            raise AppImageError(f"{self.path} has no package of the dependency group `{group}`")
        for package, name in members:
            markers = package.get("markers", "")
            if self._counts(markers.get(name, "") if isinstance(markers, dict) else markers):
                self.packages.setdefault(canonicalize_name(package["name"]), package)

    def _find(self, name: str, specifier: SpecifierSet) -> dict[str, Any] | None:
        candidates = self.known.get(name, [])
        fitting = [package for package in candidates if specifier.contains(package["version"], prereleases=True)]
        return next(iter(fitting or candidates), None)

    def _needs(self, package: Mapping[str, Any], extra: str) -> Iterator[Requirement]:
        names = {
            canonicalize_name(Requirement(text).name)
            for name, texts in package.get("extras", {}).items()
            for text in texts
            if _same(name, extra)
        }
        for name, values in package.get("dependencies", {}).items():
            for value in values if isinstance(values, list) else [values]:
                table = value if isinstance(value, dict) else {"version": value}
                wanted = canonicalize_name(name) in names if extra else not table.get("optional", False)
                if wanted and self._counts(table.get("markers", ""), extra):
                    needed = Requirement(name)
                    needed.extras = set(table.get("extras", ()))
                    needed.specifier = _specifier(table.get("version", "*"))
                    yield needed

    def _counts(self, marker: str, extra: str = "") -> bool:
        return not marker or Marker(marker).evaluate({**cast("dict[str, str]", self.environment), "extra": extra})


def _same(name: str, other: str) -> bool:
    """Whether two names of extras or groups mean the same one (PEP 685, PEP 735)."""
    return canonicalize_name(name) == canonicalize_name(other)


def _specifier(constraint: str) -> SpecifierSet:
    """Read a constraint; it only decides between several versions in the lock, so what is not PEP 440 allows all."""
    try:
        return SpecifierSet("" if constraint == "*" else constraint)
    except InvalidSpecifier:
        return SpecifierSet()


def _requirement(package: Mapping[str, Any], path: Path) -> str:
    """Write a package as a requirement of one version from one place (PEP 508)."""
    name = package["name"]
    source = package.get("source", {})
    kind = source.get("type", "legacy")
    if kind == "git":
        directory = f"#subdirectory={source['subdirectory']}" if "subdirectory" in source else ""
        return f"{name} @ git+{_git_address(source['url'], path)}@{source['resolved_reference']}{directory}"
    if kind == "directory":
        return f"{name} @ {(path.parent / source['url']).resolve().as_uri()}"
    if not package.get("files"):
        raise AppImageError(f"{path} has no hashes of {name} {package['version']}: run `poetry lock`")
    if kind == "file":
        return f"{name} @ {(path.parent / source['url']).resolve().as_uri()}"
    if kind == "url":
        return f"{name} @ {source['url']}"
    text = f"{name}=={package['version']}"
    try:
        return str(Requirement(text))
    except InvalidRequirement as error:
        raise AppImageError(f"{path} has an entry that names no package: `{text}`") from error


def _git_address(url: str, path: Path) -> str:
    """Return the address of a repository; Git also takes paths, and ``user@host:path`` (git-clone(1), "GIT URLS")."""
    if "://" in url:
        return url
    if match := _SCP.fullmatch(url):
        return f"ssh://{match['user'] or ''}{match['host']}/{match['path'].lstrip('/')}"
    return (path.parent / url).resolve().as_uri()
