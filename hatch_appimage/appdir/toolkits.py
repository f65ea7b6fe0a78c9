# SPDX-License-Identifier: MIT
"""Keep the variables that lead to the machine's plugins from the image's toolkits, but not from what it starts.

Desktops and shells set variables such as ``QT_PLUGIN_PATH`` for the toolkits of the machine. The interpreter of an
image with a toolkit loads a library whose ``getenv()`` does not find these (``runtime/getenv/getenv.c``); the
environment itself stays as it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import TYPE_CHECKING

from hatch_appimage.desktop.window_name import variables_for_name
from hatch_appimage.elf import add_needed, from_origin, read_elf, set_rpath
from hatch_appimage.introspection.places import GST_PLUGINS, GST_VALUES, LISTS, LOCALES, PATHS
from hatch_appimage.libraries.companions import companion_variables
from hatch_appimage.libraries.policy import goes_with_glib
from hatch_appimage.runtime import getenv_path
from hatch_appimage.runtime.getenv_settings import SONAME, with_settings

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from pathlib import Path

    from hatch_appimage.architecture import Architecture
    from hatch_appimage.elf import Elf
    from hatch_appimage.layout import AppDir
    from hatch_appimage.python import BundledPython

_QT = (
    "QML2_IMPORT_PATH",
    "QML_IMPORT_PATH",
    "QTWEBENGINEPROCESS_PATH",
    "QTWEBENGINE_LOCALES_PATH",
    "QTWEBENGINE_RESOURCES_PATH",
    "QT_PLUGIN_PATH",
    "QT_QPA_PLATFORM_PLUGIN_PATH",
)
_GLIB = (
    "GDK_PIXBUF_MODULEDIR",
    "GDK_PIXBUF_MODULE_FILE",
    "GIO_EXTRA_MODULES",
    "GIO_MODULE_DIR",
    "GI_TYPELIB_PATH",
    "GST_PLUGIN_PATH",
    "GST_PLUGIN_PATH_1_0",
    "GST_PLUGIN_SCANNER",
    "GST_PLUGIN_SCANNER_1_0",
    "GST_PLUGIN_SYSTEM_PATH",
    "GST_PLUGIN_SYSTEM_PATH_1_0",
    "GST_REGISTRY",
    "GST_REGISTRY_1_0",
    "GTK3_MODULES",
    "GTK_DATA_PREFIX",
    "GTK_EXE_PREFIX",
    "GTK_IM_MODULE_FILE",
    "GTK_MODULES",
    "GTK_PATH",
)
# Variables that name a plugin: where those are, and the names that need none (`QStyleFactory`, `QGenericUnixTheme`).
_PLUGINS = {
    "QT_QPA_PLATFORMTHEME": ("platformthemes", ("generic", "gnome", "kde")),
    "QT_STYLE_OVERRIDE": ("styles", ("fusion", "windows")),
}
_CONTROLS = "QT_QUICK_CONTROLS_STYLE"
_PLATFORM = "QT_QPA_PLATFORM"
# Qt tries them in this order.
_WAYLAND_FIRST = "wayland;xcb"

# In the metadata of a plugin, which are CBOR (RFC 8949): the text "Keys", with an array of texts behind it.
_KEYS = b"\x64Keys"
_ARRAY, _TEXT, _SHORT = 0x80, 0x60, 24


@dataclass(frozen=True)
class ToolkitVariables:
    """What an image's toolkits see of the user's variables.

    Attributes:
        hidden: the variables that they do not see, each with the values that they do.
        paths: variables by which bundled libraries find what belongs to them, where they are not set: paths relative to
            the directory of the bundled libraries.
        values: variables by which these are told something else, where they are not set.
        lists: variables that are lists of directories, with such a path that comes before the others, and those that
            are meant where the user's variable is not set.
        names: variables by which toolkits name windows, where they are not set.
        wayland: Qt uses Wayland where there is a compositor.
        domains: of gettext, whose translations are the image's.

    """

    hidden: dict[str, tuple[str, ...]] = field(default_factory=dict)
    paths: dict[str, str] = field(default_factory=dict)
    values: dict[str, str] = field(default_factory=dict)
    lists: dict[str, tuple[str, str]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    wayland: bool = False
    domains: tuple[str, ...] = ()


def write_toolkit_variables(
    appdir: AppDir,
    python: BundledPython,
    architecture: Architecture,
    files: Mapping[str, Elf],
    environment: Collection[str],
    *,
    window_name: str,
    domains: tuple[str, ...] = (),
) -> ToolkitVariables:
    """Have the interpreter load the library with that ``getenv()`` if anything in the image wants it.

    Args:
        appdir: with all packages and libraries.
        python: the Python in it.
        architecture: that it is for.
        files: all ELF files in it, by their paths below the AppDir.
        environment: names of the variables that the project sets: these stay as they are.
        window_name: what desktops know the application's windows by.
        domains: of gettext, of which translations are in the AppDir.

    Raises:
        AppImageError: the library is missing, or the interpreter cannot be changed.

    """
    plugins = sorted({path for name in files for path in _plugin_directories(appdir.root / name)})
    hidden = dict(_of_qt(plugins)) if plugins else {}
    if any(goes_with_glib(name) for path, elf in files.items() for name in (PurePath(path).name, elf.soname)):
        hidden |= dict.fromkeys(_GLIB, ())
    wayland = _PLATFORM not in environment and any(
        path for directory in plugins for path in directory.glob("platforms/libqwayland*.so")
    )
    paths = companion_variables(appdir.lib)
    values, lists = {}, {}
    if (appdir.lib / PATHS["GI_TYPELIB_PATH"]).is_dir():
        paths |= {name: path for name, path in PATHS.items() if (appdir.lib / path).exists()}
        hidden |= dict.fromkeys(PATHS, ())
        lists = LISTS
    if (appdir.lib / GST_PLUGINS).is_dir():
        paths |= {name: path for name, path in PATHS.items() if path == GST_PLUGINS}
        values = GST_VALUES
        hidden |= dict.fromkeys(GST_VALUES, ())
    variables = ToolkitVariables(
        {name: values for name, values in hidden.items() if name not in environment},
        {name: value for name, value in paths.items() if name not in environment},
        {name: value for name, value in values.items() if name not in environment},
        {name: value for name, value in lists.items() if name not in environment},
        {name: window_name for name in variables_for_name(files) if name not in environment},
        wayland,
        domains,
    )
    if variables != ToolkitVariables():
        library = with_settings(getenv_path(architecture.name).read_bytes(), _settings(variables))
        appdir.getenv.mkdir(parents=True)
        (appdir.getenv / SONAME).write_bytes(library)
        (appdir.getenv / SONAME).chmod(0o755)
        _have_loaded(python.executable, appdir.getenv)
    return variables


def _plugin_directories(file: Path) -> list[Path]:
    """Return the directory of Qt's plugins that a file is in, if it is in one."""
    return [path for path in file.parents if path.name == "plugins" and re.fullmatch(r"Qt\d?", path.parent.name)]


