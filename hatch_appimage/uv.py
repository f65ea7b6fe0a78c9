# SPDX-License-Identifier: MIT
"""uv: builds wheels and installs packages. Its settings and the user's index are used as they are."""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING, Any

from packaging.utils import canonicalize_name
from uv import find_uv_bin

from hatch_appimage.download import is_offline
from hatch_appimage.errors import AppImageError
from hatch_appimage.process import run

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

# Where uv would install to, with which Python, and what of a lock: this project's decision, not the surroundings'.
_TARGET_SETTINGS = frozenset({
    "CONDA_PREFIX",
    "PYTHONHOME",
    "PYTHONPATH",
    "UV_BREAK_SYSTEM_PACKAGES",
    "UV_COMPILE_BYTECODE",
    "UV_FROZEN",
    "UV_LINK_MODE",
    "UV_LOCKED",
    "UV_NO_DEV",
    "UV_PROJECT",
    "UV_PROJECT_ENVIRONMENT",
    "UV_PYTHON",
    "UV_REQUIRE_HASHES",
    "UV_SYSTEM_PYTHON",
    "UV_WORKING_DIR",
    "VIRTUAL_ENV",
})  # fmt: skip


# Settings of `uv pip` that would put other packages into the image than the project's, or elsewhere.
_MISLEADING = ("all-extras", "no-deps", "no-emit-package", "prefix", "python-platform", "require-hashes", "target")


def check_settings(root: Path) -> None:
    """Refuse settings in a project's ``uv.toml`` or ``pyproject.toml`` that no option of uv takes back.

    Raises:
        AppImageError: there is one.

    """
    for keys, file, table in _tables(root, "pip"):
        for setting in _MISLEADING:
            if table.get(setting):
                raise AppImageError(
                    f"`{setting}` in [{'.'.join(keys)}] of {file} would decide what goes into the image: remove it"
                )


def prefers_source(root: Path) -> Callable[[str], bool]:
    """Return what tells of a package whether the project wants it built from source although it has wheels."""
    everything = _is_set("UV_NO_BINARY")
    names = set(os.environ.get("UV_NO_BINARY_PACKAGE", "").split())
    for _, _, table in _tables(root):
        everything |= table.get("no-binary") is True
        names |= {*table.get("no-binary-package", ()), *table.get("pip", {}).get("no-binary", ())}
    unwanted = {canonicalize_name(name) for name in names}
    return lambda name: everything or ":all:" in names or canonicalize_name(name) in unwanted


def ignores_sources(root: Path) -> Callable[[str], bool]:
    """Return what tells of a package whether uv is told to leave ``[tool.uv.sources]`` aside for it."""
    everything = _is_set("UV_NO_SOURCES")
    names = set(os.environ.get("UV_NO_SOURCES_PACKAGE", "").split())
    for _, _, table in _tables(root):
        everything |= table.get("no-sources") is True
        names |= {*table.get("no-sources-package", ())}
    ignored = {canonicalize_name(name) for name in names}
    return lambda name: everything or canonicalize_name(name) in ignored


def known_indexes(root: Path) -> list[str]:
    """Return the addresses of the package indexes that uv looks every package up in."""
    names = ("UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL")
    # One may have its name before it: `UV_INDEX=acme=https://...`.
    found = [re.sub(r"^[\w.-]+=", "", word) for name in names for word in os.environ.get(name, "").split()]
    for _, _, table in _tables(root):
        found += [str(entry.get("url")) for entry in table.get("index", ()) if not entry.get("explicit")]
        found += [*filter(None, [table.get("index-url")]), *table.get("extra-index-url", ())]
    return found


def _is_set(variable: str) -> bool:
    return os.environ.get(variable, "").lower() in ("1", "true", "yes", "on")


def _tables(root: Path, *inner: str) -> Iterator[tuple[tuple[str, ...], Path, dict[str, Any]]]:
    """Yield the table of a project's settings that uv reads: its name, its file, and what is in it."""
    for name, keys in (("uv.toml", inner), ("pyproject.toml", ("tool", "uv", *inner))):
        file = root / name
        if not file.is_file():
            continue
        table = tomllib.loads(file.read_text(encoding="utf-8"))
        for key in keys:
            table = table.get(key, {}) if isinstance(table, dict) else {}
        yield keys, file, table if isinstance(table, dict) else {}
        return  # uv reads only the first of them


def run_uv(
    arguments: Sequence[str | Path],
    *,
    doing: str,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    downloads: bool = False,
) -> str:
    """Run uv and return what it wrote to stdout.

    Args:
        arguments: its subcommand and options.
        doing: what it is for, as it stands in the error.
        cwd: the project's folder, whose uv settings count.
        env: the environment to start from; this process's when None.
        downloads: it may download a Python.

    Raises:
        ProcessError: uv fails; the message has what it said.

    """
    settings = {name: value for name, value in (env or os.environ).items() if name not in _TARGET_SETTINGS}
    options = ["--no-progress", "--color", "never"]
    if not downloads:
        options.append("--no-python-downloads")
    if is_offline():
        options.append("--offline")
    command = [find_uv_bin(), *options, *arguments]
    return run(command, doing=doing, cwd=cwd, env=settings)
