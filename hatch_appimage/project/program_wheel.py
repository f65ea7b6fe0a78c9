# SPDX-License-Identifier: MIT
"""The wheel of a program that no build back end knows, made by hatchling."""

from __future__ import annotations

import logging
from functools import cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from hatchling.builders.wheel import WheelBuilder
from hatchling.metadata.core import ProjectMetadata
from hatchling.plugin.manager import PluginManager

from hatch_appimage.errors import AppImageError
from hatch_appimage.project.program import NO_VERSION, OUTPUT, find_foreign_kind, program_directory
from hatch_appimage.project.wheel import Wheel
from hatch_appimage.text import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

log = logging.getLogger(__name__)

# hatchling leaves out what Git ignores, and this in any case.
_NO_FILES = (".*", "*.AppImage", "*.AppImage.*", "*.pyc", *(f"/{name}" for name in OUTPUT))


def build_program_wheel(
    table: Mapping[str, Any], root: Path, directory: Path, *, only: Mapping[Path, str] | None = None
) -> Wheel:
    """Make the wheel of a program.

    Args:
        table: what stands for its ``[project]``.
        root: where its files lie.
        directory: an empty one, for the wheel and what is made on the way.
        only: the files that go into it, with their names there; None for all but hidden ones, what earlier builds made,
            what Git ignores, and directories that are something else by what is in them, of which a warning tells.

    Raises:
        AppImageError: hatchling refuses a field of the table, or a link leads out of the directory.

    """
    place = program_directory(table["name"])
    files = _find_files(root, directory) if only is None else only
    included = {str(path): f"{place}/{name}" for path, name in files.items()}
    if included:
        # Whatever else runs on the image's Python finds the modules, too, behind all others (`site` reads the file).
        path_file = directory / f"{place}.pth"
        path_file.write_text(f"{place}\n", encoding="utf-8")
        included[str(path_file)] = path_file.name
    try:
        builder = _builder(root, directory, table, {"force-include": included, "bypass-selection": True})
        (path,) = builder.build(directory=str(directory / "wheel"), versions=["standard"])
    except (TypeError, ValueError) as error:
        raise AppImageError(f"{root}: {error}") from error
    return Wheel.read(Path(path))


def _builder(root: Path, directory: Path, table: Mapping[str, Any], wheel: Mapping[str, Any]) -> WheelBuilder:
    tables = {"build": {"targets": {"wheel": dict(wheel)}}, "metadata": {"allow-direct-references": True}}
    config, plugins = {"project": dict(table), "tool": {"hatch": tables}}, PluginManager()
    # hatchling would take a `hatch.toml` beside the files for this project's.
    return WheelBuilder(str(root), plugins, config, ProjectMetadata(str(directory), plugins, config))


def _find_files(root: Path, directory: Path) -> dict[Path, str]:
    paths = [path for path in sorted(root.iterdir()) if not path.name.startswith(".") and path.name not in OUTPUT]
    foreign = {path.name: kind for path in paths if (kind := find_foreign_kind(path))}
    names = [path.name for path in paths if path.name not in foreign]
    kind_of = cache(find_foreign_kind)
    selection = {"only-include": names, "exclude": list(_NO_FILES)}
    builder = _builder(root, directory, {"name": "files", "version": NO_VERSION}, selection)
    files: dict[Path, str] = {}
    for file in builder.recurse_included_files() if names else ():
        path = Path(file.path)
        above = [str(each) for each in PurePosixPath(file.relative_path).parents][-2::-1]
        if found := next(((each, kind) for each in above if (kind := kind_of(root / each))), None):
            foreign.setdefault(*found)
            continue
        # As the link may be somebody else's, and lead to what is nobody's business or has no end.
        if not path.resolve().is_relative_to(root.resolve()):
            raise AppImageError(
                f"{file.relative_path} in {root} leads out of it, to {path.resolve()}: put the file itself there, or "
                "have Git ignore the link"
            )
        files[path] = file.relative_path
    if foreign:
        listed = ", ".join(f"{printable(name)} ({kind})" for name, kind in foreign.items())
        log.warning("Left out of the image: %s. `force-include` brings what the program needs of it", listed)
    return files
