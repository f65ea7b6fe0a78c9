# SPDX-License-Identifier: MIT
"""Images on other machines: bare installations of Debian, old and new, without anything that the images need."""

from __future__ import annotations

import base64
import csv
import hashlib
import http.server
import json
import os
import re
import shutil
import ssl
import subprocess
import threading
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest
import trustme
from uv import find_uv_bin

from hatch_appimage.elf import read_elf, set_rpath
from support.chroots import debootstrap
from support.machine import NOBODY, make_public
from support.plugin import build_image
from support.projects import copy_project, make_project
from support.runner import unpack
from support.tools import require

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.chroots import Chroot
    from support.plugin import Plugin

pytestmark = [pytest.mark.network, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def bookworm(needs_root: None, tmp_path_factory: pytest.TempPathFactory) -> Chroot:
    """Return a Debian 12."""
    del needs_root
    return debootstrap(tmp_path_factory.mktemp("bookworm"), "bookworm")


@pytest.fixture(scope="module")
def trixie(needs_root: None, tmp_path_factory: pytest.TempPathFactory) -> Chroot:
    """Return a Debian 13."""
    del needs_root
    return debootstrap(tmp_path_factory.mktemp("trixie"), "trixie")


@pytest.fixture(params=["bookworm", "trixie"])
def bare(needs_root: None, request: pytest.FixtureRequest) -> Chroot:
    """Return each of them."""
    del needs_root
    chroot: Chroot = request.getfixturevalue(request.param)
    # The package manager of Debian 13 brings OpenSSL and SQLite, and has done its work.
    for name in ("libssl", "libcrypto", "libsqlite3"):
        for path in chroot.root.glob(f"usr/lib/*/{name}.so*"):
            path.unlink()
    for name in (
        "python3*",
        "lib*python3*",
        "libssl*",
        "libcrypto*",
        "libsqlite3*",
        "libtk*",
        "libyaml*",
        "libsodium*",
    ):
        assert not [*chroot.root.glob(f"usr/bin/{name}"), *chroot.root.glob(f"usr/lib/*/{name}")], name
    return chroot


@pytest.fixture(scope="class")
def bullseye(needs_root: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chroot]:
    """Return a Debian 11 (glibc 2.31), with a Python."""
    del needs_root
    chroot = debootstrap(tmp_path_factory.mktemp("bullseye"), "bullseye", "python3", "python3-distutils")
    yield chroot
    shutil.rmtree(chroot.root)


@pytest.fixture(scope="class")
def desktop(needs_root: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chroot]:
    """Return a Debian 13 that has the libraries which images leave to the host, and none beside what these need."""
    del needs_root
    packages = ["libgl1", "libegl1", "libdrm2", "libx11-6", "libx11-xcb1", "libxcb1", "libwayland-client0"]
    chroot = debootstrap(tmp_path_factory.mktemp("desktop"), "trixie", *packages, "libfontconfig1", "libfreetype6")
    (chroot.root / "tmp" / ".X11-unix").mkdir()
    yield chroot
    shutil.rmtree(chroot.root)


@pytest.fixture(scope="module")
def tk_image(plugin: Plugin, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the image of `test-projects/tk-clock`, built with Debian's Python."""
    require("python3", "python3")
    project = copy_project("tk-clock", make_public(tmp_path_factory, "tk"), quick=True)
    with (project / "pyproject.toml").open("a") as file:
        file.write('python = "/usr/bin/python3"\n')
    return build_image(plugin, project)


# Loads every extension module of the standard library, and uses what lies elsewhere on each distribution.
STDLIB = """
import ctypes, ctypes.util, curses, importlib, os, readline, ssl, sys
from pathlib import Path
from tempfile import TemporaryDirectory

def main():
    before = dict(os.environ)
    directory = Path(os.__file__).parent / "lib-dynload"
    names = {path.name.split(".")[0] for path in directory.iterdir()} - {"_tkinter"}
    for name in sorted(names):
        importlib.import_module(name)
    print(len(names), "modules")
    curses.setupterm("tmux-256color")
    print("tmux", curses.tigetnum("colors"))
    print(ctypes.util.find_library("ssl").startswith(sys.prefix), ctypes.util.find_library("c"))
    ctypes.CDLL(ctypes.util.find_library("sqlite3")).sqlite3_libversion_number()
    print(readline.__doc__.split()[0], "TERMINFO_DIRS" in os.environ, before == dict(os.environ))
    (libc,) = {line.split()[-1] for line in open("/proc/self/maps") if line.rstrip().endswith("/libc.so.6")}
    print(libc.startswith(sys.prefix))
"""

# Fetches a page as any program of the standard library does.
FETCH = """
import sys, urllib.request

def main():
    print(urllib.request.urlopen(sys.argv[1], timeout=20).read().decode())
"""


@pytest.fixture(scope="module")
def stdlib_image(plugin: Plugin, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an image that uses all of the standard library."""
    return build_image(
        plugin, make_project(make_public(tmp_path_factory, "stdlib") / "stdlib", STDLIB, name="everything")
    )


@pytest.fixture(scope="module")
def fetch_image(plugin: Plugin, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an image that fetches a page."""
    return build_image(plugin, make_project(make_public(tmp_path_factory, "fetch") / "fetch", FETCH, name="fetch"))


def glibc_of(root: Path) -> tuple[int, ...]:
    """Return the version of a machine's C library, by what it says of itself."""
    (library,) = {path.resolve() for path in root.glob("usr/lib/*-linux-gnu*/libc.so.6")}
    found = re.search(rb"stable release version (\d+)\.(\d+)", library.read_bytes())
    assert found
    return tuple(map(int, found.groups()))


@pytest.mark.parametrize("mode", ["mounted", "unpacked"])
class TestBare:
    """Bare installations have no Python, no OpenSSL, no SQLite and so on."""

    @staticmethod
    def env(mode: str) -> dict[str, str]:
        return {"APPIMAGE_EXTRACT_AND_RUN": "1"} if mode == "unpacked" else {}

    def test_hello(self, bare: Chroot, hello_image: Path, mode: str) -> None:
        result = bare.run(hello_image, env=self.env(mode))
        assert (result.stdout, result.returncode) == ("Hello, world!\n", 0), result.stderr

    def test_flask(self, bare: Chroot, flask_image: Path, mode: str) -> None:
        result = bare.run(flask_image, "--version", env=self.env(mode))
        assert (result.stdout, result.returncode) == ("flask-app 1.0\n", 0), result.stderr

    def test_pandas(self, bare: Chroot, pandas_image: Path, mode: str) -> None:
        result = bare.run(pandas_image, env=self.env(mode))
        assert result.returncode == 0, result.stderr
        assert result.stdout == subprocess.run([pandas_image], capture_output=True, text=True, check=True).stdout

    def test_native_extension(self, bare: Chroot, native_image: Path, mode: str) -> None:
        """A library that the extension module is linked to, and one that Python opens by its name."""
        result = bare.run(native_image, env=self.env(mode))
        assert (result.stdout, result.returncode) == ("3 scalars, 1ecb8368\n", 0), result.stderr

    def test_standard_library(self, bare: Chroot, stdlib_image: Path, mode: str) -> None:
        result = bare.run(stdlib_image, env=self.env(mode))
        assert result.returncode == 0, result.stderr
        modules, *rest = result.stdout.splitlines()
        assert int(modules.split()[0]) > 25  # Debian 13 has more of them within the interpreter
        # The machine's C library is used unless it is older than the one of the machine that built the image.
        older = glibc_of(bare.root) < glibc_of(Path("/"))
        assert rest == [
            "tmux 256",
            "True libc.so.6",
            "Importing False True",
            str(older),
        ]


@pytest.mark.parametrize(("mode", "user"), [("mounted", 0), ("unpacked", NOBODY)])
@pytest.mark.parametrize("image", ["hello", "flask", "pandas", "native"])
def test_self_test(bare: Chroot, image: str, mode: str, user: int, request: pytest.FixtureRequest) -> None:
    """All of an image works there, by that system's own C library where that is new enough."""
    env = {"APPIMAGE_EXTRACT_AND_RUN": "1"} if mode == "unpacked" else {}
    path = request.getfixturevalue(f"{image}_image")
    result = bare.run(path, "--appimage-self-test", env={"HOME": "/tmp", **env}, user=user)
    assert result.returncode == 0, result.stdout + result.stderr
    whose = "this machine" if glibc_of(bare.root) >= glibc_of(Path("/")) else "the image"
    assert re.search(rf"^ok +C library: glibc [\d.]+ of {whose}$", result.stdout, re.MULTILINE), result.stdout


def test_terminals_without_any_on_the_host(bookworm: Chroot, stdlib_image: Path, tmp_path: Path) -> None:
    """Not even the smallest of the host's descriptions of terminals is there."""
    hidden = tmp_path / "terminfo"
    places = [bookworm.root / "lib" / "terminfo", bookworm.root / "usr" / "share" / "terminfo"]
    found = [place for place in places if place.is_dir() and not place.is_symlink()]
    for number, place in enumerate(found):
        place.rename(hidden.with_name(f"terminfo{number}"))
    try:
        assert bookworm.run(stdlib_image).stdout.splitlines()[1] == "tmux 256"
    finally:
        for number, place in enumerate(found):
            hidden.with_name(f"terminfo{number}").rename(place)


class Page(http.server.BaseHTTPRequestHandler):
    """Answers everything."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"verified")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """Return a certificate authority of our own."""
    return trustme.CA()


@pytest.fixture(scope="module")
def server(authority: trustme.CA) -> Iterator[str]:
    """Serve a page over HTTPS with a certificate of that authority; yield its address."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page) as http_server:
        http_server.socket = context.wrap_socket(http_server.socket, server_side=True)
        threading.Thread(target=http_server.serve_forever, daemon=True).start()
        yield f"https://localhost:{http_server.server_address[1]}/"
        http_server.shutdown()


class TestCertificates:
    """HTTPS is verified by the certificates that the machine trusts, wherever its distribution has them."""

    LAYOUTS = (
        "/etc/ssl/certs/ca-certificates.crt",  # Debian
        "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",  # Fedora
        "/var/lib/ca-certificates/ca-bundle.pem",  # openSUSE
        "/etc/ssl/cert.pem",  # Alpine
        "/etc/ca-certificates/extracted/tls-ca-bundle.pem",  # Arch
    )

    @pytest.fixture(autouse=True)
    def resolves_localhost(self, bare: Chroot) -> None:
        (bare.root / "etc" / "hosts").write_text("127.0.0.1 localhost\n")

    @pytest.mark.parametrize("layout", LAYOUTS)
    def test_host(self, bare: Chroot, fetch_image: Path, server: str, authority: trustme.CA, layout: str) -> None:
        file = bare.root / layout[1:]
        file.parent.mkdir(parents=True, exist_ok=True)
        authority.cert_pem.write_to_path(file)
        try:
            result = bare.run(fetch_image, server)
        finally:
            file.unlink()
        assert (result.stdout, result.returncode) == ("verified\n", 0), result.stderr

    def test_nobody_to_trust(self, bare: Chroot, fetch_image: Path, server: str) -> None:
        result = bare.run(fetch_image, server)
        assert result.returncode == 1
        assert "CERTIFICATE_VERIFY_FAILED" in result.stderr

    def test_another_authority(self, bare: Chroot, fetch_image: Path, server: str) -> None:
        file = bare.root / "etc" / "ssl" / "certs" / "ca-certificates.crt"
        file.parent.mkdir(parents=True, exist_ok=True)
        trustme.CA().cert_pem.write_to_path(file)
        try:
            assert "CERTIFICATE_VERIFY_FAILED" in bare.run(fetch_image, server).stderr
        finally:
            file.unlink()

    def test_users_file_wins(self, bare: Chroot, fetch_image: Path, server: str, authority: trustme.CA) -> None:
        system = bare.root / "etc" / "ssl" / "certs" / "ca-certificates.crt"
        system.parent.mkdir(parents=True, exist_ok=True)
        authority.cert_pem.write_to_path(system)
        users = bare.root / "root" / "mine.pem"
        trustme.CA().cert_pem.write_to_path(users)
        try:
            result = bare.run(fetch_image, server, env={"SSL_CERT_FILE": "/root/mine.pem"})
            assert "CERTIFICATE_VERIFY_FAILED" in result.stderr
            authority.cert_pem.write_to_path(users)
            system.unlink()
            assert bare.run(fetch_image, server, env={"SSL_CERT_FILE": "/root/mine.pem"}).stdout == "verified\n"
        finally:
            system.unlink(missing_ok=True)
            users.unlink()


class TestDisplay:
    """Windows on a machine that has the excluded libraries only."""

    def test_qt(self, desktop: Chroot, qt_image: Path, display: str) -> None:
        result = desktop.run(qt_image, "--once", env={"DISPLAY": display})
        assert (result.stdout, result.returncode) == ("xcb True\n", 0), result.stderr

    def test_qt_beside_another_one(self, desktop: Chroot, qt_image: Path, display: str) -> None:
        """As in a shell of conda or ROS: libraries of the same names, which have not a single symbol."""
        names = ("libQt6Core.so.6", "libQt6Gui.so.6", "libQt6XcbQpa.so.6", "libxkbcommon.so.0", "libglib-2.0.so.0")
        with TemporaryDirectory(dir=desktop.root / "root") as directory:
            for name in names:
                command: list[str | Path] = [require("cc", "gcc"), "-shared", "-nostdlib", f"-Wl,-soname,{name}"]
                subprocess.run([*command, "-x", "c", "/dev/null", "-o", Path(directory, name)], check=True)
            env = {"DISPLAY": display, "LD_LIBRARY_PATH": f"/root/{Path(directory).name}"}
            result = desktop.run(qt_image, "--once", env=env)
        assert (result.stdout, result.returncode) == ("xcb True\n", 0), result.stderr

    def test_tk(self, desktop: Chroot, tk_image: Path, display: str) -> None:
        """Tcl's scripts are the image's own."""
        result = desktop.run(tk_image, "--once", env={"DISPLAY": display})
        assert result.returncode == 0, result.stderr
        version, library, mapped = result.stdout.split()
        assert version.startswith("8.6.")
        assert re.fullmatch(r"/tmp/\.mount_\S+/usr/lib/tcl8\.6", library)
        assert mapped == "1"


@pytest.fixture(scope="class")
def images(
    plugin: Plugin, bullseye: Chroot, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[Path, tuple[int, ...]]]:
    """Build the same project with the Python and the libraries of this machine, and with those of Debian 11.

    And with a module more that has a function of a later glibc: one that Debian 13 has, and one of a future that never
    comes. The entry point is not imported by the build then, as this machine may lack the function, too.
    """
    old = f'python = "{bullseye.root}/usr/bin/python3"\nsysroot = "{bullseye.root}"\nglibc = "host"\n'
    later = f'{old}startup-order = false\n[tool.hatch.build.targets.wheel.force-include]\n"later.so" = "later.so"\n'
    functions = {"2.38's": ("strlcpy", "GLIBC_2.38"), "2.99's": ("strlcpy", "GLIBC_2.99")}
    tables = {
        "this machine's": 'glibc = "host"\n',
        "Debian 11's": f'{old}max-glibc = "2.31"\n',
        **dict.fromkeys(functions, later),
    }
    built = {}
    for name, table in tables.items():
        project = make_project(
            make_public(tmp_path_factory, "floor") / "floor",
            f"import ctypes, decimal, sqlite3, ssl{', later' if name in functions else ''}\n\n"
            "def main():\n    print(ssl.OPENSSL_VERSION_NUMBER > 0)\n",
            table=f'report = "report.json"\n{table}',
            name="floor",
        )
        if name in functions:
            compile_later(project / "later.so", *functions[name])
        text = (project / "pyproject.toml").read_text()
        (project / "pyproject.toml").write_text(text.replace(">=3.10", ">=3.9"))
        image = build_image(plugin, project)
        floors = {floor["family"]: floor for floor in json.loads((project / "report.json").read_text())["requires"]}
        built[name] = image, tuple(map(int, floors["GLIBC"]["version"].split(".")))
    return built


def compile_later(module: Path, function: str, version: str) -> None:
    """Compile an extension module that calls a function of a glibc that this machine need not have."""
    compiler = [require("cc", "gcc"), "-shared", "-fPIC", "-nostdlib", "-x", "c", "-"]
    with TemporaryDirectory() as directory:
        script, glibc = Path(directory, "map"), Path(directory, "libc.so.6")
        script.write_text(f"{version} {{ global: {function}; }};\n")
        options = [f"-Wl,--version-script={script}", "-Wl,-soname,libc.so.6", "-o", str(glibc)]
        subprocess.run([*compiler, *options], input=f"int {function}(void) {{ return 0; }}".encode(), check=True)
        source = f"""
            int {function}(void);
            struct {{ long counts[5]; const char *name; long more[20]; }} definition = {{{{1}}, "later"}};
            void *PyModuleDef_Init(void *);
            int later(void) {{ return {function}(); }}
            void *PyInit_later(void) {{ return PyModuleDef_Init(&definition); }}
        """
        command: list[str | Path] = [*compiler, "-fno-builtin", "-o", module, "-x", "none", glibc]
        subprocess.run(command, input=source.encode(), check=True)


@pytest.fixture(scope="class")
def debians(bullseye: Chroot, bookworm: Chroot, trixie: Chroot) -> dict[int, Chroot]:
    """Return the releases of Debian, by their versions."""
    return {11: bullseye, 12: bookworm, 13: trixie}


class TestFloor:
    """The reported glibc is the one that decides whether an image starts."""

    @pytest.mark.parametrize("kind", ["this machine's", "Debian 11's"])
    def test_starts_exactly_if_the_floor_says_so(
        self, bullseye: Chroot, images: dict[str, tuple[Path, tuple[int, ...]]], kind: str
    ) -> None:
        image, floor = images[kind]
        result = bullseye.run(image)
        if floor <= (2, 31):
            assert (result.stdout, result.returncode) == ("True\n", 0), result.stderr
        else:
            needed = ".".join(map(str, floor))
            sentence = f"AppImage: this needs glibc {needed} or newer, and this machine has glibc 2.31\n"
            assert (result.stderr, result.returncode) == (sentence, 127)

    @pytest.mark.parametrize(
        ("kind", "oldest"), [("this machine's", None), ("Debian 11's", 11), ("2.38's", 13), ("2.99's", 99)]
    )
    def test_the_verdict_says_so(
        self, debians: dict[int, Chroot], images: dict[str, tuple[Path, tuple[int, ...]]], kind: str, oldest: int | None
    ) -> None:
        image, _ = images[kind]
        report = json.loads((image.parent.parent / "report.json").read_text())
        verdicts = {verdict["distribution"]: verdict for verdict in report["runs_on"]["distributions"]}
        said = int(verdicts["Debian"]["oldest"]) if "Debian" in verdicts else 99
        assert said == (oldest or said)
        for release, chroot in debians.items():
            result = chroot.run(image)
            assert (result.returncode == 0) == (release >= said), (release, result.stderr)

    def test_both_kinds_were_seen(self, images: dict[str, tuple[Path, tuple[int, ...]]]) -> None:
        assert images["Debian 11's"][1] <= (2, 31) < images["this machine's"][1]

    def test_old_libraries_on_a_new_system(
        self, trixie: Chroot, images: dict[str, tuple[Path, tuple[int, ...]]]
    ) -> None:
        assert trixie.run(images["Debian 11's"][0]).stdout == "True\n"

    def test_limit(self, plugin: Plugin, tmp_path: Path) -> None:
        project = make_project(tmp_path / "limit", "def main(): pass\n", table='max-glibc = "2.17"\n', name="limit")
        result = plugin.build(project, check=False)
        assert result.returncode == 1
        assert "and `max-glibc` allows 2.17. What needs more:" in result.stderr
        assert "Python 3." in result.stderr
        assert not [*(project / "dist").glob("*")]


@pytest.fixture(scope="class")
def trees(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """Unpack all images."""
    names = ("hello", "flask", "pandas", "native", "tk", "qt", "stdlib")
    images = {name: request.getfixturevalue(f"{name}_image") for name in names}
    trees = {name: unpack(image, tmp_path_factory.mktemp(f"{name}-tree")) for name, image in images.items()}
    yield trees
    for tree in trees.values():
        shutil.rmtree(tree)


class TestTrees:
    """What is in the images."""

    def test_no_search_path_leads_out_of_the_image(self, trees: dict[str, Path]) -> None:
        count = 0
        for tree in trees.values():
            for path in tree.rglob("*"):
                elf = read_elf(path) if path.is_file() and not path.is_symlink() else None
                for directory in (*elf.rpath, *elf.runpath) if elf else ():
                    count += 1
                    assert directory.startswith("$ORIGIN"), path
                    place = os.path.normpath(directory.replace("$ORIGIN", str(path.parent)))
                    assert Path(place).is_relative_to(tree), path
        assert count > 150

    @pytest.mark.parametrize("name", ["pandas", "qt"])
    def test_libraries_of_wheels_keep_their_bytes(self, trees: dict[str, Path], tmp_path: Path, name: str) -> None:
        """Nothing but the search path differs, and mostly its kind only, which is one number."""
        project = {"pandas": ["numpy", "pandas"], "qt": ["PySide6-Essentials"]}[name]
        (site,) = trees[name].glob("usr/lib/python3.*/site-packages")
        wheels = tmp_path / "wheels"
        # Copies: links would lead into uv's cache.
        options = ("--quiet", "--link-mode", "copy")
        install: list[str | Path] = [find_uv_bin(), "pip", "install", *options, "--target", wheels, *project]
        subprocess.run(install, check=True)
        count = same = 0
        for path in wheels.rglob("*.so*"):
            image = site / path.relative_to(wheels)
            if image.exists():
                count += 1
                size, before, elf = path.stat().st_size, read_elf(path), read_elf(image)
                if elf and elf.rpath:
                    set_rpath(path, elf.rpath)
                assert image.read_bytes() == path.read_bytes(), path
                if elf and before and elf.rpath == (before.rpath or before.runpath):
                    same += 1
                    assert image.stat().st_size == size
        assert count > {"pandas": 60, "qt": 50}[name]
        assert same > count / 5

    def test_records_are_true(self, trees: dict[str, Path]) -> None:
        """The module that was compiled in the build has another search path than in its wheel."""
        (site,) = trees["native"].glob("usr/lib/python3.*/site-packages")
        (record,) = site.glob("native_ext-*.dist-info/RECORD")
        rows = [row for row in csv.reader(record.read_text().splitlines()) if row[1]]
        assert any("_yaml" in row[0] for row in rows)
        for name, digest, size in rows:
            data = (site / name).read_bytes()
            expected = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            assert (digest, int(size)) == (f"sha256={expected}", len(data)), name

    def test_licences(self, trees: dict[str, Path]) -> None:
        assert (trees["native"] / "usr" / "share" / "doc" / "libyaml-0-2" / "copyright").read_text()

    def test_tkinter_is_where_it_is_used(self, trees: dict[str, Path]) -> None:
        """pandas and others only have its name in texts."""
        with_tkinter = {name for name, tree in trees.items() if [*tree.glob("usr/lib/python3*/tkinter")]}
        assert with_tkinter == {"tk"}

    def test_reads_its_own_image(self, plugin: Plugin, native_image: Path) -> None:
        command: list[str | Path] = [plugin.python.with_name("hatch-appimage"), "libraries", native_image]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
        assert "    usr/lib/libyaml-0.so.2\n" in result.stdout.replace("  usr", "    usr")
        assert "\nneeds GLIBC 2." in result.stdout
        document = json.loads(subprocess.run([*command, "--json"], capture_output=True, check=True).stdout)
        needs = {need["soname"]: need for needs in document["files"].values() for need in needs}
        assert needs["libyaml-0.so.2"]["path"] == "usr/lib/libyaml-0.so.2"
        assert (needs["libc.so.6"]["source"], needs["libc.so.6"]["group"]) == ("system", "glibc")
