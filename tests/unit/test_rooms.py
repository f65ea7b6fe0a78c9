# SPDX-License-Identifier: MIT
"""Imports go one way between the rooms of the package, those for type checkers among them."""

from __future__ import annotations

import ast
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import hatch_appimage

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(hatch_appimage.__file__).parent

#: Modules and packages, each of which may use those before it.
ROOMS = (
    "garbage",
    "interrupt",
    "redact",
    "text",
    "errors",
    "suggest",
    "terminal",
    "document",
    "whole_file",
    "timestamp",
    "toml",
    "zstd",
    "syntax",
    "architecture",
    "manylinux",
    "process",
    "cache",
    "results",
    "shares",
    "download",
    "elf_headers",
    "elf",
    "elf_strip",
    "format",
    "layout",
    "system",
    "workspace",
    "uv",
    "source_build",
    "runtime",
    "squashfs",
    "unpack",
    "roots",
    "project",
    "table",
    "option",
    "python",
    "libraries",
    "packages",
    "sources",
    "introspection",
    "trim",
    "desktop",
    "appdir",
    "image",
    "inspect",
    "pack",
    "options",
    "report",
    "inputs",
    "pipeline",
    "builder",
    "backend",
    "build_hook",
    "hooks",
    "cli",
)


@cache
def modules() -> dict[str, Path]:
    """Return the files of all modules by their names below the package."""
    paths = (path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")
    return {".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__"): path for path in paths}


@cache
def imports_of(path: Path) -> list[str]:
    """Return what a module imports of the package, as names below it."""
    found = []
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == PACKAGE.name:
            place = node.module.partition(".")[2]
            for alias in node.names:
                inner = f"{place}.{alias.name}".removeprefix(".")
                found.append(inner if inner in modules() else place)
    return found


def test_every_room_has_its_place() -> None:
    assert {name.partition(".")[0] for name in modules()} == set(ROOMS)


def test_rooms_use_lower_ones_only() -> None:
    upwards = [
        f"{name} uses {used}"
        for name, path in modules().items()
        for used in imports_of(path)
        if used and ROOMS.index(used.partition(".")[0]) > ROOMS.index(name.partition(".")[0])
    ]
    assert upwards == []


def imported_at_once(path: Path) -> Iterator[str]:
    """Yield the modules that a module imports whenever it is imported itself."""
    for node in ast.parse(path.read_bytes()).body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = (f"{node.module}.{alias.name}".partition(".")[2] for alias in node.names)
            yield node.module
            yield from (f"{PACKAGE.name}.{name}" for name in inner if name in modules())


def test_the_wheel_is_built_with_little() -> None:
    """Where pip builds this project, nothing is installed but hatchling and what compiling needs."""
    waiting, needed = ["runtime", "runtime.compile"], set()
    reached = set(waiting)
    while waiting:
        for name in imported_at_once(modules()[waiting.pop()]):
            top, _, place = name.partition(".")
            if top != PACKAGE.name:
                needed.add(top)
            elif place and place not in reached:
                reached.add(place)
                waiting.append(place)
    assert needed - sys.stdlib_module_names - {"__future__"} == {"elftools"}


def test_no_circle() -> None:
    """Nor within a room, where a package and what is in it count as one."""
    uses = {name: {used for used in imports_of(path) if used and used != name} for name, path in modules().items()}

    def follow(name: str, way: tuple[str, ...]) -> None:
        assert name not in way, " uses ".join((*way[way.index(name) :], name))
        for used in uses.get(name, ()):
            if used not in done:
                follow(used, (*way, name))
        done.add(name)

    done: set[str] = set()
    for name in uses:
        follow(name, ())
