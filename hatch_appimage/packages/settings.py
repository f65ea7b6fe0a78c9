# SPDX-License-Identifier: MIT
"""The options that say which packages an image has."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from hatch_appimage.option import FLAG, TEXT, TEXT_OR_FLAG, TEXT_OR_TEXTS, TEXTS, option
from hatch_appimage.packages.lock import Lock
from hatch_appimage.project.requirements_file import read_requirements_file
from hatch_appimage.workspace import read_table

if TYPE_CHECKING:
    from pathlib import Path

    from hatch_appimage.project.requirements_file import RequirementsFile
    from hatch_appimage.table import Table


# What uv calls the group of `dev-dependencies` in [tool.uv].
_UV_GROUP = "dev"


def _features(names: tuple[str, ...], table: Table) -> tuple[str, ...]:
    features = table.project.features
    known = {canonicalize_name(name) for name in features}
    for name in names:
        if canonicalize_name(name) not in known:
            available = f"available: {', '.join(features)}" if features else "the project has none"
            raise ValueError(f"asks for `{name}`, which is not in [project.optional-dependencies]; {available}")
    return names


def _dependency_groups(names: tuple[str, ...], table: Table) -> tuple[str, ...]:
    lock = table["lock"]
    if lock and lock.path.name != "uv.lock":  # which may have groups that only its own tool knows
        return names
    document = read_table(table.project.uv_root / "pyproject.toml") or {}
    groups = document.get("dependency-groups")
    known = tuple(groups) if isinstance(groups, dict) else ()
    for name in names:
        if canonicalize_name(name) not in {*map(canonicalize_name, known), _UV_GROUP}:
            available = f"available: {', '.join(known)}" if known else "the project has none"
            raise ValueError(f"asks for `{name}`, which is not in [dependency-groups]; {available}")
    return names


def _requirements(texts: tuple[str, ...], _table: Table) -> tuple[str, ...]:
    for text in texts:
        _check_requirement(text)
    return texts


def _check_requirement(text: str) -> None:
    try:
        Requirement(text)
    except InvalidRequirement as error:
        raise ValueError(f"has an item that is no requirement (PEP 508): `{text}`") from error


def _requirements_files(names: tuple[str, ...], table: Table) -> tuple[RequirementsFile, ...]:
    return tuple(read_requirements_file(table.file(name)) for name in names)


def _package_names(names: tuple[str, ...], _table: Table) -> tuple[str, ...]:
    for name in names:
        if not re.fullmatch(r"[a-z0-9][a-z0-9+.-]+", name):  # Debian's policy, section 5.6.1
            raise ValueError(f"has an item that is no name of a package: `{name}`")
    return names


def _lock(value: str | bool, table: Table) -> Lock | None:  # noqa: FBT001 - as TOML has it
    if value is False:
        return None
    if value is True:
        raise ValueError("cannot be `true`: name the file")
    return _alone(Lock.named(table.file(value)), table)


def _alone(lock: Lock | None, table: Table) -> Lock | None:
    if lock and "constraints" in table:
        raise ValueError(
            f"cannot be `{lock.path.name}` beside `constraints`, as a lock leaves no choice: remove `constraints`, or "
            f"set `lock = false`"
        )
    return lock


@dataclass(frozen=True)
class InstallSettings:
    """What is installed beside the project, and what decides which versions."""

    features: tuple[str, ...] = option(
        TEXTS, "Optional dependencies of the project to install.", default=(), check=_features
    )
    requirements: tuple[str, ...] = option(
        TEXTS, "Further requirements to install (PEP 508).", default=(), check=_requirements
    )
    requirements_file: tuple[RequirementsFile, ...] = option(
        TEXT_OR_TEXTS,
        "A file of further requirements to install, as pip takes them, or an array of such files.",
        details="`-r` and `-c`, hashes, paths and the options of an index count in it. A package for which it has "
        "hashes comes from a file that has one of them. Beside a lock nothing is installed from it: the lock must have "
        "what it asks for.",
        default=(),
        shown="none",
        check=_requirements_files,
        is_path=True,
    )
    lock: Lock | None = option(
        TEXT_OR_FLAG,
        "The lock file that says what is installed: `pylock.toml`, `pylock.<name>.toml`, `uv.lock`, `poetry.lock`, or "
        "a `.txt` of requirements with hashes; `false` for none.",
        details="Hashes are verified, and markers are evaluated for the bundled Python. The build ends if the lock is "
        "out of date, lacks what the wheel's metadata or `requirements` ask for, or lacks a file for the target. "
        "The image's own `usr/share/<app-id>/pylock.toml` can be given here to install the same packages again. "
        "Of [a script](recipes.md#a-script), the `.py.lock` beside it is taken.",
        shown="`pylock.toml` or `uv.lock` beside `pyproject.toml`, the `uv.lock` of its workspace, or the "
        "`poetry.lock` of a Poetry project",
        check=_lock,
        compute=lambda table: _alone(Lock.find(table.project.uv_root), table),
        is_path=True,
    )
    constraints: Path | None = option(
        TEXT,
        "A file of constraints, as pip takes them, for what is resolved without a lock.",
        details="Beside a lock it is refused.",
        check=lambda value, table: table.file(value),
        is_path=True,
    )
    build_constraints: Path | None = option(
        TEXT,
        "A file of constraints, as pip takes them, for what builds the project and packages without a wheel.",
        details="A lock does not say which build tools there are: without this file they are the newest that each "
        "package allows. Hashes in it are verified. The image records which versions were used: see "
        "[anyone can rebuild it](recipes.md#anyone-can-rebuild-it).",
        check=lambda value, table: table.file(value),
        is_path=True,
    )
    build_packages: tuple[str, ...] = option(
        TEXTS,
        "Packages of the build machine's distribution that compiling needs, such as "
        '`["libyaml-dev"]`: those that it lacks are fetched as libraries are, with what they need, without root and '
        "without installing anything.",
        details="Compilers, linkers and pkg-config find them. Only where there is apt; see "
        "[missing libraries](how-it-works.md#missing-libraries).",
        default=(),
        check=_package_names,
    )
    after_install: Path | None = option(
        TEXT,
        "A Python script of the project that is run between installation and packing, such as "
        '`"packaging/after_install.py"`, to change or add files of the AppDir.',
        details="It runs with the Python of the build, in the project's directory. What it adds is trimmed, compiled "
        "and searched for libraries like all else. If it fails, the build fails. See "
        "[a script of your own](recipes.md#a-script-that-changes-the-appdir) for the variables that it has.",
        check=lambda value, table: table.file(value),
        is_path=True,
    )
    after_install_cross: bool = option(
        FLAG,
        "Run `after-install` for images, too, whose Python does not run on this machine: the script starts nothing of "
        "the AppDir.",
        default=False,
    )
    dependency_groups: tuple[str, ...] = option(
        TEXTS,
        "Dependency groups (PEP 735) to install; a lock must have them.",
        default=(),
        check=_dependency_groups,
    )

    @property
    def of_files(self) -> tuple[str, ...]:
        """The requirements of files that have a name (PEP 508)."""
        return tuple(str(each) for file in self.requirements_file for each in file.requirements)

    @property
    def further(self) -> tuple[str, ...]:
        """All requirements beside the project's that have a name (PEP 508)."""
        return (*self.requirements, *self.of_files)
