# SPDX-License-Identifier: MIT
"""Images on systems whose C library is too old, another one, or missing: they bring their own."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from hatch_appimage.architecture import native_architecture
from support.chroots import debootstrap, make_small_system
from support.machine import NOBODY, make_public
from support.plugin import build_image, build_of_any
from support.projects import copy_project, make_project
from support.tools import require

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.chroots import Chroot
    from support.plugin import Plugin

pytestmark = [pytest.mark.network, pytest.mark.timeout(1800)]

# Tells how its process looks, and uses what depends on the C library.
PROBE = """
import ctypes, json, locale, multiprocessing, os, pwd, socket, ssl, subprocess, sys, threading, urllib.request

def child(queue):
    queue.put([sys.executable, socket.gethostbyname("machine.test")])

def spawn(method):
    context = multiprocessing.get_context(method)
    queue = context.Queue()
    process = context.Process(target=child, args=(queue,))
    process.start()
    answer = queue.get(timeout=60)
    process.join()
    return [*answer, process.exitcode]

def fetch(directory):
    from werkzeug.serving import make_server
    from flask import Flask
    app = Flask("probe")
    app.route("/")(lambda: "served")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{directory}/server.pem")
    server = make_server("127.0.0.1", 0, app, ssl_context=context)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    trusted = ssl.create_default_context(cafile=f"{directory}/authority.pem")
    return urllib.request.urlopen(f"https://machine.test:{server.port}/", context=trusted, timeout=60).read().decode()

def read(name):
    with open(f"/proc/self/{name}") as file:
        return file.read()

def main():
    libc = ctypes.CDLL(None)
    libc.gnu_get_libc_version.restype = ctypes.c_char_p
    run = [f"{sys.argv[1]}/busybox", "env"]
    print(json.dumps({
        "executable": sys.executable,
        "prefix": sys.prefix,
        "arguments": sys.argv[1:],
        "name": read("comm").strip(),
        "command line": read("cmdline").split(chr(0))[:-1],
        "libraries": sorted({line.split()[-1] for line in read("maps").splitlines() if ".so" in line}),
        "version": libc.gnu_get_libc_version().decode(),
        "methods": {method: spawn(method) for method in ("fork", "spawn", "forkserver")},
        "child": sorted(subprocess.run(run, capture_output=True, text=True, check=True).stdout.split()),
        "user": pwd.getpwuid(0).pw_name,
        "page": fetch(sys.argv[1]),
        "locale": locale.setlocale(locale.LC_ALL, ""),
        "encoding": locale.getpreferredencoding(False),
    }), flush=True)
    os.execv("/proc/self/exe", [sys.executable, "-I", "-c", "import sys; print(sys.executable); sys.exit(7)"])
"""


@pytest.fixture(scope="module")
def probe_image(plugin: Plugin, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an image that tells all this, with the Python of the build machine."""
    project = make_project(
        make_public(tmp_path_factory, "probe") / "probe",
        PROBE,
        table='glibc = "bundle"\nreport = "report.json"\n',
        name="probe",
        project='dependencies = ["flask"]',
    )
    return build_image(plugin, project)


@pytest.fixture(scope="module")
def old(needs_root: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chroot]:
    """Return a Debian 11 (glibc 2.31) with what images leave to a desktop."""
    del needs_root
    packages = ["libgl1", "libegl1", "libdrm2", "libx11-6", "libx11-xcb1", "libxcb1", "libwayland-client0"]
    chroot = debootstrap(tmp_path_factory.mktemp("old"), "bullseye", *packages, "libfontconfig1", "libfreetype6")
    (chroot.root / "tmp" / ".X11-unix").mkdir()
    (chroot.root / "usr" / "lib" / "locale" / "C.UTF-8").stat()
    yield chroot
    shutil.rmtree(chroot.root)


@pytest.fixture(scope="module")
def musl(needs_root: None, tmp_path_factory: pytest.TempPathFactory) -> Chroot:
    """Return a system with musl and BusyBox, and nothing else."""
    del needs_root
    chroot = make_small_system(tmp_path_factory.mktemp("musl"), "musl", "busybox-static")
    assert [*chroot.root.glob("lib/ld-musl-*.so.1")]
    (chroot.root / "bin" / "sh").symlink_to("busybox")
    # As on Alpine: libraries for musl, where a loader of glibc looks by default.
    shutil.copy(require("true", "coreutils"), chroot.root / "lib" / "libz.so.1")
    return chroot


@pytest.fixture(scope="module")
def empty(needs_root: None, tmp_path_factory: pytest.TempPathFactory) -> Chroot:
    """Return a system without any C library, and without a shell."""
    del needs_root
    chroot = make_small_system(tmp_path_factory.mktemp("empty"), "busybox-static")
    shutil.rmtree(chroot.root / "usr")
    assert {path.name for path in chroot.root.iterdir()} == {"bin", "dev", "etc", "proc", "tmp"}
    assert [path.name for path in (chroot.root / "bin").iterdir()] == ["busybox"]
    return chroot


