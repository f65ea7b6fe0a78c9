# SPDX-License-Identifier: MIT
"""What the bundled Python is taught, and the module that does it inside the image."""

from __future__ import annotations

import ctypes.util
import importlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path, PurePosixPath
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from hatch_appimage.errors import AppImageError
from hatch_appimage.layout import AppDir
from hatch_appimage.python import BundledPython, _appimage
from hatch_appimage.python.patch_stdlib import _GET_DATA, _LEFT_OUT, _SOURCELESS, Patches, patch_stdlib
from hatch_appimage.sources.imports import Reached
from hatch_appimage.sources.reach import Reach
from hatch_appimage.system import System
from hatch_appimage.trim.tkinter import Tkinter, trim_tkinter
from support.pythons import INTERPRETERS
from support.tools import require

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def appdir(tmp_path: Path) -> AppDir:
    return AppDir(tmp_path / "App Dir", "my-app")


@pytest.fixture
def python(appdir: AppDir) -> BundledPython:
    stdlib = appdir.lib / "python3.12"
    site_packages = stdlib / "site-packages"
    for name in ("site-packages", "lib-dynload", "ctypes", "curses", "encodings", "tkinter"):
        (stdlib / name).mkdir(parents=True)
    for name in (
        *("ssl.py", "ctypes/util.py", "curses/__init__.py", "encodings/__init__.py"),
        *("turtle.py", "tkinter/__init__.py"),
    ):
        (stdlib / name).write_text(f"name = {name!r}\n")
    for name in ("_tkinter.cpython-312.so", "readline.cpython-312.so"):
        (stdlib / "lib-dynload" / name).touch()
    return BundledPython(
        version="3.12.1",
        executable=appdir.bin / "python3.12",
        stdlib=stdlib,
        site_packages=(site_packages,),
        interpreter=Path("/opt/bin/python3.12"),
        origin=Path("/opt"),
    )


@pytest.fixture
def system(tmp_path: Path) -> System:
    """Return a machine that has descriptions of some terminals, and Tcl's scripts."""
    root = tmp_path / "machine"
    for name in ("lib/terminfo/x/xterm", "usr/share/terminfo/x/xterm-256color", "lib/terminfo/l/lost"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    for name in ("tcl8.6/init.tcl", "tcl8.6/tcl8/8.6/http.tm", "tk8.6/tk.tcl", "tk8.6/demos/widget"):
        file = root / "usr" / "share" / "tcltk" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)
    return System(root, ())


