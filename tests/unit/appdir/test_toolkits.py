# SPDX-License-Identifier: MIT
"""Which variables an image's toolkits do not see, and the library that keeps them from these."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from hatch_appimage.appdir.toolkits import ToolkitVariables, plugin_keys, write_toolkit_variables
from hatch_appimage.architecture import native_architecture
from hatch_appimage.elf import read_elf
from hatch_appimage.layout import AppDir
from hatch_appimage.libraries.dependencies import read_directory
from hatch_appimage.python import BundledPython
from support.elf_fixtures import library
from support.tools import require

if TYPE_CHECKING:
    from pathlib import Path

# A program that stands for the interpreter, with all that counts there: getenv() and what it leaves to others. With one
# more argument it binds a domain of gettext to a directory, as libraries do.
PROGRAM = """
#include <libintl.h>
#include <stdio.h>
#include <stdlib.h>
int main(int argc, char **argv)
{
    if (argc == 3)
        return puts(bindtextdomain(argv[1], argv[2])) < 0;
    if (argc > 3)
        setenv(argv[2], argv[3], 1);
    const char *value = getenv(argv[1]);
    printf("%s\\n", value ? value : "(none)");
    fflush(stdout);
    return system("printenv \\"$NAME\\" || echo '(none)'") != 0;
}
"""


@pytest.fixture
def appdir(tmp_path: Path) -> AppDir:
    return AppDir(tmp_path / "AppDir", "my-app")


@pytest.fixture
def python(appdir: AppDir, tmp_path: Path) -> BundledPython:
    appdir.bin.mkdir(parents=True)
    source = tmp_path / "program.c"
    source.write_text(PROGRAM)
    executable = appdir.bin / "python3.12"
    rpath = "-Wl,--disable-new-dtags,-rpath,$ORIGIN/../lib"
    subprocess.run([require("cc", "gcc"), source, rpath, "-o", executable], check=True)
    stdlib = appdir.lib / "python3.12"
    return BundledPython("3.12.0", executable, stdlib, (stdlib / "site-packages",), executable, tmp_path)


def add_qt(python: BundledPython, *plugins: str) -> Path:
    directory = python.site_packages[0] / "PyQt6" / "Qt6" / "plugins"
    for plugin in plugins:
        library("").write(directory / plugin)
    return directory


def add_introspection(appdir: AppDir) -> None:
    """Put the directories into the AppDir that the introspection step makes."""
    for directory in ("lib/girepository-1.0", "lib/gio/modules", "share/glib-2.0/schemas"):
        (appdir.usr / directory).mkdir(parents=True)


def write(appdir: AppDir, python: BundledPython, *environment: str, domains: tuple[str, ...] = ()) -> ToolkitVariables:
    elves = {str(path.relative_to(appdir.root)): elf for path, elf in read_directory(appdir.root).items() if elf}
    return write_toolkit_variables(
        appdir,
        python,
        native_architecture(),
        elves,
        environment,
        window_name="org.example.App",
        domains=domains,
    )


def metadata(*keys: str) -> bytes:
    """Return the part of a plugin's metadata that counts, as moc writes it (CBOR)."""
    return b"\x64Keys" + bytes([0x80 + len(keys)]) + b"".join(bytes([0x60 + len(key)]) + key.encode() for key in keys)


class TestPluginKeys:
    def test_of_metadata(self, tmp_path: Path) -> None:
        (tmp_path / "a.so").write_bytes(b"QTMETADATA !\xa2\x02" + metadata("gtk3", "xdgdesktopportal") + b"\xff\0gt")
        assert plugin_keys(tmp_path / "a.so") == ("gtk3", "xdgdesktopportal")

    @pytest.mark.parametrize("data", [b"", b"\x64Keys", b"\x64Keys\x81\x78\x20", b"\x64Keys\x81\x65ab"])
    def test_of_none_or_damaged(self, tmp_path: Path, data: bytes) -> None:
        (tmp_path / "a.so").write_bytes(data)
        assert plugin_keys(tmp_path / "a.so") == ()


