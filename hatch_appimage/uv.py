# SPDX-License-Identifier: MIT
"""uv: builds wheels and installs packages. Its settings and the user's index are used as they are."""

from __future__ import annotations

import os
import re
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.utils import canonicalize_name
from platformdirs import user_cache_path
from uv import find_uv_bin

from hatch_appimage.cache import instead_of, is_unwritable
from hatch_appimage.download import is_offline
from hatch_appimage.errors import AppImageError
from hatch_appimage.process import ProcessError, run, run_to_end
from hatch_appimage.workspace import find_workspace, read_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

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

#: Settings of uv that are about the project which has them, and not about where packages are looked for.
OF_PROJECTS = frozenset({
    *("sources", "workspace", "dev-dependencies", "default-groups", "dependency-groups", "package", "managed"),
    *("conflicts", "environments", "required-environments", "build-backend"),
    *("constraint-dependencies", "override-dependencies", "exclude-dependencies", "build-constraint-dependencies"),
})  # fmt: skip

# The variables that name package indexes, those that count most first, and whether they replace the default one.
_INDEXES = {"UV_DEFAULT_INDEX": True, "UV_INDEX": False, "UV_EXTRA_INDEX_URL": False, "UV_INDEX_URL": True}
# What uv says of a package that no index has.
_NOT_FOUND = "not found in the package registry"
_PIP_VARIABLES = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS")
_PIP_OPTION = re.compile(r"^(?:extra-)?index-url\s*[=:]|^find-links\s*[=:]", re.MULTILINE)
_DEBUG = re.compile(r"(?:DEBUG|TRACE) ")
_NAMED = re.compile(r"(?:([\w.-]+)=)?(.*)")  # `acme=https://...`


def check_settings(root: Path) -> None:
    """Refuse settings of uv that count in a project and that no option of uv takes back.

    Raises:
        AppImageError: there is one.

    """
    file, table = read_settings(root)
    name = "pip" if file.name == "uv.toml" else "tool.uv.pip"
    check_pip_settings(_table(table, "pip"), f"[{name}] of {file}")


def check_pip_settings(table: Mapping[str, Any], where: str) -> None:
    """Refuse such settings of ``uv pip`` in a table.

    Args:
        table: with the settings.
        where: the table and its file, as they stand in the error.

    Raises:
        AppImageError: there is one.

    """
    for setting in _MISLEADING:
        if table.get(setting):
            raise AppImageError(f"`{setting}` in {where} would decide what goes into the image: remove it")


def prefers_source(root: Path) -> Callable[[str], bool]:
    """Return what tells of a package whether the project wants it built from source although it has wheels."""
    everything = _is_set("UV_NO_BINARY")
    names = set(os.environ.get("UV_NO_BINARY_PACKAGE", "").split())
    _, table = read_settings(root)
    everything |= table.get("no-binary") is True
    names |= {*table.get("no-binary-package", ()), *_table(table, "pip").get("no-binary", ())}
    unwanted = {canonicalize_name(name) for name in names}
    return lambda name: everything or ":all:" in names or canonicalize_name(name) in unwanted


def ignores_sources(root: Path) -> Callable[[str], bool]:
    """Return what tells of a package whether uv is told to leave ``[tool.uv.sources]`` aside for it."""
    everything = _is_set("UV_NO_SOURCES")
    names = set(os.environ.get("UV_NO_SOURCES_PACKAGE", "").split())
    _, table = read_settings(root)
    everything |= table.get("no-sources") is True
    names |= {*table.get("no-sources-package", ())}
    ignored = {canonicalize_name(name) for name in names}
    return lambda name: everything or canonicalize_name(name) in ignored


def known_indexes(root: Path) -> list[str]:
    """Return the addresses of the package indexes that settings name, and that `uv pip` looks every package up in.

    See https://docs.astral.sh/uv/concepts/indexes/ for which these are.
    """
    _, table = read_settings(root)
    settings = table | _table(table, "pip")
    if settings.get("no-index"):
        return []
    entries = [*indexes_of_environment(), *table.get("index", ()), *_indexes_of_pip(table)]
    counting: dict[Any, Mapping[str, Any]] = {}
    for number, entry in enumerate([*entries, {"default": True}]):
        counting.setdefault(entry.get("name") or number, entry)  # of several of a name, uv takes the first
    default = next(entry for entry in counting.values() if entry.get("default"))
    asked = [entry for entry in counting.values() if entry is default or not entry.get("default")]
    return [str(entry.get("url")) for entry in asked if entry.get("url") and not entry.get("explicit")]


def indexes_of_environment() -> Iterator[Mapping[str, Any]]:
    """Yield the package indexes that uv's variables name, as entries of ``[[tool.uv.index]]``."""
    for variable, default in _INDEXES.items():
        for word in os.environ.get(variable, "").split():
            if match := _NAMED.fullmatch(word):
                yield {"name": match[1], "url": match[2], "default": default}


