# SPDX-License-Identifier: MIT
"""What the self-test of an image takes for a fault of the image."""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hatch_appimage.appdir._self_test import child, files, machine, program
from hatch_appimage.appdir._self_test.check import (
    FAILED,
    MAX_DETAIL,
    OK,
    SKIPPED,
    Check,
    Result,
    SkippedError,
    one_line,
)
from hatch_appimage.appdir._self_test.content import check_entry_point, import_module, load_library
from hatch_appimage.appdir._self_test.image import Image
from hatch_appimage.appdir._self_test.verdict import absent_module, judge
from hatch_appimage.appdir.self_test import write_self_test
from hatch_appimage.layout import AppDir
from hatch_appimage.libraries.bundle import Libraries, SystemLibrary
from hatch_appimage.libraries.symbol_versions import Graph
from hatch_appimage.project.entry_points import EntryPoint
from hatch_appimage.runtime.launcher_settings import SETTINGS_NAME, read_settings, write_settings
from support.elf_fixtures import library
from support.tools import require

if TYPE_CHECKING:
    from collections.abc import Callable

TAGGED = next(suffix for suffix in EXTENSION_SUFFIXES if "cpython" in suffix)
LOST = "cannot open shared object file: No such file or directory"


def image_at(root: Path | str = "/nowhere", **facts: object) -> Image:
    return Image(str(root), {"entry_points": [], "left_to_machine": [], "ignored": [], "loaded_before": [], **facts})


