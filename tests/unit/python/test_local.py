# SPDX-License-Identifier: MIT
"""Pythons of this machine: asked, copied, and run elsewhere."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import venv
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hatch_appimage.appdir.launcher import write_launcher
from hatch_appimage.appdir.settings import LauncherSettings
from hatch_appimage.architecture import ARCHITECTURES, native_architecture
from hatch_appimage.elf import read_elf, read_sections
from hatch_appimage.elf_strip import Stripped
from hatch_appimage.errors import AppImageError
from hatch_appimage.layout import AppDir
from hatch_appimage.project.entry_points import EntryPoint
from hatch_appimage.python import BundledPython
from hatch_appimage.python.local import LocalSource, is_runnable
from hatch_appimage.python.relocate import _copy_stdlib, bundle_python, relocatable_sysconfig
from hatch_appimage.python.source import check_python
from hatch_appimage.runtime import launcher_path
from support.elf_fixtures import program
from support.tools import require

if TYPE_CHECKING:
    from hatch_appimage.python import PythonInstallation

RUNNING_VERSION = ".".join(map(str, sys.version_info[:3]))


def find(path: Path | None = None, requires_python: str = "") -> PythonInstallation:
    python = LocalSource(path).provide(native_architecture(), Path("unused"))
    check_python(python, architecture=native_architecture(), requires_python=requires_python)
    return python


def write_program(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


class TestFind:
    def test_the_running_one(self) -> None:
        python = find()
        assert python.version.startswith(RUNNING_VERSION)
        assert python.prefix == Path(sys.base_prefix)
        assert python.stdlib == Path(os.__file__).parent
        assert python.executable.is_file()
        assert python.executable == python.executable.resolve()
        assert python.command == f"python{sys.version_info.major}.{sys.version_info.minor}{sys.abiflags}"
        assert python.site_packages[0].name == "site-packages"
        assert not any(directory.is_absolute() for directory in (*python.site_packages, *python.searched))
        assert find(Path(sys.executable)) == python

    def test_below_a_virtual_environment(self, tmp_path: Path) -> None:
        venv.create(tmp_path / "venv", symlinks=True)
        assert find(tmp_path / "venv" / "bin" / "python") == find()

    def test_surroundings_do_not_matter(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        expected = find()
        (tmp_path / "json.py").write_text("raise SystemExit(1)")
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        monkeypatch.setenv("PYTHONHOME", str(tmp_path))
        monkeypatch.chdir(tmp_path)
        assert find() == expected

    def test_through_a_wrapper(self, tmp_path: Path) -> None:
        """As those that choose among several installed ones are."""
        assert find(write_program(tmp_path / "python3", f'exec "{sys.executable}" "$@"')) == find()

    @pytest.mark.parametrize(
        ("program", "reason"),
        [
            ("echo hello", ""),
            ("exit 3", ""),
            ("echo a >&2; echo the reason >&2; exit 1", ": the reason"),
            ("echo 1", ""),
        ],
    )
    def test_no_python(self, tmp_path: Path, program: str, reason: str) -> None:
        path = write_program(tmp_path / "python3", program)
        with pytest.raises(AppImageError) as caught:
            find(path)
        assert str(caught.value).startswith(f"`{path}` is no working Python 3 interpreter{reason}")
        assert "\n" not in str(caught.value)

    def test_cannot_be_run(self, tmp_path: Path) -> None:
        (tmp_path / "python3").touch(mode=0o644)
        with pytest.raises(AppImageError, match=r"is no working Python 3 interpreter: .*Permission denied"):
            find(tmp_path / "python3")

    @pytest.mark.parametrize(
        "requires_python", ["", ">=3.8", f"=={RUNNING_VERSION}", f"~={RUNNING_VERSION}", ">=3.8,!=3.9.1"]
    )
    def test_version_fits(self, requires_python: str) -> None:
        assert find(requires_python=requires_python).version.startswith(RUNNING_VERSION)

    @pytest.mark.parametrize("requires_python", [">=4", "<3", f"!={RUNNING_VERSION}"])
    def test_version_refused(self, requires_python: str) -> None:
        python = find()
        with pytest.raises(AppImageError) as caught:
            find(requires_python=requires_python)
        assert str(caught.value) == (
            f"The project requires Python {requires_python}, and the one to be bundled is {python.version} "
            f"({python.executable}): set `python` to a fitting version, or to the path of one"
        )

    def test_no_version_specifier(self) -> None:
        with pytest.raises(AppImageError, match=r"^`requires-python` is no version specifier: `newest`$"):
            find(requires_python="newest")

    @pytest.mark.parametrize("version", ["3.13.0+", "3.14.0rc1", "3.15.0a1+"])
    def test_version_between_releases(self, tmp_path: Path, version: str) -> None:
        """Interpreters built from a checkout have a `+`, which is no version of PEP 440."""
        assert find(self.answering(tmp_path, version=version), ">=3.10").version == version

    def test_other_implementation(self, tmp_path: Path) -> None:
        path = self.answering(tmp_path, implementation="pypy")
        with pytest.raises(AppImageError, match=f"^{path} is pypy: only CPython can be bundled$"):
            find(path)

    def test_program_that_is_no_elf_file(self, tmp_path: Path) -> None:
        path = self.answering(tmp_path, executable=str(tmp_path / "python3"))
        with pytest.raises(AppImageError, match="is no ELF program: set `python` to the interpreter itself"):
            find(path)

    def test_other_architecture(self) -> None:
        native = native_architecture().name
        other = next(architecture for name, architecture in ARCHITECTURES.items() if name != native)
        with pytest.raises(AppImageError) as caught:
            check_python(find(), architecture=other, requires_python="")
        assert str(caught.value) == (
            f"The Python at {find().executable} is for {native} and cannot go into an image for {other.name}: "
            "set `python` to one that is"
        )

    @pytest.mark.parametrize(("loader", "runs"), [("there/ld.so", True), ("missing/ld.so", False), ("", True)])
    def test_loader_that_is_missing(self, tmp_path: Path, loader: str, *, runs: bool) -> None:
        """A program does not start without its loader, whatever architecture it is for."""
        (tmp_path / "there").mkdir()
        write_program(tmp_path / "there" / "ld.so", "")
        native = native_architecture()
        interpreter = str(tmp_path / loader) if loader else ""
        fixture = replace(program(interpreter=interpreter), machine=native.elf_machine, bits=native.elf_class)
        elf = read_elf(fixture.write(tmp_path / "python3"))
        assert elf is not None
        assert is_runnable(elf) == runs

    def test_musl(self) -> None:
        python = find()
        loaders = {"/lib/ld-musl-x86_64.so.1": True, native_architecture().loader: False, "": False}
        for loader, musl in loaders.items():
            assert replace(python, elf=replace(python.elf, interpreter=loader)).musl == musl

    def test_virtual_environment_of_the_system(self, tmp_path: Path) -> None:
        """Debian's Python searches other directories in a virtual environment than the installation below."""
        system = require("/usr/bin/python3", "python3-venv")
        subprocess.run([system, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
        assert find(tmp_path / "venv" / "bin" / "python") == find(Path(system))

    def test_too_old(self, tmp_path: Path) -> None:
        with pytest.raises(AppImageError, match=r"is Python 3\.7\.9: 3\.8 is the oldest that can be bundled"):
            find(self.answering(tmp_path, version="3.7.9"))

    def answering(self, directory: Path, **changes: str) -> Path:
        """Make an interpreter that says something else of itself."""
        code = f"""
import json, subprocess, sys
answer = json.loads(subprocess.check_output([sys.executable, "-I", "-"]))
print(json.dumps({{**answer, "virtual": False, **{changes!r}}}))
"""
        (directory / "answer.py").write_text(code)
        return write_program(directory / "python3", f'exec "{sys.executable}" "{directory}/answer.py"')


class TestSysconfig:
    def load(self, source: str) -> dict[str, Any]:
        names: dict[str, Any] = {}
        exec(source, names)  # noqa: S102 - what the import of the module would do
        result: dict[str, Any] = names["build_time_vars"]
        return result

    def rewrite(self, values: dict[str, Any], prefix: str = "/usr") -> dict[str, Any]:
        source = relocatable_sysconfig(f"# generated\nbuild_time_vars = {values!r}\n", Path(prefix))
        ast.parse(source)
        return self.load(source)

    def test_prefix_follows_the_interpreter(self) -> None:
        here = sys.base_prefix
        assert self.rewrite({
            "prefix": "/usr",
            "LIBDIR": "/usr/lib",
            "FLAGS": "-I/usr/include -L/usr/lib:/usr",
            "QUOTED": "'--prefix=/usr' \"/usr\"",
        }) == {
            "prefix": here,
            "LIBDIR": f"{here}/lib",
            "FLAGS": f"-I{here}/include -L{here}/lib:{here}",
            "QUOTED": f"'--prefix={here}' \"{here}\"",
        }  # fmt: skip

    @pytest.mark.parametrize("path", ["/usr2", "/usr-local/lib", "/usr.old", "/usrlib", "/opt/usr/lib", "/opt/usr"])
    def test_other_directories_stay(self, path: str) -> None:
        assert self.rewrite({"A": path})["A"] == path

    def test_time_zones_are_those_of_the_host(self) -> None:
        path = "/usr/share/zoneinfo:/usr/lib/zoneinfo:/etc/zoneinfo"
        assert self.rewrite({"TZPATH": path, "DATADIR": "/usr/share"})["TZPATH"] == path

    def test_values_of_other_types_stay(self) -> None:
        values = {"A": 1, "B": "", "C": None, "D": -1.5, "E": ["/usr"]}
        assert self.rewrite(values) == values

    def test_configured_prefix_that_is_not_the_real_one(self) -> None:
        values = {"prefix": "/install", "LIBDIR": "/install/lib", "BINDIR": "/opt/python/bin"}
        assert self.rewrite(values, "/opt/python") == {
            "prefix": sys.base_prefix,
            "LIBDIR": f"{sys.base_prefix}/lib",
            "BINDIR": f"{sys.base_prefix}/bin",
        }

    def test_directory_of_the_build_is_gone(self) -> None:
        result = self.rewrite({
            "abs_builddir": "/build/python3-3.11/build-shared",
            "abs_srcdir": "/build/python3-3.11/build-shared/..",
            "CFLAGS": "-ffile-prefix-map=/build/python3-3.11=. -I/build/python3-3.11/build-shared/Include",
        })  # fmt: skip
        assert "/build/" not in str(result)

    def test_is_the_same_whatever_the_hash_seed(self) -> None:
        """Prefixes within each other: the longest counts."""
        values = {"prefix": "/usr", "exec_prefix": "/usr/local", "A": "/usr/local/lib", "abs_builddir": "/b/c",
                  "abs_srcdir": "/b", "B": "/b/c/d"}  # fmt: skip
        code = (
            "import pathlib; from hatch_appimage.python.relocate import relocatable_sysconfig as f; "
            f"print(f({f'build_time_vars = {values!r}'!r}, pathlib.Path('/usr/local/x')))"
        )
        outputs = {
            subprocess.check_output([sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": str(seed)})
            for seed in range(4)
        }
        assert len(outputs) == 1

    def test_of_the_running_python(self) -> None:
        python = find()
        sources = list(python.stdlib.glob("_sysconfigdata_*.py"))
        assert sources
        for path in sources:
            source = path.read_text(encoding="utf-8")
            before = self.load(source)
            after = relocatable_sysconfig(source, python.prefix)
            assert before.keys() == self.load(after).keys()
            after = re.sub(r"'TZPATH': '[^']*'", "", after)  # it is the system's
            for name in {python.prefix, before.get("prefix"), before.get("abs_builddir")}:
                assert f"{name}/" not in after


class TestLinksOfAStandardLibrary:
    @pytest.fixture
    def stdlib(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """Make one, as far as links go, far from the working directory."""
        stdlib = tmp_path / "prefix" / "lib" / "python3"
        (stdlib / "package").mkdir(parents=True)
        (stdlib / "package" / "module.py").write_text("module")
        (tmp_path / "share").mkdir()
        (tmp_path / "share" / "data.py").write_text("data")
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path / "elsewhere")
        return stdlib

    @pytest.mark.parametrize(
        ("target", "content"),
        [
            ("package/module.py", "module"),
            ("../../../share/data.py", "data"),
            ("{root}/share/data.py", "data"),
            ("nothing", None),
            ("{root}/nothing", None),
            ("link.py", None),
        ],
    )
    def test_to_a_file(self, stdlib: Path, tmp_path: Path, target: str, content: str | None) -> None:
        """What it leads to is there afterwards, wherever the build was started."""
        (stdlib / "link.py").symlink_to(target.format(root=tmp_path))
        _copy_stdlib(stdlib, tmp_path / "copy")
        copy = tmp_path / "copy" / "link.py"
        assert not copy.is_symlink()
        assert (copy.read_text() if copy.exists() else None) == content

    @pytest.mark.parametrize("target", ["package", "../../../share"])
    def test_to_a_directory(self, stdlib: Path, tmp_path: Path, target: str) -> None:
        (stdlib / "link").symlink_to(target)
        _copy_stdlib(stdlib, tmp_path / "copy")
        names = [path.name for path in (stdlib / target).iterdir()]
        assert [path.name for path in (tmp_path / "copy" / "link").iterdir()] == names

    @pytest.mark.timeout(60)
    def test_without_end(self, stdlib: Path, tmp_path: Path) -> None:
        """Two of them would be 2 to the power of 40 directories."""
        (stdlib / "one").symlink_to(".")
        (stdlib / "two").symlink_to("../python3")
        with pytest.raises(AppImageError, match=r"^/.* is a link to a directory, in one that a link leads to"):
            _copy_stdlib(stdlib, tmp_path / "copy")


# One of each kind: the one that runs the tests and the system's own, with dist-packages on Debian.
INTERPRETERS = list(dict.fromkeys([os.path.realpath(sys.executable), *filter(os.path.exists, ["/usr/bin/python3"])]))


@pytest.fixture(scope="module", params=INTERPRETERS)
def host(request: pytest.FixtureRequest) -> PythonInstallation:
    return find(Path(request.param))


@pytest.fixture(scope="module")
def bundle(host: PythonInstallation, tmp_path_factory: pytest.TempPathFactory) -> tuple[AppDir, BundledPython]:
    """Bundle a Python, and move it away from where it was put and checked."""
    appdir = AppDir(tmp_path_factory.mktemp("bundle") / "AppDir", "my-app")
    python = bundle_python(host, appdir)
    moved = appdir.root.with_name("mövéd it's")
    appdir.root.rename(moved)

    def place(path: Path) -> Path:
        return moved / path.relative_to(appdir.root)

    return AppDir(moved, "my-app"), BundledPython(
        python.version,
        place(python.executable),
        place(python.stdlib),
        tuple(map(place, python.site_packages)),
        python.interpreter,
        python.origin,
        stripped=python.stripped,
    )


class TestBundle:
    def run(self, python: BundledPython, code: str) -> Any:
        output = subprocess.check_output([python.executable, "-I", "-c", code], env={}, cwd="/", text=True)
        return json.loads(output)

    def test_runs_from_where_it_is(self, bundle: tuple[AppDir, BundledPython], host: PythonInstallation) -> None:
        appdir, python = bundle
        code = """
import json, os, platform, site, sys, sysconfig
names = ["bz2", "ctypes", "decimal", "hashlib", "lzma", "multiprocessing", "sqlite3", "ssl", "uuid", "zlib"]
for name in names:
    try:
        __import__(name)
    except ModuleNotFoundError:
        pass  # built without it
import sysconfig
texts = [value for value in sysconfig.get_config_vars().values() if isinstance(value, str)]
libraries = {line.split()[-1] for line in open("/proc/self/maps", encoding="utf-8") if ".so" in line}
print(json.dumps([platform.python_version(), sys.executable, sys.prefix, sys.path, site.getsitepackages(), texts,
                  [name for name in libraries]]))
"""
        version, executable, prefix, path, site_packages, texts, libraries = self.run(python, code)
        assert (version, executable, prefix) == (host.version, str(python.executable), str(appdir.usr))
        assert all(Path(directory).is_relative_to(appdir.usr) for directory in path)
        assert python.site_packages[0].resolve() in [Path(directory).resolve() for directory in site_packages]
        if host.prefix != Path("/usr"):
            assert not [text for text in texts if f"{host.prefix}/" in text]
            assert not [library for library in libraries if Path(library).is_relative_to(host.prefix)]

    def test_same_modules_as_before(self, bundle: tuple[AppDir, BundledPython], host: PythonInstallation) -> None:
        _, python = bundle
        code = """
import json, os
def works(name):
    try:
        __import__(name)
    except Exception:
        return False
    return True
names = ["_bz2", "_ctypes", "_curses", "_dbm", "_decimal", "_hashlib", "_lzma", "_sqlite3", "_ssl", "_uuid", "readline",
         "venv", "unittest", "xml.dom.minidom", "zoneinfo", "asyncio", "concurrent.futures.process", "pydoc"]
print(json.dumps([name for name in names if works(name)]))
"""
        command: list[str | Path] = [host.executable, "-I", "-c", code]
        before = json.loads(subprocess.check_output(command, env={}, text=True))
        assert self.run(python, code) == before

    def test_no_program_searches_an_absolute_directory(self, bundle: tuple[AppDir, BundledPython]) -> None:
        appdir, _ = bundle
        programs = {path: elf for path in appdir.files() if (elf := read_elf(path))}
        assert programs
        for path, elf in programs.items():
            assert not [directory for directory in elf.search_path if not directory.startswith("$ORIGIN")], path
            assert path.stat().st_mode & 0o777 == 0o755

    def test_left_out(self, bundle: tuple[AppDir, BundledPython]) -> None:
        appdir, python = bundle
        names = {path.name for path in appdir.root.rglob("*")}
        assert not names & {"test", "tests", "idlelib", "turtledemo", "ensurepip", "lib2to3", "include"}
        assert not names & {"EXTERNALLY-MANAGED", "sitecustomize.py", "build-details.json"}
        assert not [path for path in appdir.files() if path.suffix in {".a", ".o", ".exe"}]
        assert not [name for name in names if name.startswith(("config-", "_testcapi", "xxlimited"))]
        assert [list(directory.iterdir()) for directory in python.site_packages] == [[]] * len(python.site_packages)

    def test_sysconfig_names_nothing_of_this_machine(
        self, bundle: tuple[AppDir, BundledPython], host: PythonInstallation
    ) -> None:
        _, python = bundle
        files = list(python.stdlib.glob("_sysconfigdata_*.py"))
        assert files
        for path in files:
            # Of the machine that the image runs on: where its time zones are, which is below /usr.
            text = re.sub(r"^ +'TZPATH': .*", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
            assert f"{host.prefix}/" not in text
            assert f"{Path.home()}/" not in text

    def test_stripped(self, bundle: tuple[AppDir, BundledPython]) -> None:
        """Whether it has symbols depends on who built it."""
        appdir, python = bundle
        assert python.stripped.kept == {}
        assert not [path for path in appdir.files() if read_elf(path) and ".symtab" in read_sections(path).places]

    def test_not_stripped(self, host: PythonInstallation, tmp_path: Path) -> None:
        appdir = AppDir(tmp_path, "my-app")
        python = bundle_python(host, appdir, strip=False)
        assert python.stripped == Stripped()
        assert (".symtab" in read_sections(python.executable).places) == (
            ".symtab" in read_sections(host.executable).places
        )

    @pytest.mark.slow
    def test_of_an_unpacked_image_can_be_bundled(
        self, bundle: tuple[AppDir, BundledPython], host: PythonInstallation, tmp_path: Path
    ) -> None:
        """What such an image calls its interpreter is the launcher."""
        _, bundled = bundle
        root = Path(shutil.copytree(bundled.executable.parent.parent.parent, tmp_path / "a", symlinks=True))
        appdir = AppDir(root, "app")
        python = replace(bundled, executable=appdir.libexec / bundled.executable.name)
        program = launcher_path(native_architecture().name)
        write_launcher(appdir, python, EntryPoint("app", "app", "main"), LauncherSettings(), program=program)
        for path in (python.launcher, appdir.bin / "python3"):
            found = find(path)
            assert (found.executable, found.prefix, found.version) == (python.executable, appdir.usr, host.version)
        again = bundle_python(find(python.launcher), AppDir(tmp_path / "b", "app"))
        assert again.executable.read_bytes()[:4] == b"\x7fELF"
        assert self.run(again, "import json, sys; print(json.dumps(sys.prefix))") == str(tmp_path / "b/usr")

    def test_its_place(self, bundle: tuple[AppDir, BundledPython], host: PythonInstallation) -> None:
        """The commands' directory is left to the launcher, which is what applications know as their interpreter."""
        appdir, python = bundle
        assert python.executable == appdir.libexec / host.command
        assert python.launcher == appdir.bin / host.command
        assert not appdir.bin.exists()

    def test_environments_of_it_work(self, bundle: tuple[AppDir, BundledPython], tmp_path: Path) -> None:
        _, python = bundle
        directory = tmp_path / "venv"
        subprocess.run([python.executable, "-I", "-m", "venv", "--without-pip", directory], check=True, env={})
        code = "import sys; print(sys.prefix, sys.base_prefix)"
        output = subprocess.check_output([directory / "bin" / "python", "-I", "-c", code], env={}, text=True)
        assert output == f"{directory} {python.executable.parent.parent}\n"