def _have_loaded(interpreter: Path, directory: Path) -> None:
    """Have the interpreter load the library before all others, from a directory in which nothing else is.

    Its search path counts for the machine's libraries, too.
    """
    elf = read_elf(interpreter)
    if elf is None:
        raise AssertionError(interpreter)
    add_needed(interpreter, SONAME)
    set_rpath(interpreter, [from_origin(interpreter, directory), *elf.search_path])


def _of_qt(plugins: Iterable[Path]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield names of variables, each with the values of which the image has the plugin."""
    for name in _QT:
        yield name, ()
    for name, (kind, built_in) in _PLUGINS.items():
        found = {key for directory in plugins for path in directory.glob(f"{kind}/*.so") for key in plugin_keys(path)}
        yield name, tuple(sorted({*built_in, *found}))
    styles = (path for directory in plugins for path in directory.parent.glob("qml/QtQuick/Controls/*/qmldir"))
    yield _CONTROLS, tuple(sorted({path.parent.name for path in styles}))


def plugin_keys(plugin: Path) -> tuple[str, ...]:
    """Return the names by which Qt finds a plugin; none where its metadata cannot be read."""
    _, _, rest = plugin.read_bytes().partition(_KEYS)
    count, rest = (rest[0] - _ARRAY, rest[1:4096]) if rest else (0, rest)
    keys = []
    for _ in range(count):
        length = rest[0] - _TEXT if rest else _SHORT
        if not 0 <= length < min(_SHORT, len(rest)):
            break
        keys.append(rest[1 : 1 + length].decode("utf-8", "replace"))
        rest = rest[1 + length :]
    return tuple(keys)


def _settings(variables: ToolkitVariables) -> Iterator[str]:
    for name, values in variables.hidden.items():
        yield from (f"{name}={value}" for value in values) if values else (name,)
    yield from (f"{name}@{value}" for name, value in variables.paths.items())
    yield from (f"{name}!{value}" for name, value in {**variables.values, **variables.names}.items())
    yield from (f"{name}+{path}:{default}" for name, (path, default) in variables.lists.items())
    if variables.wayland:
        yield f"{_PLATFORM}:{_WAYLAND_FIRST}"
    yield from (f"{domain}%../share/{LOCALES}" for domain in variables.domains)