IMAGE = image_at(left_to_machine=["libGL.so.1"], ignored=["libpq.so.5"])


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a directory that modules are imported from."""
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


ABSENT = ModuleNotFoundError("No module named 'zz'", name="zz")


def left_out(reason: str) -> ModuleNotFoundError:
    """Return what a module that the image comes without ends an import with."""
    return ModuleNotFoundError(f"No module named 'zz': left out of the image {reason}", name="zz")


def after(first: Exception, error: Exception) -> Exception:
    """Return an exception as it is if it is raised where another one is handled."""
    error.__context__ = first
    return error


class TestVerdict:
    @pytest.mark.parametrize(
        ("error", "verdict", "detail"),
        [
            (SkippedError("it is not there"), SKIPPED, "it is not there"),
            (ImportError(f"libGL.so.1: {LOST}"), SKIPPED, "this machine lacks libGL.so.1"),
            (OSError(f"libGL.so.1: {LOST}"), SKIPPED, "this machine lacks libGL.so.1"),
            (OSError(f"libpq.so.5: {LOST}"), SKIPPED, "libpq.so.5 is missing, as the project allows"),
            (OSError(f"libfoo.so.1: {LOST}"), FAILED, f"libfoo.so.1: {LOST}"),
            (OSError(f"libEGL.so.1: {LOST}"), FAILED, f"libEGL.so.1: {LOST}"),  # not one that is left to the machine
            (
                OSError("libGL.so.1: cannot open shared object file: Permission denied"),
                FAILED,
                "libGL.so.1: cannot open shared object file: Permission denied",
            ),
            (
                OSError("Error loading shared library libGL.so.1: No such file or directory (needed by /a/b.so)"),
                SKIPPED,
                "this machine lacks libGL.so.1",
            ),
            (
                OSError("Error loading shared library libfoo.so.1: No such file or directory (needed by /a/b.so)"),
                FAILED,
                "Error loading shared library libfoo.so.1: No such file or directory (needed by /a/b.so)",
            ),
            (ImportError("/a/b.so: undefined symbol: foo"), FAILED, "/a/b.so: undefined symbol: foo"),
            (
                ImportError("/lib/libc.so.6: version `GLIBC_2.38' not found (required by /a/b.so)"),
                FAILED,
                "/lib/libc.so.6: version `GLIBC_2.38' not found (required by /a/b.so)",
            ),
            (ABSENT, SKIPPED, "the image has no module zz"),
            (ImportError("cannot import name 'a' from 'json'", name="json"), FAILED, "ImportError: cannot import name"),
            (ModuleNotFoundError("No module named 'ELFs'", name="ELFs"), SKIPPED, "the image has no module ELFs"),
            (left_out("by `trim`: nothing in it"), FAILED, "No module named 'zz': left out of the image by `trim`: no"),
            (left_out("by `tkinter`: the application"), SKIPPED, "the image has no module zz"),
            (left_out("by `exclude-files`; `keep"), SKIPPED, "the image has no module zz"),
            (OSError("a.so: wrong ELF class: ELFCLASS32"), FAILED, "a.so: wrong ELF class: ELFCLASS32"),
            (ValueError("wrong"), FAILED, "ValueError: wrong"),
            (SystemExit(3), FAILED, "SystemExit: 3"),
        ],
    )
    def test_rules(self, error: BaseException, verdict: str, detail: str) -> None:
        result = judge(error, IMAGE, optional=True)
        assert result.verdict == verdict
        assert result.detail.startswith(detail)

    def test_modules_that_have_to_be_there(self) -> None:
        assert judge(ABSENT, IMAGE, optional=False).verdict == FAILED

    def test_what_led_to_it_counts(self) -> None:
        """NumPy says at length what to do if it cannot be imported, and the reason is below that."""
        error = after(ImportError("/a/b.so: undefined symbol: foo"), ImportError("PLEASE READ THIS"))
        assert judge(error, IMAGE, optional=True) == Result(FAILED, "/a/b.so: undefined symbol: foo")

    def test_circle(self) -> None:
        one, other = ImportError("one"), ImportError("other")
        one.__cause__, other.__cause__ = other, one
        assert judge(one, IMAGE, optional=True) == Result(FAILED, "ImportError: one")


class TestAbsentModule:
    def test_module_of_the_image(self) -> None:
        assert absent_module(ModuleNotFoundError("", name="json")) is None
        assert absent_module(ModuleNotFoundError("", name="sys")) is None

    def test_part_of_a_package_of_the_image(self) -> None:
        assert absent_module(ModuleNotFoundError("", name="json.nothing")) is None
        assert absent_module(ModuleNotFoundError("", name="json.nothing.at_all")) is None

    def test_part_of_a_bare_directory(self, modules: Path) -> None:
        """Packages of several owners share such ones, as `google` does."""
        (modules / "shared/one").mkdir(parents=True)
        (modules / "shared/one/__init__.py").touch()
        assert absent_module(ModuleNotFoundError("", name="shared.other")) == "shared.other"
        assert absent_module(ModuleNotFoundError("", name="shared.one.part")) is None

    def test_error_that_a_package_words_itself(self) -> None:
        assert absent_module(after(ABSENT, ImportError("install zz"))) == "zz"

    def test_error_of_another_kind(self) -> None:
        assert absent_module(after(ABSENT, RuntimeError("broken"))) is None

    def test_only_the_last_of_several_attempts_counts(self) -> None:
        assert absent_module(after(ABSENT, ModuleNotFoundError("", name="json.nothing"))) is None


def run(*tests: Callable[[], str], optional: bool = False) -> list[Result]:
    checks = [Check(str(number), test, optional) for number, test in enumerate(tests)]
    results = list(child.run_checks(checks, IMAGE))
    assert [check for check, _ in results] == checks
    return [result for _, result in results]


def succeed() -> str:
    return str(os.getpid())


def fail() -> str:
    raise ValueError(f"in {os.getpid()}")


def crash() -> str:
    signal.raise_signal(signal.SIGTRAP)
    return ""


class TestChild:
    def test_in_one_process(self) -> None:
        one, two = run(succeed, succeed)
        assert one == two
        assert one.verdict == OK
        assert one.detail != str(os.getpid())

    def test_what_fails_is_tried_alone(self) -> None:
        """What the others left in the process may be why."""
        state: dict[str, str] = {}
        results = run(lambda: state.setdefault("a", "left"), lambda: str(1 // (not state)), succeed)
        assert [result.verdict for result in results] == [OK, OK, OK]

    def test_nothing_follows_a_failure_in_its_process(self) -> None:
        first, failed, second = run(succeed, fail, succeed)
        assert failed.verdict == FAILED
        assert len({first.detail, failed.detail.removeprefix("ValueError: in "), second.detail}) == 3

    def test_crash(self) -> None:
        results = run(succeed, crash, succeed)
        assert [result.verdict for result in results] == [OK, FAILED, OK]
        assert results[1].detail == "it crashes: Trace/breakpoint trap"

    def test_end_of_the_process(self) -> None:
        def end() -> str:
            os.write(2, b"symbol lookup error: no foo\n")
            os._exit(127)

        (result,) = run(end)
        assert result == Result(FAILED, "it ends the process with exit status 127: symbol lookup error: no foo")

    def test_hangs(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(child, "SECONDS", 1)
        hung, good = run(lambda: str(os.read(os.pipe()[0], 1)), succeed)
        assert hung == Result(FAILED, "it takes more than 1 s")
        assert good.verdict == OK

    def test_has_nothing_to_read(self) -> None:
        assert run(lambda: repr(os.read(0, 1))) == [Result(OK, "b''")]

    def test_prints_much(self) -> None:
        def print_much() -> str:
            for _ in range(100):
                os.write(1, b"noise " * 1000)
            return "well"

        assert run(print_much, print_much) == [Result(OK, "well")] * 2

    def test_long_reason(self) -> None:
        (result,) = run(lambda: "日" * 10_000)
        assert result.detail == "日" * MAX_DETAIL + "…"

    def test_process_left_behind(self, tmp_path: Path) -> None:
        """It would keep the pipe open; and nothing is to be left."""
        pid = tmp_path / "pid"

        def leave() -> str:
            process = os.fork()
            if process == 0:
                signal.pause()
            pid.write_text(str(process))
            return ""

        assert run(leave) == [Result(OK, "")]
        with pytest.raises(OSError, match="No such process"):
            wait_for_end(int(pid.read_text()))

    def test_skips(self) -> None:
        def miss() -> str:
            raise ModuleNotFoundError("", name="zz")

        assert run(miss, optional=True) == [Result(SKIPPED, "the image has no module zz")]
        assert run(miss)[0].verdict == FAILED


def wait_for_end(pid: int) -> None:
    """Raise as soon as there is no such process, or it is only waited for."""
    for _ in range(100):
        if "(zombie)" in Path(f"/proc/{pid}/status").read_text():
            raise ProcessLookupError(3, "No such process")
        time.sleep(0.05)


def test_one_line() -> None:
    assert one_line("a\n\n  b\x1b[2J\n") == "a; b?[2J"


class TestMachine:
    def test_c_library(self) -> None:
        assert machine.check_c_library(IMAGE).removeprefix("glibc 2.").split()[1:] == ["of", "this", "machine"]

    @pytest.mark.parametrize(
        ("mapped", "found"),
        [
            ({"/nowhere/usr/lib/glibc/libc.so.6", "/nowhere/python"}, "glibc 2.* of the image"),
            ({"/nowhere-else/libc-2.31.so"}, "glibc 2.* of this machine"),
        ],
    )
    def test_whose_c_library(self, monkeypatch: pytest.MonkeyPatch, mapped: set[str], found: str) -> None:
        monkeypatch.setattr(machine, "mapped_files", lambda: mapped)
        start, _, end = found.partition("*")
        text = machine.check_c_library(IMAGE)
        assert text.startswith(start)
        assert text.endswith(end)

    def test_musl(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(machine, "mapped_files", lambda: {"/lib/ld-musl-x86_64.so.1"})
        monkeypatch.setattr(os, "confstr", int)  # a ValueError for such a name
        assert machine.check_c_library(IMAGE) == "musl of this machine"

    def test_two_c_libraries(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(machine, "mapped_files", lambda: {"/lib/libc.so.6", "/nowhere/lib/libc.so.6"})
        with pytest.raises(RuntimeError, match=r"several in one process: /lib/libc\.so\.6, /nowhere/lib/libc\.so\.6"):
            machine.check_c_library(IMAGE)

    @pytest.mark.parametrize("mapped", [set(), {"/python"}])
    def test_unknown_c_library(self, monkeypatch: pytest.MonkeyPatch, mapped: set[str]) -> None:
        monkeypatch.setattr(machine, "mapped_files", lambda: mapped)
        with pytest.raises(SkippedError):
            machine.check_c_library(IMAGE)

    def test_time_zones(self, tmp_path: Path) -> None:
        code = "from hatch_appimage.appdir._self_test.machine import check_time_zones as check; print(check())"
        assert python(code, PYTHONTZPATH="/usr/share/zoneinfo") == "Europe/Berlin from /usr/share/zoneinfo"
        wrong = tmp_path / "Europe/Berlin"
        wrong.parent.mkdir()
        wrong.write_bytes(Path("/usr/share/zoneinfo/Asia/Tokyo").read_bytes())
        assert "RuntimeError: Europe/Berlin is 9.0 hours ahead of UTC" in python(code, PYTHONTZPATH=str(tmp_path))
        wrong.write_bytes(b"no time zone")
        assert "ValueError" in python(code, PYTHONTZPATH=str(tmp_path))

    def test_no_time_zones(self) -> None:
        code = (
            "import sys; sys.modules['tzdata'] = None\n"
            "from hatch_appimage.appdir._self_test.machine import check_time_zones as check; print(check())"
        )
        assert "SkippedError: neither this machine nor the image" in python(code, PYTHONTZPATH="")

    def test_certificates(self, tmp_path: Path) -> None:
        code = (
            "import sys, hatch_appimage.python._appimage as own; sys.modules['_appimage'] = own\n"
            "from hatch_appimage.appdir._self_test.machine import check_certificates as check; print(check())"
        )
        bundle = tmp_path / "bundle.pem"
        bundle.write_bytes(certificate())
        empty = str(tmp_path / "empty")
        assert python(code, SSL_CERT_FILE=str(bundle), SSL_CERT_DIR=empty) == f"1 from {bundle}"
        assert "SkippedError: neither this machine" in python(code, SSL_CERT_FILE=empty, SSL_CERT_DIR=empty)
        hashed = tmp_path / "hashed"
        hashed.mkdir()
        (hashed / "0a775a30.0").write_bytes(certificate())
        assert python(code, SSL_CERT_FILE=empty, SSL_CERT_DIR=str(hashed)) == f"from {hashed}"
        bundle.write_text("no certificate")
        assert "RuntimeError: there are none in" in python(code, SSL_CERT_FILE=str(bundle), SSL_CERT_DIR=empty)

    def test_python_without_a_module(self) -> None:
        with pytest.raises(SkippedError, match="the image has no module zz"):
            machine.require_module("zz")

    @pytest.mark.parametrize(
        ("encoding", "locale", "result"),
        [
            ("UTF-8", "C.UTF-8", "UTF-8"),
            ("utf-8", "", "UTF-8"),
            ("ISO-8859-1", "de_DE", "SkippedError: the locale de_DE has ISO-8859-1"),
            ("ANSI_X3.4-1968", "C", "RuntimeError: it is ANSI_X3.4-1968 in the locale C"),
            ("ANSI_X3.4-1968", "de_DE.utf8", "RuntimeError: it is ANSI_X3.4-1968 in the locale de_DE.utf8"),
        ],
    )
    def test_encoding(self, encoding: str, locale: str, result: str) -> None:
        code = (
            f"import locale; locale.getpreferredencoding = lambda _: {encoding!r}\n"
            "from hatch_appimage.appdir._self_test.machine import check_encoding as check; print(check())"
        )
        assert result in python(code, LC_ALL=locale, PYTHONUTF8="1")


def python(code: str, **environment: str) -> str:
    """Return the last line that a Python prints which runs some code."""
    result = subprocess.run(
        [sys.executable, "-c", code],
        env={"PATH": os.defpath, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return result.stdout.splitlines()[-1]


def certificate() -> bytes:
    """Return one of the certificates that this machine trusts."""
    import certifi

    text = Path(certifi.where()).read_text()
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----\n"
    return f"{begin}{text.split(begin)[1].split(end)[0]}{end}".encode()


class TestEntryPoint:
    def check(self, modules: Path, source: str, attribute: str | None = "main") -> str:
        name = f"entry_{time.monotonic_ns()}"
        (modules / f"{name}.py").write_text(source)
        importlib.invalidate_caches()
        return check_entry_point({"command": "a", "modules": [name], "attribute": attribute})

    def test_is_there(self, modules: Path) -> None:
        assert self.check(modules, "def main(): 1 / 0") == ""
        assert self.check(modules, "class A:\n  class B:\n    pass", "A.B") == ""

    def test_no_function(self, modules: Path) -> None:
        with pytest.raises(AttributeError, match="main"):
            self.check(modules, "")

    def test_module(self, modules: Path) -> None:
        assert self.check(modules, "", None) == ""
        assert self.check(modules, "raise SystemExit", None) == "it ran, and ended well"

    def test_module_that_ends_badly(self, modules: Path) -> None:
        with pytest.raises(SystemExit):
            self.check(modules, "raise SystemExit('no pool')", None)


class TestModule:
    @pytest.fixture
    def package(self, modules: Path) -> Path:
        package = modules / f"package_{time.monotonic_ns()}"
        package.mkdir()
        importlib.invalidate_caches()
        return package

    def write(self, package: Path, **sources: str) -> None:
        for name, source in sources.items():
            (package / f"{name}.py").write_text(source)

    @pytest.mark.parametrize("use", ["from ._part import f", "from . import _part; _part.f"])
    def imported(self, package: Path, part: str) -> Result:
        check = Check("", partial(import_module, f"{package.name}.{part}", lambda: ""), optional=True)
        ((_, result),) = child.run_checks([check], IMAGE)
        return result

    @pytest.mark.parametrize("use", ["from ._part import f", "from . import _part; _part.f"])
    def test_import_each_other(self, package: Path, use: str) -> None:
        """As an extension module does that takes an exception from the module that is written around it."""
        self.write(package, __init__="", _part="from .whole import Error\nf = 1", whole=f"class Error: pass\n{use}")
        assert self.imported(package, "_part") == Result(OK, "")

    def test_import_each_other_in_vain(self, package: Path) -> None:
        self.write(package, __init__="", _part="from .whole import Error\nf = 1", whole="from ._part import f")
        assert "partially initialized module" in self.imported(package, "_part").detail

    @pytest.mark.parametrize("where", ["__init__", "part"])
    def test_refuses(self, package: Path, where: str) -> None:
        """As psycopg_binary does before psycopg, and cv2.cv2, which is cv2 itself."""
        self.write(package, **{"__init__": "", "part": "", where: "raise ImportError('not by itself')"})
        said = "it can be loaded; imported by itself it says: not by itself"
        assert self.imported(package, "part") == Result(OK, said)

    def test_refuses_and_cannot_be_loaded(self, package: Path) -> None:
        self.write(package, __init__="", part="raise ImportError('not by itself')")

        def load() -> str:
            raise OSError("undefined symbol: f")

        with pytest.raises(OSError, match="undefined symbol"):
            import_module(f"{package.name}.part", load)

    @pytest.mark.parametrize(
        "source",
        [
            "try: open('/nowhere/data')\nexcept OSError: raise ImportError('no data')",
            "raise ImportError('no data') from ValueError()",
            "from os import nothing",
        ],
    )
    def test_fails_for_another_reason(self, package: Path, source: str) -> None:
        self.write(package, __init__="", part=source)
        assert self.imported(package, "part").verdict == FAILED


def compile_library(path: Path, source: str, *options: str) -> Path:
    command = [require("gcc", "gcc"), "-shared", "-fPIC", "-nostdlib", "-o", str(path), f"-Wl,-soname,{path.name}"]
    subprocess.run([*command, "-x", "c", "-", "-x", "none", *options], input=source, text=True, check=True)
    return path


class TestLoadLibrary:
    def load(self, path: Path, **facts: object) -> Result:
        places = {each.name: str(each) for each in path.parent.iterdir()}
        image = image_at(path.parent, **facts)
        ((_, result),) = child.run_checks([Check("", partial(load_library, str(path), places, image))], image)
        return result

    def test_loads(self, tmp_path: Path) -> None:
        assert self.load(compile_library(tmp_path / "liba.so.1", "int a;")) == Result(OK, "")

    def test_undefined_symbol(self, tmp_path: Path) -> None:
        """Not only once it is called."""
        path = compile_library(tmp_path / "liba.so.1", "int b(void); int a(void) { return b(); }", "-Wl,-z,lazy")
        assert self.load(path) == Result(FAILED, f"{path}: undefined symbol: b")

    def test_damaged(self, tmp_path: Path) -> None:
        path = compile_library(tmp_path / "liba.so.1", "int a;")
        path.write_bytes(path.read_bytes()[:100])
        assert self.load(path) == Result(FAILED, f"{path}: cannot read file data")

    def test_crashes(self, tmp_path: Path) -> None:
        path = compile_library(
            tmp_path / "liba.so.1", "__attribute__((constructor)) void a(void) { __builtin_trap(); }"
        )
        assert self.load(path).detail.startswith("it crashes: ")

    def test_for_preloading_only(self, tmp_path: Path) -> None:
        """As the jemalloc that ray brings."""
        source = '__thread char a[100000] __attribute__((tls_model("initial-exec"))); char *b(void) { return a; }'
        result = self.load(compile_library(tmp_path / "liba.so.1", source))
        assert result == Result(SKIPPED, "it can be loaded at the start of a program only (LD_PRELOAD)")

    def test_needs_another(self, tmp_path: Path) -> None:
        other = compile_library(tmp_path / "libb.so.1", "int b(void) { return 1; }")
        path = compile_library(tmp_path / "liba.so.1", "int b(void); int a(void) { return b(); }", str(other))
        reason = f"libb.so.1: {LOST}"
        assert self.load(path) == Result(FAILED, reason)
        assert self.load(path, loaded_before=["libb.so.1"]) == Result(OK, "")
        assert self.load(path, left_to_machine=["libb.so.1"]) == Result(SKIPPED, "this machine lacks libb.so.1")
        other.unlink()
        assert self.load(path, loaded_before=["libb.so.1"]) == Result(FAILED, reason)


class TestFiles:
    @pytest.fixture
    def site(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        site = tmp_path / "usr/lib/python3/site-packages"
        site.mkdir(parents=True)
        monkeypatch.setattr(sys, "path", [str(site.parent), str(site), *sys.path])
        return site

    def write(self, path: Path, machine: bytes | None = None, symbol: str = "") -> str:
        path.parent.mkdir(parents=True, exist_ok=True)
        library(path.name).write(path)
        own = files.elf_machine(sys.executable)
        assert own is not None
        header = bytearray(path.read_bytes())
        header[4:6], header[18:20] = (machine or own)[:2], (machine or own)[2:]
        path.write_bytes(bytes(header) + f"\0{symbol}\0".encode())
        return str(path)

    def find(self, root: Path) -> files.Files:
        return files.find_files(image_at(root))

    def test_modules(self, site: Path, tmp_path: Path) -> None:
        self.write(site / f"top{TAGGED}")
        self.write(site / f"package/inner/part{TAGGED}")
        self.write(site.parent / f"lib_dynload/x{TAGGED}")
        self.write(site / "package/stable.abi3.so", symbol="PyInit_stable")
        self.write(site / "package/bare.so", symbol="PyInit_bare")
        self.write(site / f"0a1b__mypyc{TAGGED}")
        self.write(site / f"package/compiled/__init__{TAGGED}")
        self.write(site / "package/whole/__init__.abi3.so", symbol="PyInit_whole")
        assert sorted(self.find(tmp_path).modules) == [
            "0a1b__mypyc",
            "lib_dynload.x",
            "package.bare",
            "package.compiled",
            "package.inner.part",
            "package.stable",
            "package.whole",
            "top",
        ]

    def test_libraries(self, site: Path, tmp_path: Path) -> None:
        expected = [
            self.write(tmp_path / "usr/lib/libfoo.so.1.2"),
            self.write(site / "foo.libs/libbar.so"),
            self.write(site / f"not-importable/x{TAGGED.replace('cpython', 'other')}"),
            self.write(site / "package/libstable.abi3.so", symbol="PyInit_stable"),
        ]
        (tmp_path / "usr/lib/libfoo.so.1").symlink_to("libfoo.so.1.2")
        (tmp_path / "usr/lib/libscript.so").write_text("INPUT(libfoo.so.1)")
        (tmp_path / "usr/lib/notes.sonnet").write_bytes(b"\x7fELF")
        found = self.find(tmp_path)
        assert sorted(found.libraries) == sorted(expected)
        assert found.modules == {}
        assert found.places["libfoo.so.1"] == str(tmp_path / "usr/lib/libfoo.so.1")

    def test_unusable(self, site: Path, tmp_path: Path) -> None:
        other = self.write(site / "package/x.cpython-27-x86_64-linux-gnu.so")
        strange = self.write(site / "package/libarm.so", machine=b"\x01\x01\x28\x00")
        c_library = self.write(tmp_path / "usr/lib/glibc/libc.so.6")
        beside = self.write(tmp_path / "usr/lib/glibc/gconv/UTF-16.so")
        found = self.find(tmp_path)
        assert sorted(found.unusable) == sorted(
            [
                (other, "it is a module for another Python"),
                (strange, "it is for another kind of machine"),
                (c_library, "this machine's C library is in use"),
                (beside, "this machine's C library is in use"),
            ]
        )
        assert not found.libraries

    def test_c_library_that_is_in_use(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        c_library = self.write(tmp_path / "usr/lib/glibc/libc.so.6")
        monkeypatch.setattr(files, "mapped_files", lambda: {c_library})
        assert self.find(tmp_path).libraries == [c_library]


class TestProgram:
    def test_arguments(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        monkeypatch.setattr(sys, "argv", ["self-test", "x"])
        assert program.main("/nowhere") == 2
        assert "takes no arguments" in capsys.readouterr().err


LIBRARIES = Libraries(
    bundled=(),
    from_system=(SystemLibrary("libGL.so.1", "graphics"), SystemLibrary("libc.so.6", "glibc")),
    by_name=("libb.so",),
    ignored=("libpq.so.5",),
    dropped={},
    patched=0,
    graph=Graph(inherited=frozenset({"liba.so"})),
)


class TestWritten:
    def write(self, root: Path, apprun: bytes, *points: EntryPoint) -> AppDir:
        appdir = AppDir(root, "app")
        appdir.bin.mkdir(parents=True)
        appdir.apprun.write_bytes(apprun)
        write_settings(root, [("program", "x")])
        (appdir.bin / "script").write_text("import json\nfrom os import path\n")
        write_self_test(appdir, points, LIBRARIES)
        return appdir

    def test_what_the_build_knows(self, tmp_path: Path) -> None:
        points = [EntryPoint("app", "app.cli", "main"), EntryPoint("script", None, None, installed=True)]
        appdir = self.write(tmp_path, b"hatch-appimage launcher 1", *points)
        document: dict[str, Any] = json.loads((appdir.self_test / "image.json").read_text())
        assert document == {
            "version": 1,
            "entry_points": [
                {"command": "app", "modules": ["app.cli"], "attribute": "main"},
                {"command": "script", "modules": ["json", "os"], "attribute": None},
            ],
            "left_to_machine": ["libGL.so.1"],
            "ignored": ["libpq.so.5"],
            "loaded_before": ["liba.so", "libb.so"],
        }
        assert ("self-test", "usr/libexec/self-test") in read_settings((tmp_path / SETTINGS_NAME).read_text())
        assert not list(appdir.self_test.rglob("__pycache__"))

    def test_runs(self, tmp_path: Path) -> None:
        appdir = self.write(tmp_path, b"hatch-appimage launcher 1", EntryPoint("app", "json", "loads"))
        result = subprocess.run([sys.executable, "-I", appdir.self_test], capture_output=True, text=True, check=False)
        assert "ok       entry point app\n" in result.stdout
        assert result.stdout.splitlines()[-1].startswith("self-test: ")
        assert result.returncode == 0, result.stdout + result.stderr

    def test_fault(self, tmp_path: Path) -> None:
        appdir = self.write(tmp_path, b"hatch-appimage launcher 1", EntryPoint("app", "json", "nothing"))
        result = subprocess.run([sys.executable, "-I", appdir.self_test], capture_output=True, text=True, check=False)
        assert "FAILED   entry point app: AttributeError: " in result.stdout
        assert result.stdout.endswith(", 1 failed\n")
        assert result.returncode == 1

    def test_apprun_of_the_projects_own(self, tmp_path: Path) -> None:
        appdir = self.write(tmp_path, b"#!/bin/sh\n")
        assert not appdir.self_test.exists()