@pytest.fixture(params=["old", "musl", "empty"])
def system(needs_root: None, request: pytest.FixtureRequest) -> Chroot:
    """Return each of them, prepared for the probe."""
    del needs_root
    chroot: Chroot = request.getfixturevalue(request.param)
    (chroot.root / "etc" / "hosts").write_text("127.0.0.1 localhost machine.test\n")
    # It names modules that are not there.
    (chroot.root / "etc" / "nsswitch.conf").write_text("passwd: files systemd sss\nhosts: files resolve dns\n")
    authority = trustme.CA()
    directory = chroot.root / "tmp" / "probe"
    directory.mkdir(exist_ok=True)
    directory.chmod(0o755)
    authority.cert_pem.write_to_path(directory / "authority.pem")
    authority.issue_cert("machine.test").private_key_and_cert_chain_pem.write_to_path(directory / "server.pem")
    (directory / "server.pem").chmod(0o644)
    if not (directory / "busybox").exists():
        shutil.copy(require("busybox", "busybox-static"), directory / "busybox")
    return chroot


def environment(mode: str) -> dict[str, str]:
    return {"HOME": "/tmp", **({"APPIMAGE_EXTRACT_AND_RUN": "1"} if mode == "unpacked" else {})}


@pytest.mark.parametrize("user", [0, NOBODY])
@pytest.mark.parametrize("mode", ["mounted", "unpacked"])
class TestSystems:
    def test_hello(self, system: Chroot, hello_image: Path, mode: str, user: int) -> None:
        result = system.run(hello_image, "you", env=environment(mode), user=user)
        assert (result.stdout, result.returncode) == ("Hello, you!\n", 0), result.stderr

    def test_native_extension(self, system: Chroot, native_image: Path, mode: str, user: int) -> None:
        result = system.run(native_image, env=environment(mode), user=user)
        assert (result.stdout, result.returncode) == ("3 scalars, 1ecb8368\n", 0), result.stderr

    def test_probe(self, system: Chroot, probe_image: Path, mode: str, user: int) -> None:
        result = system.run(probe_image, "/tmp/probe", "a b", env=environment(mode), user=user)
        assert result.returncode == 7, result.stderr
        first, again = result.stdout.splitlines()
        told: Any = json.loads(first)
        prefix = told["prefix"]
        interpreter = told["executable"]
        assert interpreter.startswith(f"{prefix}/bin/python3.")
        # The process looks as it does on other systems, and so does what it starts again.
        assert again == interpreter
        assert told["name"] == "probe"
        assert told["command line"] == [interpreter, "-I", f"{prefix}/bin/probe", "/tmp/probe", "a b"]
        assert told["arguments"] == ["/tmp/probe", "a b"]
        for method, answer in told["methods"].items():
            assert answer == [interpreter, "127.0.0.1", 0], method
        # Nothing of it reaches children.
        report = json.loads((probe_image.parent.parent / "report.json").read_text())
        assert told["version"] == report["glibc"]["version"]
        assert f"{prefix}/lib/glibc/libc.so.6" in told["libraries"]
        assert not [line for line in told["child"] if "glibc" in line or line.startswith("LD_")]
        assert (told["user"], told["page"]) == ("root", "served")
        assert (told["locale"], told["encoding"].upper()) == ("C.UTF-8", "UTF-8")


def build_tool(plugin: Plugin, factory: pytest.TempPathFactory, name: str) -> Path:
    return build_of_any(plugin, copy_project(name, make_public(factory, name)))