class TestVariables:
    def test_no_toolkit(self, appdir: AppDir, python: BundledPython) -> None:
        before = python.executable.read_bytes()
        assert write(appdir, python) == ToolkitVariables()
        assert python.executable.read_bytes() == before

    def test_qt(self, appdir: AppDir, python: BundledPython) -> None:
        plugins = add_qt(python, "platforms/libqxcb.so", "styles/libmine.so", "platformthemes/libqgtk3.so")
        with (plugins / "styles" / "libmine.so").open("ab") as file:
            file.write(metadata("Mine"))
        (plugins.parent / "qml" / "QtQuick" / "Controls" / "Material").mkdir(parents=True)
        (plugins.parent / "qml" / "QtQuick" / "Controls" / "Material" / "qmldir").touch()
        variables = write(appdir, python, "QML_IMPORT_PATH")
        assert variables.hidden["QT_PLUGIN_PATH"] == ()
        assert variables.hidden["QT_STYLE_OVERRIDE"] == ("Mine", "fusion", "windows")
        assert variables.hidden["QT_QUICK_CONTROLS_STYLE"] == ("Material",)
        assert "QML_IMPORT_PATH" not in variables.hidden
        assert "GTK_PATH" not in variables.hidden
        assert not variables.wayland
        elf = read_elf(python.executable)
        assert elf is not None
        assert elf.needed[0] == "libappimage-getenv.so"
        assert elf.rpath[0] == "$ORIGIN/../lib/getenv"

    def test_gtk(self, appdir: AppDir, python: BundledPython) -> None:
        library("libgtk-3.so.0").write(appdir.lib / "libgtk-3.so.0")
        variables = write(appdir, python)
        assert {"GTK_PATH", "GIO_EXTRA_MODULES", "GST_PLUGIN_PATH", "GI_TYPELIB_PATH"} <= variables.hidden.keys()
        assert "QT_PLUGIN_PATH" not in variables.hidden

    def test_gtk_of_the_target_system(self, appdir: AppDir, python: BundledPython) -> None:
        """It wants the modules of that system."""
        library("", "libgtk-3.so.0").write(python.site_packages[0] / "a.so")
        assert write(appdir, python) == ToolkitVariables()

    def test_what_libraries_open(self, appdir: AppDir, python: BundledPython) -> None:
        library("libmagic.so.1").write(appdir.lib / "libmagic.so.1")
        library("libsasl2.so.2").write(appdir.lib / "libsasl2.so.2")
        assert write(appdir, python) == ToolkitVariables()
        (appdir.lib / "file").mkdir()
        (appdir.lib / "file" / "magic.mgc").touch()
        assert write(appdir, python) == ToolkitVariables(paths={"MAGIC": "file/magic.mgc"})

    def test_pygobject(self, appdir: AppDir, python: BundledPython) -> None:
        add_introspection(appdir)
        variables = write(appdir, python, "GIO_MODULE_DIR")
        assert variables.paths == {
            "GI_TYPELIB_PATH": "girepository-1.0",
            "GSETTINGS_SCHEMA_DIR": "../share/glib-2.0/schemas",
            "GTK_EXE_PREFIX": "..",
        }
        assert variables.lists == {"XDG_DATA_DIRS": ("../share", "/usr/local/share:/usr/share")}
        assert {"GSETTINGS_SCHEMA_DIR", "GDK_PIXBUF_MODULE_FILE"} <= variables.hidden.keys()
        assert "GIO_MODULE_DIR" not in variables.hidden

    @pytest.mark.parametrize(
        ("file", "names"),
        [
            ("PyQt6/Qt6/plugins/platforms/libqxcb.so", {"RESOURCE_NAME"}),
            ("game.libs/libSDL2-2-f3e3c0.0.so.0.3200.10", {"SDL_VIDEO_X11_WMCLASS", "SDL_VIDEO_WAYLAND_WMCLASS"}),
            ("game.libs/libSDL3.so.0", {"SDL_APP_ID"}),
            ("game.libs/libSDL2_image-2.0.so.0", set()),
        ],
    )
    def test_names_of_windows(self, appdir: AppDir, python: BundledPython, file: str, names: set[str]) -> None:
        library("").write(python.site_packages[0] / file)
        assert write(appdir, python).names == dict.fromkeys(names, "org.example.App")
        assert appdir.getenv.exists() == bool(names)

    def test_wayland(self, appdir: AppDir, python: BundledPython) -> None:
        add_qt(python, "platforms/libqwayland-generic.so")
        assert write(appdir, python).wayland

    def test_platform_of_the_project(self, appdir: AppDir, python: BundledPython) -> None:
        add_qt(python, "platforms/libqwayland-generic.so")
        assert not write(appdir, python, "QT_QPA_PLATFORM").wayland