def _indexes_of_pip(table: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the indexes that settings name in pip's way: further ones of both tables, the default one of either."""
    pip = _table(table, "pip")
    yield from ({"url": url} for it in (pip, table) for url in it.get("extra-index-url", ()))
    if url := pip.get("index-url") or table.get("index-url"):
        yield {"url": url, "default": True}


def _is_set(variable: str) -> bool:
    return os.environ.get(variable, "").lower() in ("1", "true", "yes", "on")


def read_settings(root: Path) -> tuple[Path, dict[str, Any]]:
    """Return the settings of uv that count in a project, and the file that has them.

    For a member of a workspace these are the workspace's and not its own; where there are none, those of the next
    directory above count (https://docs.astral.sh/uv/concepts/configuration-files/).
    """
    start = find_workspace(root) or root.resolve()
    for directory in (start, *start.parents):
        for name, keys in (("uv.toml", ()), ("pyproject.toml", ("tool", "uv"))):
            file = directory / name
            if (table := read_table(file, *keys)) is not None:
                return file, table
    return root / "pyproject.toml", {}


def _table(table: Mapping[str, Any], key: str) -> dict[str, Any]:
    found = table.get(key)
    return found if isinstance(found, dict) else {}


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
        cwd: the project's directory, whose uv settings count.
        env: the environment to start from; this process's when None.
        downloads: it may download a Python.

    Raises:
        ProcessError: uv fails; the message has what it said.

    """
    command, settings = _uv_command(arguments, cwd, env, downloads=downloads)
    with _naming_settings_of_pip():
        return run(command, doing=doing, cwd=cwd, env=settings)


def run_uv_traced(
    arguments: Sequence[str | Path], *, doing: str, cwd: Path, trace: str, env: Mapping[str, str] | None = None
) -> str:
    """Run uv and return what it wrote to stderr, with the messages for debugging of one of its parts.

    Args:
        arguments: its subcommand and options.
        doing: what it is for, as it stands in the error.
        cwd: the project's directory, whose uv settings count.
        trace: the part, by the name of its crate.
        env: the environment to start from; this process's when None.

    Raises:
        ProcessError: uv fails; the message has what it said, without these messages.

    """
    command, settings = _uv_command(arguments, cwd, env)
    settings["RUST_LOG"] = f"{trace}=debug"
    with _naming_settings_of_pip():
        return run_to_end(command, doing=doing, cwd=cwd, env=settings, unshown=_DEBUG).stderr


@contextmanager
def _naming_settings_of_pip() -> Iterator[None]:
    """Name the settings by which pip would look elsewhere for a package, where uv does not find it.

    Raises:
        ProcessError: the one of the block, with the settings in its message.

    """
    try:
        yield
    except ProcessError as error:
        found = list(_find_indexes_of_pip()) if _NOT_FOUND in error.output else []
        if not found:
            raise
        advice = (
            f"uv does not read the settings of pip ({', '.join(found)}): say in UV_INDEX, or in [[tool.uv.index]] "
            "of pyproject.toml, where else packages are, and in UV_FIND_LINKS which directory has some"
        )
        raise error.with_advice(advice) from error


def _find_indexes_of_pip() -> Iterator[str]:
    """Yield the variables and files that name indexes or directories to pip.

    https://pip.pypa.io/en/stable/topics/configuration/
    """
    yield from (name for name in _PIP_VARIABLES if os.environ.get(name))
    named = os.environ.get("PIP_CONFIG_FILE")
    own = Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config", "pip/pip.conf")
    for path in (
        Path(named) if named else Path("/etc/pip.conf"),
        own,
        Path("~/.pip/pip.conf"),
        Path(sys.prefix, "pip.conf"),
    ):
        with suppress(OSError, RuntimeError, UnicodeDecodeError):
            if _PIP_OPTION.search(path.expanduser().read_text(encoding="utf-8")):
                yield str(path)


def _uv_command(
    arguments: Sequence[str | Path], cwd: Path, env: Mapping[str, str] | None, *, downloads: bool = False
) -> tuple[list[str | Path], dict[str, str]]:
    """Return the command for arguments of uv, and its environment."""
    settings = {name: value for name, value in (env or os.environ).items() if name not in _TARGET_SETTINGS}
    if cache := _replaced_cache(settings, cwd):
        settings["UV_CACHE_DIR"] = str(cache)
    options = ["--no-progress", "--color", "never"]
    if not downloads:
        options.append("--no-python-downloads")
    if is_offline():
        options.append("--offline")
    return [find_uv_bin(), *options, *arguments], settings


def _replaced_cache(environment: Mapping[str, str], root: Path) -> Path | None:
    """Return the cache for uv where its own cannot be written: it ends then, as pip does not.

    A cache that somebody has named is left to uv.
    """
    if "UV_CACHE_DIR" in environment or _is_set("UV_NO_CACHE"):
        return None
    directory = user_cache_path("uv")
    if not is_unwritable(directory) or "cache-dir" in read_settings(root)[1]:
        return None
    return instead_of(directory, "cannot be written", "UV_CACHE_DIR")
