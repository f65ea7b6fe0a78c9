# SPDX-License-Identifier: MIT
"""A build back end that hands everything to another one, and adds the AppImage to the wheel where that is wanted.

For projects that do not build with hatchling. The hooks are those of PEP 517
(https://packaging.python.org/en/latest/specifications/pyproject-toml/#build-system) and of PEP 660, which has editable
installations. Every installation of such a project from its sources imports this, so it imports nothing heavy.
"""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hatch_appimage.errors import AppImageError
from hatch_appimage.suggest import suggest_name
from hatch_appimage.toml import read_toml

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# The key of config settings that asks for the image, and the variable that does; this is the one of hatchling's hook.
SETTING = "appimage"
VARIABLE = "HATCH_BUILD_HOOK_ENABLE_APPIMAGE"

# Where each hook takes the config settings; those that a back end need not have are missing here if it has none.
_SETTINGS_AT = {
    "build_editable": 1,
    "build_sdist": 1,
    "get_requires_for_build_editable": 0,
    "get_requires_for_build_sdist": 0,
    "get_requires_for_build_wheel": 0,
    "prepare_metadata_for_build_editable": 1,
    "prepare_metadata_for_build_wheel": 1,
}
# What front ends take for a project that names none; it lets `setup.py` import what lies beside it.
_DEFAULT = "setuptools.build_meta:__legacy__"
_TABLE = "[tool.hatch-appimage]"
_KEYS = ("backend-path", "build-backend")


def __getattr__(name: str) -> Any:
    """Return a hook of the wrapped back end, under the name that PEP 517 gives it.

    Raises:
        AttributeError: it has none, which is how front ends find out.

    """
    if name not in _SETTINGS_AT:
        raise AttributeError(f"{__name__} has no {name}")
    with _told():
        backend = _wrapped()
    return partial(_hand_on, getattr(backend, name), _SETTINGS_AT[name])


def build_wheel(
    wheel_directory: str,
    config_settings: Mapping[str, Any] | None = None,
    metadata_directory: str | None = None,
) -> str:
    """Let the wrapped back end build the wheel, and build the image from it if it is wanted.

    Args:
        wheel_directory: where both go.
        config_settings: what the user gave the front end; ``appimage`` is not handed on.
        metadata_directory: what `prepare_metadata_for_build_wheel` made, if it was called.

    Returns:
        The file name of the wheel.

    Raises:
        SystemExit: there is no such back end, or the image cannot be built; it says what is wrong.

    """
    with _told():
        wanted = _is_wanted(config_settings)
        backend = _wrapped()
    name = backend.build_wheel(wheel_directory, _others(config_settings), metadata_directory)
    if wanted:
        _build_images(Path(wheel_directory, name))
    return str(name)


def _build_images(path: Path) -> None:
    """Build the images that `hatch-appimage build` would build, and put them beside the wheel."""
    from hatch_appimage.builder import AppImageBuilder  # noqa: PLC0415 - imports all steps of a build
    from hatch_appimage.project.build_input import read_built_wheel  # noqa: PLC0415
    from hatch_appimage.project.wheel import WHEEL_ONLY, Wheel, why_thrown_away  # noqa: PLC0415

    if WHEEL_ONLY in os.environ:
        return
    if reason := why_thrown_away(path):
        sys.stderr.write(f"No AppImage is built: {reason}\n")
        return
    with _told():
        builder = AppImageBuilder.of_source(read_built_wheel(Path.cwd(), Wheel.read(path)))
    for image in builder.build(directory=str(path.parent), clean=False, hooks_only=False, clean_hooks_after=False):
        builder.app.display_info(image)


@contextmanager
def _told() -> Iterator[None]:
    """End the front end's process with one clear message for errors that the user can fix."""
    try:
        yield
    except AppImageError as error:
        sys.exit(str(error))


def _hand_on(hook: Any, position: int, *arguments: Any, **named: Any) -> Any:
    """Call a hook without what the config settings say to this back end."""
    if "config_settings" in named:
        named["config_settings"] = _others(named["config_settings"])
    if len(arguments) > position:
        arguments = (*arguments[:position], _others(arguments[position]), *arguments[position + 1 :])
    return hook(*arguments, **named)


def _others(settings: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return {key: value for key, value in settings.items() if key != SETTING} if settings else None


def _is_wanted(settings: Mapping[str, Any] | None) -> bool:
    if SETTING not in (settings or {}):
        return os.environ.get(VARIABLE) in {"1", "true"}  # as hatchling has it
    given = (settings or {})[SETTING]
    # Front ends make a list of what is given twice, and an empty text of a name without a value.
    value = str(given[-1] if isinstance(given, list) and given else given).lower()
    if value not in {"1", "true", "", "0", "false"}:
        raise AppImageError(f"The config setting `{SETTING}` is `true` or `false`, not `{value}`")
    return value in {"1", "true", ""}


def _wrapped() -> Any:
    """Return the back end that the project means, as PEP 517 has front ends find it."""
    table = read_table(Path.cwd() / "pyproject.toml")
    for entry in reversed(table.get("backend-path", [])):
        path = str(_inside(entry))
        if path not in sys.path:
            sys.path.insert(0, path)
    name = table.get("build-backend", _DEFAULT)
    module, _, place = name.partition(":")
    if module == __name__:
        raise AppImageError(f"`build-backend` in {_TABLE} names {name} itself: name the back end that makes the wheel")
    try:
        backend = import_module(module)
        for part in filter(None, place.split(".")):
            backend = getattr(backend, part)
    except (ImportError, AttributeError) as error:
        raise AppImageError(
            f"The build back end {name} cannot be loaded ({error}): add the package that has it to `requires` in "
            f"[build-system], and name it as `build-backend` in {_TABLE}"
        ) from error
    return backend


def read_table(file: Path) -> dict[str, Any]:
    """Return what a project says of the back end that makes its wheel.

    Args:
        file: its ``pyproject.toml``.

    Raises:
        AppImageError: the table has something else in it.

    """
    table = read_toml(file).get("tool", {}).get("hatch-appimage", {})
    for key, value in table.items():
        if key not in _KEYS:
            raise AppImageError(f"{_TABLE} of {file} has no key `{key}`{suggest_name(key, _KEYS)}")
        if not _is_as_documented(key, value):
            kind = "a list of directories" if key == "backend-path" else "a text"
            raise AppImageError(f"`{key}` in {_TABLE} of {file} must be {kind}, not {value!r}")
    return dict(table)


def _is_as_documented(key: str, value: object) -> bool:
    if key == "build-backend":
        return isinstance(value, str) and bool(value)
    return isinstance(value, list) and all(isinstance(entry, str) for entry in value)


def _inside(entry: str) -> Path:
    """Return a directory of the project, as PEP 517 wants of ``backend-path``."""
    root = Path.cwd().resolve()
    path = (root / entry).resolve()
    if not path.is_relative_to(root):
        raise AppImageError(f"`backend-path` in {_TABLE} leads out of the project: {entry}")
    return path