class TestGetenv:
    """The library itself, with a program that starts another one."""

    @pytest.fixture
    def program(self, appdir: AppDir, python: BundledPython) -> Path:
        add_qt(python, "platforms/libqwayland-generic.so")
        write(appdir, python)
        return python.executable

    def ask(self, program: Path, name: str, *more: str, **environment: str) -> list[str]:
        variables = {"PATH": os.environ["PATH"], "NAME": name, **environment}
        result = subprocess.run([program, name, *more], env=variables, capture_output=True, text=True, check=True)
        return result.stdout.splitlines()

    def test_hidden_and_inherited(self, program: Path) -> None:
        assert self.ask(program, "QT_PLUGIN_PATH", QT_PLUGIN_PATH="/usr/lib/qt6") == ["(none)", "/usr/lib/qt6"]

    def test_others(self, program: Path) -> None:
        assert self.ask(program, "QT_PLUGIN_PATHS", QT_PLUGIN_PATHS="/x") == ["/x", "/x"]
        assert self.ask(program, "QT_PLUGIN_PATH") == ["(none)", "(none)"]
        assert self.ask(program, "EMPTY", EMPTY="") == ["", ""]

    def test_paths(self, appdir: AppDir, python: BundledPython) -> None:
        """Relative to the bundled libraries, however the interpreter is started."""
        library("libmagic.so.1").write(appdir.lib / "libmagic.so.1")
        library("libsasl2.so.2").write(appdir.lib / "libsasl2.so.2")
        library("").write(appdir.lib / "sasl2" / "libplain.so")
        (appdir.lib / "file").mkdir()
        (appdir.lib / "file" / "magic.mgc").touch()
        write(appdir, python)
        link = appdir.root.with_name("link")
        link.symlink_to(python.executable)
        for program in (python.executable, link):
            assert self.ask(program, "MAGIC") == [f"{appdir.lib}/file/magic.mgc", "(none)"]
            assert self.ask(program, "SASL_PATH") == [f"{appdir.lib}/sasl2", "(none)"]
        assert self.ask(python.executable, "MAGIC", MAGIC="/mine") == ["/mine", "/mine"]
        assert self.ask(python.executable, "MAGI") == ["(none)", "(none)"]

    def test_lists(self, appdir: AppDir, python: BundledPython) -> None:
        """The image's directory comes first, and what the process sets itself counts."""
        add_introspection(appdir)
        write(appdir, python)
        program, name, own = python.executable, "XDG_DATA_DIRS", f"{appdir.lib}/../share"
        assert self.ask(program, name) == [f"{own}:/usr/local/share:/usr/share", "(none)"]
        assert self.ask(program, name, XDG_DATA_DIRS="") == [f"{own}:/usr/local/share:/usr/share", ""]
        assert self.ask(program, name, XDG_DATA_DIRS="/a:/b") == [f"{own}:/a:/b", "/a:/b"]
        assert self.ask(program, name, name, "/mine", XDG_DATA_DIRS="/a") == ["/mine", "/mine"]
        long = "/" + "x" * 20_000
        assert self.ask(program, name, XDG_DATA_DIRS=long) == [long, long]
        typelibs = "GI_TYPELIB_PATH"
        assert self.ask(program, typelibs, GI_TYPELIB_PATH="/m") == [f"{appdir.lib}/girepository-1.0", "/m"]

    def test_values(self, appdir: AppDir, python: BundledPython) -> None:
        """GStreamer keeps no registry, and looks at plugins within the process."""
        add_introspection(appdir)
        (appdir.lib / "gstreamer-1.0").mkdir()
        write(appdir, python)
        assert self.ask(python.executable, "GST_REGISTRY_FORK") == ["no", "(none)"]
        assert self.ask(python.executable, "GST_REGISTRY_FORK", GST_REGISTRY_FORK="yes") == ["no", "yes"]
        plugins = [f"{appdir.lib}/gstreamer-1.0", "/m"]
        assert self.ask(python.executable, "GST_PLUGIN_SYSTEM_PATH_1_0", GST_PLUGIN_SYSTEM_PATH_1_0="/m") == plugins

    def test_translations(self, appdir: AppDir, python: BundledPython) -> None:
        """Libraries have the machine's directory compiled in; other domains are bound as they want it."""
        assert write(appdir, python, domains=("glib20", "gtk40")).domains == ("glib20", "gtk40")
        machine = "/usr/share/locale"
        assert self.ask(python.executable, "gtk40", machine) == [f"{appdir.lib}/../share/locale"]
        assert self.ask(python.executable, "glib20", machine) == [f"{appdir.lib}/../share/locale"]
        for domain in ("gtk", "gtk401", "mine"):
            assert self.ask(python.executable, domain, machine) == [machine]

    def test_gstreamer_without_introspection(self, appdir: AppDir, python: BundledPython) -> None:
        """QtMultimedia of Qt 5 uses it."""
        library("libgstreamer-1.0.so.0").write(appdir.lib / "libgstreamer-1.0.so.0")
        (appdir.lib / "gstreamer-1.0").mkdir()
        variables = write(appdir, python)
        assert variables.paths == {"GST_PLUGIN_SYSTEM_PATH_1_0": "gstreamer-1.0"}
        assert variables.values == {"GST_REGISTRY_1_0": "/proc/self/fd/none", "GST_REGISTRY_FORK": "no"}
        assert {"GST_PLUGIN_SYSTEM_PATH_1_0", "GST_PLUGIN_PATH"} <= variables.hidden.keys()
        assert (variables.lists, "XDG_DATA_DIRS" in variables.hidden) == ({}, False)

    def test_names_of_windows(self, appdir: AppDir, python: BundledPython) -> None:
        """The caller's own wins, and what the application starts has none."""
        library("").write(python.site_packages[0] / "libSDL3.so.0")
        write(appdir, python)
        assert self.ask(python.executable, "SDL_APP_ID") == ["org.example.App", "(none)"]
        assert self.ask(python.executable, "SDL_APP_ID", SDL_APP_ID="mine") == ["mine", "mine"]
        assert self.ask(python.executable, "SDL_APP") == ["(none)", "(none)"]

    def test_what_the_process_sets_itself(self, program: Path) -> None:
        """As cv2 does, which has a Qt of its own."""
        name = "QT_QPA_PLATFORM_PLUGIN_PATH"
        assert self.ask(program, name, name, "/mine", **{name: "/machine"}) == ["/mine", "/mine"]

    @pytest.mark.parametrize(("style", "seen"), [("Fusion", "Fusion"), ("kvantum", "(none)"), ("", "(none)")])
    def test_values_of_styles(self, program: Path, style: str, seen: str) -> None:
        assert self.ask(program, "QT_STYLE_OVERRIDE", QT_STYLE_OVERRIDE=style) == [seen, style]

    def test_wayland(self, program: Path, tmp_path: Path) -> None:
        platform = "QT_QPA_PLATFORM"
        (tmp_path / "wayland-7").touch()
        there = {"XDG_RUNTIME_DIR": str(tmp_path), "WAYLAND_DISPLAY": "wayland-7"}
        assert self.ask(program, platform, **there) == ["wayland;xcb", "(none)"]
        assert self.ask(program, platform, WAYLAND_DISPLAY=f"{tmp_path}/wayland-7")[0] == "wayland;xcb"
        assert self.ask(program, platform, WAYLAND_SOCKET="7")[0] == "wayland;xcb"
        assert self.ask(program, platform, **there, QT_QPA_PLATFORM="xcb") == ["xcb", "xcb"]

    @pytest.mark.parametrize("display", ["", "wayland-8", "/nowhere", "x" * 200])
    def test_no_wayland(self, program: Path, tmp_path: Path, display: str) -> None:
        environment = {"XDG_RUNTIME_DIR": str(tmp_path), "WAYLAND_DISPLAY": display, "DISPLAY": ":0"}
        assert self.ask(program, "QT_QPA_PLATFORM", **environment) == ["(none)", "(none)"]
        assert self.ask(program, "QT_QPA_PLATFORM", WAYLAND_DISPLAY="wayland-0") == ["(none)", "(none)"]