class TestAdapt:
    def test_modules_of_the_standard_library(self, appdir: AppDir, python: BundledPython, system: System) -> None:
        assert patch_stdlib(appdir, python, system) == Patches(("ctypes", "curses", "encodings", "readline", "ssl"))
        text = (python.stdlib / "ssl.py").read_text()
        assert text.startswith("name = 'ssl.py'\n")
        assert "_appimage.patch_ssl(" in text
        assert "_appimage.load_readline()" in (python.stdlib / "readline.py").read_text()
        assert (python.stdlib / "_appimage.py").read_bytes() == Path(_appimage.__file__).read_bytes()

    def test_exposed(self, appdir: AppDir, python: BundledPython, system: System, tmp_path: Path) -> None:
        """Virtual environments can be made on top of the image, with pip."""
        python = replace(python, origin=tmp_path / "origin")
        bundled = python.origin / "lib" / "python3.12" / "ensurepip" / "_bundled"
        for directory in (bundled, bundled.parent / "__pycache__", python.stdlib / "venv"):
            directory.mkdir(parents=True)
            (directory / "__init__.py").touch()
        (python.stdlib / "site.py").write_text("import sys\nPREFIXES = [sys.prefix]\n")
        wheels = python.origin / "share" / "python-wheels"
        wheels.mkdir(parents=True)
        for name in ("pip-23.0.1-py3-none-any.whl", "setuptools-66-py3-none-any.whl", "requests-2-py3-none-any.whl"):
            (wheels / name).touch()
        (python.stdlib / "sysconfig.py").write_text("posix = 1\nif __name__ == '__main__':\n    _main()\n")
        assert patch_stdlib(appdir, python, system, exposed=True) == Patches(
            ("ctypes", "curses", "encodings", "readline", "site", "ssl", "sysconfig", "venv")
        )
        sysconfig = (python.stdlib / "sysconfig.py").read_text()
        assert sysconfig.index("_appimage.watch_virtualenv()") < sysconfig.index("if __name__ ==")
        assert "patch_schemes" not in sysconfig
        site = (python.stdlib / "site.py").read_text()
        assert site.index("_appimage.enter_virtual_environment()") < site.index("PREFIXES = ")
        assert "_appimage.patch_venv(" in (python.stdlib / "venv" / "__init__.py").read_text()
        assert (python.stdlib / "ensurepip" / "_bundled" / "__init__.py").is_file()
        assert not (python.stdlib / "ensurepip" / "__pycache__").exists()
        assert sorted(path.name for path in (appdir.usr / "share" / "python-wheels").iterdir()) == [
            "pip-23.0.1-py3-none-any.whl",
            "setuptools-66-py3-none-any.whl",
        ]

    def test_of_debian(self, appdir: AppDir, python: BundledPython, system: System) -> None:
        """Its own paths are told from those of others by the text."""
        (python.stdlib / "distutils").mkdir()
        (python.stdlib / "sysconfig.py").write_text("_INSTALL_SCHEMES = {'posix_local': {}}\n")
        (python.stdlib / "distutils" / "sysconfig.py").write_text("'dist-packages'\n")
        assert patch_stdlib(appdir, python, system) == Patches(
            ("ctypes", "curses", "distutils", "encodings", "readline", "ssl", "sysconfig")
        )
        assert "_appimage.patch_schemes(" in (python.stdlib / "sysconfig.py").read_text()
        assert "_appimage.patch_distutils(" in (python.stdlib / "distutils" / "sysconfig.py").read_text()
        assert "watch_virtualenv" not in (python.stdlib / "sysconfig.py").read_text()

    def test_virtualenv_without_exposed_interpreter(
        self, appdir: AppDir, python: BundledPython, system: System, caplog: pytest.LogCaptureFixture
    ) -> None:
        (python.stdlib / "site.py").write_text("PREFIXES = []\n")
        (python.stdlib / "ensurepip").mkdir()
        patch_stdlib(appdir, python, system)
        assert caplog.messages == []
        (python.site_packages[0] / "virtualenv").mkdir(parents=True)
        patch_stdlib(appdir, python, system)
        (message,) = caplog.messages
        assert message == (
            "Environments that the application makes with virtualenv work as long as the image runs, and pip "
            "builds no packages from source in them, as they are isolated from PYTHONPATH; set "
            "`expose-python = true` to have them work fully, and afterwards"
        )
        patch_stdlib(appdir, replace(python, origin=appdir.usr), system, exposed=True)
        assert len(caplog.messages) == 1

    def test_exposed_without_ensurepip(
        self, appdir: AppDir, python: BundledPython, system: System, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Debian has it in another package."""
        (python.stdlib / "site.py").write_text("PREFIXES = []\n")
        patch_stdlib(appdir, python, system, exposed=True)
        assert not (python.stdlib / "ensurepip").exists()
        assert "will lack pip: the Python at /opt/bin/python3.12 has no ensurepip" in caplog.text

    def test_site_of_an_unknown_python(self, appdir: AppDir, python: BundledPython, system: System) -> None:
        (python.stdlib / "site.py").write_text("prefixes = []\n")
        with pytest.raises(AppImageError, match="`expose-python` does not work with this Python yet"):
            patch_stdlib(appdir, python, system, exposed=True)

    def test_what_a_python_lacks(self, appdir: AppDir, python: BundledPython, system: System) -> None:
        """A Python without OpenSSL, and one with readline built in."""
        (python.stdlib / "ssl.py").unlink()
        (python.stdlib / "lib-dynload" / "readline.cpython-312.so").unlink()
        assert patch_stdlib(appdir, python, system) == Patches(("ctypes", "curses", "encodings"))
        assert not (python.stdlib / "readline.py").exists()

    def test_importlib_that_asks_no_more(self, appdir: AppDir, python: BundledPython, system: System) -> None:
        patch_stdlib(appdir, replace(python, version="3.14.0rc1"), system)
        assert _GET_DATA not in (python.stdlib / "encodings/__init__.py").read_text()

    @pytest.mark.parametrize("version", ["3.8.1", "3.14.0"])
    def test_modules_without_sources(self, appdir: AppDir, python: BundledPython, system: System, version: str) -> None:
        metadata = python.stdlib / "importlib" / "metadata" / "__init__.py"
        metadata.parent.mkdir(parents=True)
        metadata.write_text('if f.suffix == ".py"\n' if version == "3.8.1" else "")
        patches = patch_stdlib(appdir, replace(python, version=version), system, sourceless=True)
        assert _SOURCELESS in (python.stdlib / "encodings/__init__.py").read_text()
        assert ("importlib" in patches.modules) is (version == "3.8.1")

    def test_terminals(self, appdir: AppDir, python: BundledPython, system: System) -> None:
        patch_stdlib(appdir, python, system)
        terminfo = appdir.usr / "share" / "terminfo"
        assert {path.name for path in terminfo.rglob("*") if path.is_file()} == {"xterm", "xterm-256color"}

    def test_tcl_scripts(self, appdir: AppDir, python: BundledPython, system: System) -> None:
        """Where they are is written in the library."""
        (appdir.lib / "libtcl8.6.so").write_bytes(b"x\0/usr/include/tcl8.6\0/usr/share/tcltk/tcl8.6\0y")
        patch_stdlib(appdir, python, system)
        assert (appdir.lib / "tcl8.6" / "init.tcl").is_file()
        assert (appdir.lib / "tcl8" / "8.6" / "http.tm").is_file()
        assert (appdir.lib / "tk8.6" / "tk.tcl").is_file()
        assert not (appdir.lib / "tk8.6" / "demos").exists()

    def test_tcl_scripts_that_are_not_there(
        self, appdir: AppDir, python: BundledPython, system: System, caplog: pytest.LogCaptureFixture
    ) -> None:
        (appdir.lib / "libtcl8.6.so").write_bytes(b"x\0/opt/tcl8.6\0y")
        patch_stdlib(appdir, python, system)
        assert caplog.messages == ["The scripts of libtcl8.6.so are not on this machine: tkinter will not start"]

    def test_tcl_scripts_of_the_python(
        self, appdir: AppDir, python: BundledPython, system: System, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Some Pythons bring their own Tcl with its scripts beside it."""
        (appdir.lib / "libtcl8.6.so").write_bytes(b"x\0/install/lib/tcl8.6\0y")
        (appdir.lib / "tcl8.6").mkdir()
        (appdir.lib / "tcl8.6" / "init.tcl").touch()
        patch_stdlib(appdir, python, system)
        assert caplog.messages == []


NOTHING = Reach({}, frozenset())
LEFT_OUT = {"_tkinter": "tkinter", "tkinter": "tkinter", "turtle": "tkinter"}


class TestTkinter:
    def modules(self, python: BundledPython) -> list[str]:
        names = ("tkinter/__init__.py", "turtle.py", "lib-dynload/_tkinter.cpython-312.so")
        return [name for name in names if (python.stdlib / name).exists()]

    def test_nothing_imports_it(self, appdir: AppDir, python: BundledPython) -> None:
        (appdir.lib / "libtcl8.6.so").touch()
        (appdir.lib / "tk8.6").mkdir()
        result = trim_tkinter(appdir, python, NOTHING, wanted=None)
        assert result == Tkinter(kept=False, reason="the application does not import it", modules=LEFT_OUT)
        assert self.modules(python) == []
        assert not (appdir.lib / "libtcl8.6.so").exists()
        assert not (appdir.lib / "tk8.6").exists()

    @pytest.mark.parametrize("name", ["tkinter", "_tkinter"])
    def test_a_module_imports_it(self, appdir: AppDir, python: BundledPython, name: str) -> None:
        reach = Reach({name: Reached(python.stdlib / "tkinter", "app.window")}, frozenset())
        assert trim_tkinter(appdir, python, reach, wanted=None) == Tkinter(kept=True, reason="app.window imports it")
        assert len(self.modules(python)) == 3

    def test_matplotlib_shows_windows_with_it(self, appdir: AppDir, python: BundledPython) -> None:
        modules = {"matplotlib": Reached(python.stdlib / "m", "app")}
        result = trim_tkinter(appdir, python, Reach(modules, frozenset(), "app.plots"), wanted=None)
        assert result == Tkinter(kept=True, reason="matplotlib opens the windows of app.plots with it")
        result = trim_tkinter(appdir, python, Reach({}, frozenset(), "app.plots"), wanted=None)
        assert result == Tkinter(kept=False, reason="the application does not import it", modules=LEFT_OUT)

    @pytest.mark.parametrize(("wanted", "warned"), [(None, True), (False, False), (True, False)])
    def test_doubt(
        self,
        appdir: AppDir,
        python: BundledPython,
        caplog: pytest.LogCaptureFixture,
        wanted: bool | None,  # noqa: FBT001
        warned: bool,  # noqa: FBT001
    ) -> None:
        reach = Reach({}, frozenset(), doubt="a.b")
        trim_tkinter(appdir, python, reach, wanted=wanted)
        warning = "tkinter is left out, though a.b imports it in a function: set `tkinter = true` if that is used"
        assert caplog.messages == ([warning] if warned else [])

    def test_wanted(self, appdir: AppDir, python: BundledPython) -> None:
        assert trim_tkinter(appdir, python, NOTHING, wanted=True) == Tkinter(kept=True, reason="`tkinter = true`")
        assert len(self.modules(python)) == 3

    def test_unwanted(self, appdir: AppDir, python: BundledPython) -> None:
        reach = Reach({"tkinter": Reached(python.stdlib / "tkinter", "a")}, frozenset())
        result = trim_tkinter(appdir, python, reach, wanted=False)
        assert result == Tkinter(kept=False, reason="`tkinter = false`", modules=LEFT_OUT)
        assert self.modules(python) == []

    def test_a_python_without_it(self, appdir: AppDir, python: BundledPython) -> None:
        trim_tkinter(appdir, python, NOTHING, wanted=False)
        found = trim_tkinter(appdir, python, NOTHING, wanted=None)
        assert found == Tkinter(kept=False, reason="the Python comes without it")
        with pytest.raises(
            AppImageError, match=r"`tkinter = true` cannot be fulfilled.*comes without tkinter: install"
        ):
            trim_tkinter(appdir, python, NOTHING, wanted=True)

    def test_a_python_that_was_built_without_tcl(self, appdir: AppDir, python: BundledPython) -> None:
        """The package is there, and what it is built on is not."""
        (module,) = python.stdlib.glob("lib-dynload/_tkinter.*")
        module.unlink()
        reach = Reach({"tkinter": Reached(python.stdlib / "tkinter", "app")}, frozenset())
        assert not trim_tkinter(appdir, python, reach, wanted=None).kept
        with pytest.raises(AppImageError, match="comes without tkinter"):
            trim_tkinter(appdir, python, reach, wanted=True)
        (appdir.lib / "libpython3.12.so.1.0").write_bytes(b"\0PyInit__tkinter\0")
        assert trim_tkinter(appdir, python, reach, wanted=True).kept


class TestCertificates:
    @pytest.fixture(autouse=True)
    def no_variables(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("SSL_CERT_FILE", raising=False)
        monkeypatch.delenv("SSL_CERT_DIR", raising=False)
        monkeypatch.setattr(_appimage, "CERTIFICATES", ())

    @staticmethod
    def openssl(file: object = "/nowhere/cert.pem", directory: object = "/nowhere/certs") -> SimpleNamespace:
        paths = ("SSL_CERT_FILE", str(file), "SSL_CERT_DIR", str(directory))
        return SimpleNamespace(get_default_verify_paths=lambda: paths)

    @pytest.mark.parametrize("name", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
    @pytest.mark.parametrize("value", ["/mine", ""])
    def test_users_variable_wins(self, monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
        monkeypatch.setattr(_appimage, "CERTIFICATES", (__file__,))
        monkeypatch.setenv(name, value)
        assert _appimage.certificates(self.openssl()) is None

    def test_openssl_finds_its_file(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(_appimage, "CERTIFICATES", (__file__,))
        assert _appimage.certificates(self.openssl(file=__file__)) is None

    def test_openssl_finds_its_directory(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setattr(_appimage, "CERTIFICATES", (__file__,))
        (tmp_path / "ca-bundle.crt").touch()
        assert _appimage.certificates(self.openssl(directory=tmp_path)) == __file__, "OpenSSL reads no such name"
        (tmp_path / "1a2b3c4d.0").touch()
        assert _appimage.certificates(self.openssl(directory=tmp_path)) is None

    def test_the_first_that_is_there(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(_appimage, "CERTIFICATES", ("/nowhere/a", __file__, sys.executable))
        assert _appimage.certificates(self.openssl()) == __file__

    def test_certifi(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "certifi", SimpleNamespace(where=lambda: "/certifi.pem"))
        assert _appimage.certificates(self.openssl()) == "/certifi.pem"

    def test_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "certifi", None)
        assert _appimage.certificates(self.openssl()) is None

    def test_module_ssl(self) -> None:
        """In a process of its own, as it changes the module."""
        code = f"""
import ssl, sys
sys.path.insert(0, {str(Path(_appimage.__file__).parent)!r})
import _appimage, certifi
_appimage.CERTIFICATES = (certifi.where(),)
_appimage.has_certificates = lambda directory: False
_appimage.os.path.isfile = lambda path: False
_appimage.patch_ssl(ssl)
assert ssl.get_default_verify_paths().cafile == certifi.where()
assert len(ssl.create_default_context().get_ca_certs()) > 50
"""
        subprocess.run([sys.executable, "-c", code], check=True, env={"PATH": os.environ["PATH"]})


class TestTerminfo:
    @pytest.fixture
    def image(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setattr(sys, "base_prefix", str(tmp_path))
        monkeypatch.delenv("TERMINFO_DIRS", raising=False)
        (tmp_path / "share" / "terminfo").mkdir(parents=True)
        return tmp_path

    @staticmethod
    def seen_by_c() -> str | None:
        getenv = ctypes.CDLL(None).getenv
        getenv.restype = ctypes.c_char_p
        value: bytes | None = getenv(b"TERMINFO_DIRS")
        return None if value is None else value.decode()

    def test_for_one_call_only(self, image: Path) -> None:
        with _appimage.terminfo():
            assert self.seen_by_c() == ":".join([*_appimage.TERMINFO, f"{image}/share/terminfo"])
            assert "TERMINFO_DIRS" not in os.environ
        assert self.seen_by_c() is None

    def test_after_an_error(self, image: Path) -> None:
        del image
        with pytest.raises(ZeroDivisionError), _appimage.terminfo():
            raise ZeroDivisionError
        assert self.seen_by_c() is None

    def test_users_variable_wins(self, image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        del image
        monkeypatch.setenv("TERMINFO_DIRS", "/mine")
        with _appimage.terminfo():
            assert self.seen_by_c() == "/mine"

    def test_image_without_terminals(self, image: Path) -> None:
        (image / "share" / "terminfo").rmdir()
        with _appimage.terminfo():
            assert self.seen_by_c() is None

    def test_curses(self, image: Path) -> None:
        del image
        calls = []

        def setupterm(term: str, *, fd: int) -> str:
            calls.append((term, fd, self.seen_by_c() is not None))
            return "done"

        curses = SimpleNamespace(setupterm=setupterm, initscr=self.seen_by_c)
        _appimage.patch_curses(curses)
        assert curses.setupterm("xterm", fd=1) == "done"
        assert curses.setupterm("xterm", fd=2) == "done", "it can be called more than once"
        assert calls == [("xterm", 1, True), ("xterm", 2, True)]
        assert curses.initscr() is not None


class FakeLocale:
    """The module ``locale`` of a machine without locales: what is known depends on LOCPATH."""

    Error = ValueError

    def __init__(self) -> None:
        self.put: dict[str, str] = {}
        self.setlocale = self._setlocale

    def _setlocale(self, category: int, name: str | None = None) -> str:
        del category
        if name in {None, "C"}:
            return "C"
        if self.put.get("LOCPATH", "").endswith("/lib/glibc/locale") and name == "C.UTF-8":
            return "C.UTF-8"
        raise ValueError("unsupported locale setting")


class TestLocale:
    @pytest.fixture
    def locale(self, monkeypatch: pytest.MonkeyPatch) -> FakeLocale:
        fake = FakeLocale()
        monkeypatch.delenv("LOCPATH", raising=False)
        monkeypatch.setattr(os.path, "isdir", lambda path: path != "/usr/lib/locale")
        monkeypatch.setattr(os, "putenv", fake.put.__setitem__)
        monkeypatch.setattr(os, "unsetenv", lambda name: fake.put.pop(name, None))
        _appimage.patch_locale(fake)
        return fake

    @pytest.mark.parametrize(("name", "found"), [("C.UTF-8", "C.UTF-8"), ("", "C.UTF-8"), ("C", "C"), (None, "C")])
    def test_utf_8_works(self, locale: FakeLocale, name: str | None, found: str) -> None:
        assert locale._setlocale(0, name) == found
        assert "LOCPATH" not in locale.put

    def test_another_is_unknown(self, locale: FakeLocale) -> None:
        with pytest.raises(ValueError, match="unsupported"):
            locale._setlocale(0, "de_DE.UTF-8")
        assert "LOCPATH" not in locale.put

    def test_machine_with_locales(self, locale: FakeLocale, monkeypatch: pytest.MonkeyPatch) -> None:
        """What it lacks it lacks, as outside of an image."""
        monkeypatch.setattr(os.path, "isdir", lambda _: True)
        with pytest.raises(ValueError, match="unsupported"):
            locale._setlocale(0, "C.UTF-8")

    def test_users_directory_wins(self, locale: FakeLocale, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("LOCPATH", "/mine")
        with pytest.raises(ValueError, match="unsupported"):
            locale._setlocale(0, "C.UTF-8")

    def test_is_in_the_image_with_a_c_library(self, appdir: AppDir, python: BundledPython, system: System) -> None:
        (python.stdlib / "locale.py").write_text("import _locale\nif __name__ == '__main__':\n    pass\n")
        assert "locale" not in patch_stdlib(appdir, python, system).modules
        (appdir.glibc / "locale").mkdir(parents=True)
        assert "locale" in patch_stdlib(appdir, python, system).modules
        text = (python.stdlib / "locale.py").read_text()
        assert text.index("_appimage.patch_locale(") < text.index("if __name__")


class TestLibraries:
    @pytest.fixture(autouse=True)
    def image(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setattr(sys, "base_prefix", str(tmp_path))
        directory = tmp_path / "lib"
        directory.mkdir()
        for name in ("liba.so.1", "liba.so.1.2.3", "libb+c-2.so", "libfoo.so.x", "libabc.so.1"):
            (directory / name).touch()
        return directory

    def test_shortest_name(self, image: Path) -> None:
        assert _appimage.bundled_library("a") == f"{image}/liba.so.1"

    def test_any_character(self, image: Path) -> None:
        assert _appimage.bundled_library("b+c-2") == f"{image}/libb+c-2.so"

    @pytest.mark.parametrize("name", ["ab", "foo", "", "a.so.1", "../a"])
    def test_others(self, name: str) -> None:
        assert _appimage.bundled_library(name) is None

    def test_find_library(self, image: Path) -> None:
        util = SimpleNamespace(find_library=ctypes.util.find_library)
        _appimage.patch_ctypes(util)
        assert util.find_library("a") == f"{image}/liba.so.1"
        assert util.find_library("c") == ctypes.util.find_library("c")


def test_readline() -> None:
    """The module that is loaded is the real one."""
    directory = Path(_appimage.__file__).parent
    code = f"import sys; sys.path.insert(0, {str(directory)!r}); import _appimage"
    code += "; print(_appimage.load_readline().__file__)"
    output = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert "/lib-dynload/readline." in output.stdout or "No module named 'readline'" in output.stderr


class TestLeftOut:
    """What an import says of a module that was left out of the image."""

    @pytest.fixture(autouse=True)
    def _finder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        (tmp_path / "half_a_package").mkdir()
        (tmp_path / "half_a_package" / "__init__.py").touch()
        monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
        monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])
        monkeypatch.setitem(sys.modules, "_appimage", _appimage)
        modules = {"half_a_package.tests": "tests", "half_a_package.extra": "exclude-files", "no_package": "stdlib",
                   "no_installer": "installers", "no_tkinter": "tkinter", "no_tool": "",
                   "turtledemo": "exclude-files"}  # fmt: skip
        exec(_LEFT_OUT.format(modules=modules), {})  # noqa: S102 - our own code, as a module has it
        yield
        sys.modules.pop("half_a_package", None)

    @pytest.mark.parametrize("name", ["half_a_package.tests", "half_a_package.tests.test_a"])
    def test_import(self, name: str) -> None:
        with pytest.raises(ModuleNotFoundError) as caught:
            importlib.import_module(name)
        assert str(caught.value) == (
            "No module named 'half_a_package.tests': left out of the image by `trim`: it is one of the tests of "
            'packages; `keep-files = ["half_a_package/tests*"]` keeps it'
        )
        assert caught.value.name == "half_a_package.tests"

    def test_statement(self) -> None:
        with pytest.raises(ModuleNotFoundError, match="left out of the image by `exclude-files`; `keep-files = "):
            exec("import half_a_package.extra", {})  # noqa: S102 - a statement; no type checker finds the module

    @pytest.mark.parametrize(
        ("name", "reason"),
        [
            (
                "no_package",
                'by `trim`: nothing in it was seen to use this; `keep-files = ["lib*/python3*/no_package*"]`',
            ),
            (
                "no_installer",
                'by `trim`: nothing in it was seen to use this; `keep-files = ["no_installer*"]',
            ),
            ("no_tkinter", "by `tkinter`: the application was not seen to use it; `tkinter = true` keeps it"),
            ("no_tool", 'as no code in it names it; `keep-files = ["lib*/python3*/no_tool*"]` keeps it'),
        ],
    )
    def test_reasons(self, name: str, reason: str) -> None:
        with pytest.raises(ModuleNotFoundError, match=re.escape(f"left out of the image {reason}")):
            importlib.import_module(name)

    def test_glob_of_the_standard_library(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "path", [])
        monkeypatch.setattr(sys, "path_importer_cache", {})
        with pytest.raises(ModuleNotFoundError, match=r"`keep-files = \[\"lib\*/python3\*/turtledemo\*\"\]`"):
            importlib.import_module("turtledemo")

    def test_others(self) -> None:
        with pytest.raises(ModuleNotFoundError, match=r"^No module named 'half_a_package\.other'$"):
            importlib.import_module("half_a_package.other")

    def test_looking_for_it(self) -> None:
        assert importlib.util.find_spec("half_a_package.tests") is None

    def test_every_start_reads_it(self, appdir: AppDir, python: BundledPython, system: System) -> None:
        module = python.stdlib / "encodings" / "__init__.py"
        patch_stdlib(appdir, replace(python, version="3.14.0"), system)
        assert "_LeftOut" not in module.read_text()
        patches = patch_stdlib(appdir, replace(python, version="3.14.0"), system, left_out={"a.tests": "tests"})
        assert "encodings" in patches.modules
        assert "modules = {'a.tests': 'tests'}\n" in module.read_text()


class TestVirtualEnvironment:
    """A link to the image in a virtual environment stands for the interpreter."""

    @pytest.fixture
    def link(self, tmp_path: Path) -> Path:
        link = tmp_path / "env" / "bin" / "python"
        link.parent.mkdir(parents=True)
        link.write_text("")
        link.chmod(0o755)
        (tmp_path / "env" / "pyvenv.cfg").touch()
        return link

    def enter(self, monkeypatch: pytest.MonkeyPatch, called: Any) -> str:
        monkeypatch.setattr(sys, "_xoptions", {} if called is None else {"appimage": called})
        for name in ("executable", "_base_executable", "prefix", "exec_prefix"):
            monkeypatch.setattr(sys, name, "before")
        _appimage.enter_virtual_environment()
        assert sys.prefix == ("before" if sys.version_info < (3, 14) or sys.executable == "before" else sys.exec_prefix)
        return sys.executable

    def test_absolute(self, link: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        assert self.enter(monkeypatch, str(link)) == str(link)

    def test_relative(self, link: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(link.parent.parent)
        assert self.enter(monkeypatch, "./bin/../bin/python") == str(link)

    def test_on_path(self, link: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "other").mkdir()
        (tmp_path / "other" / "python").touch()  # nobody may run it
        monkeypatch.setenv("PATH", f"/nowhere:{tmp_path / 'other'}:{link.parent}:/usr/bin")
        assert self.enter(monkeypatch, "python") == str(link)
        monkeypatch.setenv("PATH", "/nowhere")
        assert self.enter(monkeypatch, "python") == "before"

    def test_configuration_beside_it(self, link: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (link.parents[1] / "pyvenv.cfg").rename(link.parent / "pyvenv.cfg")
        assert self.enter(monkeypatch, str(link)) == str(link)

    @pytest.mark.parametrize("called", [None, "", True, "/usr/bin/python", "nowhere/python"])
    def test_elsewhere(self, link: Path, monkeypatch: pytest.MonkeyPatch, called: Any) -> None:
        del link
        assert self.enter(monkeypatch, called) == "before"

    def test_directory_that_is_gone(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "gone").mkdir()
        monkeypatch.chdir(tmp_path / "gone")
        (tmp_path / "gone").rmdir()
        monkeypatch.setenv("PATH", "/nowhere")
        assert self.enter(monkeypatch, "python") == "before"

    def test_link_outside_of_an_environment(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """It is what environments are made from, if it leads to the image that runs."""
        image, link = tmp_path / "app.AppImage", tmp_path / "python"
        image.touch()
        link.symlink_to(image)
        assert self.enter(monkeypatch, str(link)) == "before"
        assert self.base_executable() == "before"
        monkeypatch.setenv("APPIMAGE", str(image))
        assert self.enter(monkeypatch, str(link)) == "before"
        assert self.base_executable() == str(link)

    def base_executable(self) -> str:
        return str(vars(sys)["_base_executable"])

    def test_running_image(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        image = tmp_path / "app.AppImage"
        image.touch()
        (tmp_path / "mount" / "usr").mkdir(parents=True)
        monkeypatch.setattr(sys, "base_prefix", str(tmp_path / "mount" / "usr"))
        monkeypatch.setenv("APPIMAGE", str(image))
        monkeypatch.setenv("APPDIR", str(tmp_path / "mount"))
        assert _appimage.running_image() == str(image)
        for variable, value in [("APPDIR", str(tmp_path)), ("APPDIR", "/nowhere"), ("APPIMAGE", "/nowhere")]:
            with monkeypatch.context() as patch:
                patch.setenv(variable, value)
                assert _appimage.running_image() is None
            with monkeypatch.context() as patch:
                patch.delenv(variable)
                assert _appimage.running_image() is None


class TestVirtualenv:
    """What virtualenv is told, and what becomes of its environments; the images are tried with it elsewhere."""

    @pytest.mark.parametrize(
        ("script", "asks"),
        [
            ("/x/virtualenv/discovery/py_info.py", True),
            ("/x/python_discovery/_py_info.py", True),
            ("/x/python_discovery/_py_info_collect.py", True),
            ("/tmp/tmpa1b2/_py_info_collect.py", True),
            ("/x/py_info.py", False),
            ("py_info.py", False),
            ("-c", False),
            ("", False),
        ],
    )
    def test_is_told_of_the_link(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str, *, asks: bool
    ) -> None:
        link, other = tmp_path / "env" / "bin" / "python", tmp_path / "other"
        link.parent.mkdir(parents=True)
        (tmp_path / "env" / "pyvenv.cfg").touch()
        for path in (link, other):
            path.symlink_to(__file__)
        monkeypatch.setattr(sys, "argv", [script])
        monkeypatch.setattr(sys, "_xoptions", {"appimage": str(link)})
        monkeypatch.setattr(sys, "executable", "before")
        monkeypatch.setattr(sys, "prefix", "before")
        monkeypatch.setattr(sys, "exec_prefix", "before")
        monkeypatch.setattr(os.path, "islink", os.path.islink)
        _appimage.enter_virtual_environment()
        assert (sys.executable == "before") is asks
        _appimage.answer_virtualenv()
        assert sys.executable == str(link)
        is_link = os.path.islink  # what virtualenv follows links by
        assert is_link(str(link)) is not asks
        assert is_link(str(other)) is True

    @pytest.fixture
    def image(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """Return an image that runs, with its interpreter."""
        image = tmp_path / "app.AppImage"
        image.write_text("image")
        interpreter = tmp_path / "mount" / "usr" / "bin" / "python3.11"
        interpreter.parent.mkdir(parents=True)
        interpreter.write_text("interpreter")
        monkeypatch.setattr(sys, "base_prefix", str(tmp_path / "mount" / "usr"))
        monkeypatch.setenv("APPIMAGE", str(image))
        monkeypatch.setenv("APPDIR", str(tmp_path / "mount"))
        return image

    def create(self, directory: Path, interpreter: Path, make: Callable[[Path, Path], Any]) -> dict[str, str]:
        """Make an environment as virtualenv does, and return its configuration."""

        class Creator:
            def __init__(self) -> None:
                self.bin_dir = directory / "bin"
                self.interpreter = SimpleNamespace(system_executable=str(interpreter))
                self.pyenv_cfg = SimpleNamespace(content={})

            def run(self) -> None:
                self.bin_dir.mkdir(parents=True)
                make(interpreter, self.bin_dir / "python")
                (self.bin_dir / "python3").symlink_to("python")
                (self.bin_dir / "python3.10").write_text("another one")
                (self.bin_dir / "python2").symlink_to("/usr/bin/env")
                self.pyenv_cfg.content = {
                    "home": str(interpreter.parent),
                    "version": "3.11.2",
                    "command": f"{interpreter} -m virtualenv x",
                }

        _appimage.patch_virtualenv(SimpleNamespace(Creator=Creator))
        creator = Creator()
        creator.run()
        assert (directory / "bin" / "python3").readlink() == Path("python")
        assert (directory / "bin" / "python3.10").read_text() == "another one"
        assert (directory / "bin" / "python2").readlink() == Path("/usr/bin/env")
        configuration: dict[str, str] = creator.pyenv_cfg.content
        return configuration

    def test_links_lead_to_the_image(self, image: Path, tmp_path: Path) -> None:
        interpreter = tmp_path / "mount" / "usr" / "bin" / "python3.11"
        configuration = self.create(tmp_path / "env", interpreter, lambda source, link: link.symlink_to(source))
        assert (tmp_path / "env" / "bin" / "python").readlink() == image
        assert configuration == {"home": str(tmp_path), "version": "3.11.2"}

    def test_copies_are_of_the_image(self, image: Path, tmp_path: Path) -> None:
        interpreter = tmp_path / "mount" / "usr" / "bin" / "python3.11"
        self.create(tmp_path / "env", interpreter, shutil.copy)
        assert (tmp_path / "env" / "bin" / "python").read_text() == image.read_text()

    def test_of_another_interpreter(self, image: Path, tmp_path: Path) -> None:
        del image
        other = tmp_path / "other" / "python3"
        other.parent.mkdir()
        other.write_text("interpreter")
        configuration = self.create(tmp_path / "env", other, lambda source, link: link.symlink_to(source))
        assert (tmp_path / "env" / "bin" / "python").readlink() == other
        assert configuration["home"] == str(other.parent)

    def test_unpacked_image(self, image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        del image
        monkeypatch.delenv("APPIMAGE")
        interpreter = tmp_path / "mount" / "usr" / "bin" / "python3.11"
        self.create(tmp_path / "env", interpreter, lambda source, link: link.symlink_to(source))
        assert (tmp_path / "env" / "bin" / "python").readlink() == interpreter

    def test_is_changed_once_it_is_loaded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])
        before = len(sys.meta_path)
        _appimage.watch_virtualenv()
        module = SimpleNamespace()
        monkeypatch.setitem(sys.modules, "virtualenv.create.creator", module)
        assert importlib.util.find_spec("no_such_module_1") is None
        assert len(sys.meta_path) == before + 1, "it is being loaded"

        class Creator:
            def run(self) -> None: ...

        module.Creator, run = Creator, Creator.run
        assert importlib.util.find_spec("no_such_module_2") is None
        assert len(sys.meta_path) == before
        assert Creator.run is not run


class TestSchemes:
    """Debian's own paths, as its sysconfig has them in different versions."""

    @staticmethod
    def sysconfig(**functions: Any) -> SimpleNamespace:
        def get_path(name: str, scheme: str = "posix_local", variables: Any = None) -> Any:
            return name, scheme, variables

        def get_paths(scheme: str = "posix_local", variables: Any = None) -> Any:
            return scheme, variables

        return SimpleNamespace(get_path=get_path, get_paths=get_paths, **functions)

    def test_from_3_10_on(self) -> None:
        schemes = {"prefix": "posix_local", "home": "posix_home", "user": "posix_user"}
        module = self.sysconfig(_get_preferred_schemes=lambda: schemes)
        _appimage.patch_schemes(module)
        assert module._get_preferred_schemes() == {**schemes, "prefix": "posix_prefix"}
        assert module.get_path("data") == ("data", "posix_prefix", None)
        assert module.get_paths() == ("posix_prefix", None)
        assert module.get_paths("posix_local") == ("posix_local", None), "who asks for it gets it"

    @pytest.mark.parametrize(("before", "after"), [("deb_system", "posix_prefix"), ("posix_prefix", "posix_prefix")])
    def test_before(self, before: str, after: str) -> None:
        module = self.sysconfig(_get_default_scheme=lambda: before)
        _appimage.patch_schemes(module)
        assert module._get_default_scheme() == after
        assert module.get_paths() == ("posix_prefix", None)

    def test_distutils(self) -> None:
        module = SimpleNamespace(get_python_lib=lambda *arguments: arguments)
        _appimage.patch_distutils(module)
        assert module.get_python_lib() == (0, 0, sys.prefix)
        assert module.get_python_lib(1) == (1, 0, sys.exec_prefix)
        assert module.get_python_lib(standard_lib=1) == (0, 1, None)
        assert module.get_python_lib(prefix="/x") == (0, 0, "/x")
        assert module.is_virtual_environment()


class TestGetData:
    """How modules are read."""

    def test_asks_for_no_terminal(self, tmp_path: Path) -> None:
        def questions(code: str) -> int:
            trace = tmp_path / "trace"
            command: list[str | Path] = [require("strace", "strace"), "-e", "trace=ioctl", "-o", trace]
            subprocess.run([*command, sys.executable, "-I", "-c", code], check=True)
            return trace.read_text().count("TCGETS")

        (tmp_path / "module.py").touch()
        code = f"import json, decimal, sys; sys.path.insert(0, {str(tmp_path)!r}); import module"
        assert questions(f"{_GET_DATA}\n{code}") == questions("pass")
        assert (questions(code) > questions("pass")) == (sys.version_info < (3, 14))

    def test_is_what_importlib_returns(self, tmp_path: Path) -> None:
        (tmp_path / "module.py").write_bytes(b"\x00\r\n\xff")
        code = f"""
import importlib.machinery, importlib.util, pathlib, sys
seen = []
sys.addaudithook(lambda event, arguments: event == "open" and seen.append(arguments[0]))
loader = importlib.machinery.SourceFileLoader("module", {str(tmp_path / "module.py")!r})
assert loader.get_data(loader.path) == b"\\x00\\r\\n\\xff"
assert seen == [loader.path], seen
assert loader.get_data(pathlib.Path(loader.path)) == loader.get_data(loader.path)
try:
    loader.get_data({str(tmp_path / "gone.py")!r})
except FileNotFoundError as error:
    print(error.filename)
"""
        command = [sys.executable, "-I", "-X", "dev", "-W", "error", "-c", _GET_DATA + code]
        result = subprocess.run(command, check=True, capture_output=True, text=True)
        assert result.stdout == f"{tmp_path / 'gone.py'}\n"


@pytest.mark.parametrize("interpreter", INTERPRETERS)
def test_sourceless_modules_say_where_they_are(tmp_path: Path, interpreter: str) -> None:
    """Code within functions, too; what has a whole path keeps it."""
    (tmp_path / "source.py").write_text("def f():\n    def g():\n        return 1 / 0\n    return g\n")
    code = (
        "import py_compile, sys\n"
        f"sys.path.insert(0, {str(tmp_path)!r})\n"
        f"py_compile.compile('source.py', {str(tmp_path / 'one.pyc')!r}, dfile='usr/lib/one.py')\n"
        f"py_compile.compile('source.py', {str(tmp_path / 'two.pyc')!r}, dfile='/home/me/two.py')\n"
        f"{_SOURCELESS}\n"
        "import one, two\n"
        "print(one.f.__code__.co_filename, one.f().__code__.co_filename, two.f().__code__.co_filename)\n"
        "print(one.__file__)\n"
    )
    output = subprocess.check_output([interpreter, "-Ic", code], cwd=tmp_path, text=True)
    assert output.split() == [*[str(tmp_path / "one.py")] * 2, "/home/me/two.py", str(tmp_path / "one.pyc")]


def test_packages_are_known_by_bytecode() -> None:
    """Python 3.11 asks for sources; this is how it does."""
    metadata = SimpleNamespace(
        _top_level_inferred=lambda found: {file.parts[0] for file in found.files if file.suffix == ".py"}
    )
    _appimage.patch_metadata(metadata)
    files = [PurePosixPath("one/a.pyc"), PurePosixPath("two/b.py"), PurePosixPath("three/c.txt")]
    assert metadata._top_level_inferred(SimpleNamespace(files=files)) == {"one", "two"}
    assert metadata._top_level_inferred(SimpleNamespace(files=None)) == set()