@pytest.fixture(scope="module")
def flit_image(plugin: Plugin, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tool(plugin, tmp_path_factory, "flit-tool")


@pytest.fixture(scope="module")
def poetry_image(plugin: Plugin, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tool(plugin, tmp_path_factory, "poetry-tool")


@pytest.fixture(scope="module")
def setuptools_image(plugin: Plugin, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tool(plugin, tmp_path_factory, "setuptools-tool")


@pytest.fixture(scope="module")
def tk_image(plugin: Plugin, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tool(plugin, tmp_path_factory, "tk-clock")


@pytest.mark.parametrize(("mode", "user"), [("mounted", 0), ("unpacked", NOBODY)])
@pytest.mark.parametrize("image", ["hello", "flask", "pandas", "native", "flit", "poetry", "setuptools"])
def test_self_test(system: Chroot, image: str, mode: str, user: int, request: pytest.FixtureRequest) -> None:
    """All of an image works there: each extension module and each library."""
    path = request.getfixturevalue(f"{image}_image")
    result = system.run(path, "--appimage-self-test", env=environment(mode), user=user)
    assert result.returncode == 0, result.stdout + result.stderr
    assert re.search(r"^ok +C library: glibc [\d.]+ of the image$", result.stdout, re.MULTILINE)
    assert "FAILED" not in result.stdout


def test_self_test_of_windows(old: Chroot, tk_image: Path) -> None:
    """With a desktop's libraries of that system."""
    result = old.run(tk_image, "--appimage-self-test", env=environment("mounted"))
    assert result.returncode == 0, result.stdout + result.stderr
    assert "of the image" in result.stdout


def test_self_test_of_qt(old: Chroot, qt_image: Path) -> None:
    """All but Wayland works, for which Qt itself wants a newer library than that system's."""
    result = old.run(qt_image, "--appimage-self-test", env=environment("mounted"))
    lines = result.stdout.splitlines()
    assert [line for line in lines if line.startswith("FAILED") and "wl_proxy_marshal_flags" not in line] == []
    assert {"ok       entry point qt-window", "ok       module PySide6.QtWidgets"} <= set(lines)
    assert sum(line.startswith("ok") for line in lines) > 100


def test_window_on_an_old_system(old: Chroot, qt_image: Path, display: str) -> None:
    """That system's OpenGL and X11 libraries, and its libstdc++, are loaded into a process with the image's glibc."""
    result = old.run(qt_image, "--once", env={"DISPLAY": display})
    assert (result.stdout, result.returncode) == ("xcb True\n", 0), result.stderr


def test_window_without_the_libraries(musl: Chroot, qt_image: Path) -> None:
    result = musl.run(qt_image, "--once")
    assert result.returncode == 127
    (line,) = result.stderr.splitlines()
    assert line.startswith("AppImage: this needs libraries of a machine with glibc, which this machine does not have: ")
    assert "libX11.so.6" in line


def test_start_is_as_without(probe_image: Path, tmp_path: Path) -> None:
    """Where the machine's C library does, nothing of the image's is touched."""
    code = "import sys; print([line.split()[-1] for line in open('/proc/self/maps') if '/glibc/' in line])"
    subprocess.run([probe_image, "--appimage-extract"], cwd=tmp_path, check=True, stdout=subprocess.DEVNULL)
    (interpreter,) = (tmp_path / "squashfs-root" / "usr" / "bin").glob("python3.?*")
    result = subprocess.run([interpreter, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"


def test_glibc_and_nothing_beside_it(
    needs_root: None, hello_image: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """As in the smallest container images: this glibc would do, but there is no libz, which extension modules need."""
    del needs_root
    chroot = make_small_system(tmp_path_factory.mktemp("alone"), "libc6", "busybox-static")
    assert not [*chroot.root.rglob("libz.so.1")]
    result = chroot.run(hello_image, "--appimage-self-test", env=environment("mounted"))
    assert result.returncode == 0, result.stdout
    assert re.search(r"^ok +C library: glibc [\d.]+ of the image$", result.stdout, re.MULTILINE)


def test_musl_by_the_name_of_glibc(musl: Chroot, hello_image: Path) -> None:
    """As with Alpine's gcompat: what lies beside that loader is for musl, also the libz there."""
    loader = musl.root / native_architecture().loader[1:]
    loader.parent.mkdir(parents=True, exist_ok=True)
    (own,) = musl.root.glob("lib/ld-musl-*.so.1")
    loader.symlink_to(f"/{own.relative_to(musl.root)}")
    result = musl.run(hello_image, "--appimage-self-test", env=environment("mounted"))
    loader.unlink()
    assert result.returncode == 0, result.stdout
    assert re.search(r"^ok +C library: glibc [\d.]+ of the image$", result.stdout, re.MULTILINE)


def test_path_with_a_colon(musl: Chroot, hello_image: Path) -> None:
    """A colon separates directories for every loader."""
    directory = musl.root / "tmp" / "a:b"
    subprocess.run([hello_image, "--appimage-extract"], cwd=musl.root / "tmp", check=True, stdout=subprocess.DEVNULL)
    (musl.root / "tmp" / "squashfs-root").rename(directory)
    result = musl.execute("/tmp/a:b/AppRun")
    shutil.rmtree(directory)
    assert result.returncode == 127
    assert result.stderr == (
        "AppImage: this needs the C library of its own here, which cannot be found in /tmp/a:b/usr/lib/glibc: put it "
        "where no colon or semicolon is in the path\n"
    )


def test_sysroot_that_is_too_old(plugin: Plugin, old: Chroot, tmp_path: Path) -> None:
    table = f'glibc = "bundle"\nsysroot = "{old.root}"\n'
    project = make_project(tmp_path / "project", "def main(): pass\n", table=table, name="project")
    result = plugin.build(project, check=False)
    assert result.returncode == 1
    assert (
        f'`glibc = "bundle"` is impossible: the sysroot {old.root} has glibc 2.31, and the loader of' in result.stderr
    )
