# SPDX-License-Identifier: MIT
"""What a build needs to know of the project, wherever its metadata comes from."""

from __future__ import annotations

from dataclasses import dataclass, field
from email.utils import getaddresses
from typing import TYPE_CHECKING, Any

from hatch_appimage.project.license import find_license

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from hatchling.metadata.core import ProjectMetadata
    from hatchling.plugin.manager import PluginManager

    from hatch_appimage.project.program import Programs


@dataclass(frozen=True)
class Project:
    """A project's core metadata.

    Attributes:
        root: its directory.
        name: as the project writes it.
        version: PEP 440, normalised; as it is given, and possibly empty, of what another tool has built.
        summary: one line, possibly empty.
        requires_python: a version specifier, possibly empty.
        scripts: ``[project.scripts]``: command to ``module:function``.
        gui_scripts: ``[project.gui-scripts]``: command to ``module:function``.
        features: names of ``[project.optional-dependencies]``.
        urls: addresses of ``[project.urls]``, by their labels.
        keywords: words that people search for.
        license: an SPDX expression, possibly empty.
        authors: their names; those of the maintainers if there are none.
        complete: no further commands come with it, neither of dependencies nor scripts that are files.
        programs: what can start of a directory or script that is no project; None for a project.

    """

    root: Path
    name: str
    version: str
    summary: str
    requires_python: str
    scripts: Mapping[str, str]
    gui_scripts: Mapping[str, str]
    features: tuple[str, ...]
    urls: Mapping[str, str] = field(default_factory=dict)
    keywords: tuple[str, ...] = ()
    license: str = ""
    authors: tuple[str, ...] = ()
    complete: bool = True
    programs: Programs | None = None

    @property
    def uv_root(self) -> Path:
        """The directory that uv works in: its settings count, and ``pyproject.toml`` says where packages come from."""
        return (self.programs and self.programs.uv_root) or self.root

    @property
    def unpacked(self) -> bool:
        """Whether its directory is an unpacked sdist, which may lack files that the project has."""
        return (self.root / "PKG-INFO").is_file()

    @classmethod
    def from_hatchling(
        cls, root: Path, metadata: ProjectMetadata[PluginManager], programs: Programs | None = None
    ) -> Project:
        """Take over what hatchling read, dynamic fields included."""
        core = metadata.core
        return cls(
            root=root,
            name=core.raw_name,
            version=metadata.version,
            summary=core.description,
            requires_python=core.requires_python,
            scripts=core.scripts,
            gui_scripts=core.gui_scripts,
            features=tuple(core.optional_dependencies),
            urls=core.urls,
            keywords=tuple(core.keywords),
            license=find_license(core.license_expression, core.license, core.classifiers),
            authors=_names(core.authors_data) or _names(core.maintainers_data),
            complete=not core.dependencies and _has_no_other_scripts(metadata.config),
            programs=programs,
        )


def _names(people: Mapping[str, list[str]]) -> tuple[str, ...]:
    """Return the names in what the fields of the core metadata are made of; an address has its name with it."""
    return (*people["name"], *(name for name, _ in getaddresses(people["email"]) if name))


def _has_no_other_scripts(document: Mapping[str, Any]) -> bool:
    """Whether ``[project]`` has all commands of the wheel: only hatchling's own table and hooks could add some."""
    build = document.get("tool", {}).get("hatch", {}).get("build", {})
    wheel = build.get("targets", {}).get("wheel", {})
    backend = document.get("build-system", {}).get("build-backend")
    return backend == "hatchling.build" and "hooks" not in build and not {"hooks", "shared-scripts"} & wheel.keys()
