# SPDX-License-Identifier: MIT
"""Pythons from elsewhere: downloaded from a server of this machine that has the layout of the real ones."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hatch_appimage import cli, download
from hatch_appimage.architecture import ARCHITECTURES, native_architecture
from hatch_appimage.elf import read_elf
from hatch_appimage.errors import AppImageError
from hatch_appimage.layout import AppDir
from hatch_appimage.process import find_program
from hatch_appimage.python.archive import FileSource
from hatch_appimage.python.build_python import find_build_python
from hatch_appimage.python.local import find_host_python
from hatch_appimage.python.python_appimage import PythonAppImageSource
from hatch_appimage.python.relocate import bundle_python
from hatch_appimage.python.source import check_python
from hatch_appimage.python.standalone import StandaloneSource
from support.hostile_archives import Item, file, write_archive
from support.mirror import Answer, serve
from support.projects import copy_project
from support.pythons import (
    BUILD,
    MACHINE,
    MINOR,
    RELEASES,
    VERSION,
    Portable,
    appimage_name,
    make_portable,
    release,
    standalone_entry,
    standalone_list,
    standalone_name,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hatch_appimage.python import PythonInstallation
    from hatch_appimage.python.source import PythonSource
    from support.mirror import Mirror

NEXT = f"{sys.version_info.major}.{sys.version_info.minor}.99"


@pytest.fixture(scope="module")
def portable(tmp_path_factory: pytest.TempPathFactory) -> Portable:
    return make_portable(tmp_path_factory.mktemp("portable"))


@pytest.fixture(scope="module")
def archive(portable: Portable, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return portable.pack(tmp_path_factory.mktemp("archive") / "python.tar.gz").read_bytes()


@pytest.fixture(scope="module")
def appimage(portable: Portable, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return portable.pack_appimage(tmp_path_factory.mktemp("appimage") / "python.AppImage").read_bytes()


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    with serve() as mirror:
        yield mirror


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is installed and cached yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("UV_PYTHON_INSTALL_DIR", str(tmp_path / "uv"))
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    monkeypatch.delenv("HATCH_DATA_DIR", raising=False)
    monkeypatch.delenv(download.OFFLINE, raising=False)
    monkeypatch.setattr(download, "_PAUSE", 0.01)


def provide(source: PythonSource, directory: Path, architecture: str = "") -> PythonInstallation:
    directory.mkdir(exist_ok=True)
    return source.provide(ARCHITECTURES[architecture] if architecture else native_architecture(), directory)


def check_runs(python: PythonInstallation, directory: Path) -> str:
    """Bundle a Python, run it, and return what its `sys.executable` is, relative to the AppDir."""
    check_python(python, architecture=native_architecture(), requires_python="")
    appdir = AppDir(directory / "AppDir", "app")
    bundled = bundle_python(python, appdir)
    code = "import platform, sys, ssl, sqlite3, zlib; print(platform.python_version(), sys.executable)"
    output = subprocess.check_output([bundled.executable, "-I", "-c", code], env={}, text=True)
    version, executable = output.split()
    assert version == python.version == bundled.version
    assert not [path for path in appdir.root.rglob("*") if path.name == "sitecustomize.py"]
    return os.path.relpath(executable, appdir.root)


def state(directory: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.lstat().st_size, path.lstat().st_mtime_ns) for path in directory.rglob("*")}


def left_in_cache(tmp_path: Path) -> list[str]:
    """Return the files of our cache but those that locks are on."""
    files = (path for path in (tmp_path / "cache" / "hatch-appimage").rglob("*") if path.is_file())
    return sorted(path.name for path in files if not path.name.endswith(".lock") and path.name != ".gitignore")


class TestStandalone:
    @pytest.fixture(autouse=True)
    def known(self, mirror: Mirror, archive: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Have uv know the Pythons of the mirror; its own list has digests that no archive of ours can have."""
        entries = [
            standalone_entry(VERSION, sha256(archive).hexdigest()),
            standalone_entry("3.9.1", "0" * 64),
            standalone_entry("3.9.2", "0" * 64),
            standalone_entry("3.9.3", "0" * 64, arch="armv7"),
            standalone_entry("3.13.7", "0" * 64, free_threaded=True),
        ]
        (tmp_path / "list.json").write_text(standalone_list(entries))
        monkeypatch.setenv("UV_PYTHON_DOWNLOADS_JSON_URL", str(tmp_path / "list.json"))
        monkeypatch.setenv("UV_PYTHON_INSTALL_MIRROR", mirror.url)
        mirror.files[self.path] = archive

    @property
    def path(self) -> str:
        return f"/{BUILD}/{standalone_name(VERSION)}"

    @pytest.mark.slow
    @pytest.mark.parametrize("request_", [MINOR, VERSION, f"~={VERSION}", f">={MINOR},<3.99"])
    def test_downloaded_once(self, mirror: Mirror, tmp_path: Path, request_: str) -> None:
        python = provide(StandaloneSource(request_), tmp_path / "work")
        assert python.version.startswith(VERSION)
        assert str(python) == (
            f"Python {python.version} from python-build-standalone cpython-{VERSION}-linux-{MACHINE}-gnu"
        )
        assert python.prefix.is_relative_to(tmp_path / "cache" / "hatch-appimage" / "python")
        assert [path for path, _ in mirror.requests] == [self.path]
        assert provide(StandaloneSource(request_), tmp_path / "work") == python
        assert len(mirror.requests) == 1

    def test_runs(self, tmp_path: Path) -> None:
        python = provide(StandaloneSource(MINOR), tmp_path / "work")
        before = state(python.prefix)
        assert check_runs(python, tmp_path) == f"usr/libexec/python{MINOR}"
        assert state(python.prefix) == before

    @pytest.mark.slow
    def test_changed_in_the_cache(
        self, mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        python = provide(StandaloneSource(MINOR), tmp_path / "work")
        module = python.stdlib / "this.py"
        good = module.read_bytes()
        module.write_bytes(b"")
        assert provide(StandaloneSource(MINOR), tmp_path / "work") == python
        assert module.read_bytes() == good
        assert caplog.messages == [f"{python.prefix} in the cache has changed since it was installed, and is removed"]
        assert len(mirror.requests) == 2
        module.write_bytes(b"")
        monkeypatch.setenv(download.OFFLINE, "1")
        with pytest.raises(AppImageError, match=r"is not on this machine, and HATCH_APPIMAGE_OFFLINE allows no"):
            provide(StandaloneSource(MINOR), tmp_path / "work")

    @pytest.mark.slow
    @pytest.mark.parametrize("tool", ["uv", "hatch"])
    def test_installed_by_another_tool(self, portable: Portable, mirror: Mirror, tmp_path: Path, tool: str) -> None:
        """It is reused, and stays as it is."""
        places = {
            "uv": tmp_path / "uv" / f"cpython-{VERSION}-linux-{MACHINE}-gnu",
            "hatch": tmp_path / "data" / "hatch" / "pythons" / MINOR / "python",
        }
        place = places[tool]
        place.parent.mkdir(parents=True)
        subprocess.run(["cp", "-a", portable.prefix, place], check=True)
        before = state(place)
        python = provide(StandaloneSource(MINOR), tmp_path / "work")
        assert python.prefix == place
        check_runs(python, tmp_path)
        assert state(place) == before
        assert mirror.requests == []
        assert not (tmp_path / "cache" / "hatch-appimage" / "python").exists()

    def test_installed_but_of_another_version(self, portable: Portable, mirror: Mirror, tmp_path: Path) -> None:
        for name in (
            "cpython-3.7.1-linux-x86_64-gnu",
            "cpython-3.99.1-linux-aarch64-gnu",
            "cpython-x-linux-x86_64-gnu",
        ):
            (tmp_path / "uv" / name).parent.mkdir(exist_ok=True)
            (tmp_path / "uv" / name).symlink_to(portable.prefix)
        (tmp_path / "data" / "hatch" / "pythons" / MINOR / "python" / "bin").mkdir(parents=True)  # left half-way
        provide(StandaloneSource(MINOR), tmp_path / "work")
        assert [path for path, _ in mirror.requests] == [self.path]

    @pytest.mark.parametrize(
        ("request_", "architecture", "message"),
        [
            (NEXT, MACHINE, f"python-build-standalone has no Python {NEXT} for {MACHINE}; the nearest are {VERSION}, "),
            (
                "3.9.9",
                MACHINE,
                f"python-build-standalone has no Python 3.9.9 for {MACHINE}; the nearest are 3.9.2, 3.9.1",
            ),
            ("<3", MACHINE, f"python-build-standalone has no Python <3 for {MACHINE}; the nearest are {VERSION}, "),
            (
                "3.12t",
                MACHINE,
                f"python-build-standalone has no free-threaded Python 3.12t for {MACHINE}; the nearest are 3.13.7",
            ),
            ("3.13t", "armhf", "python-build-standalone has no free-threaded Python 3.13t for armhf"),
            ("3.9.2", "armhf", "python-build-standalone has no Python 3.9.2 for armhf; the nearest are 3.9.3"),
            ("3.12", "i686", "python-build-standalone has no Python for i686: set `python` to the path of one"),
        ],
    )
    def test_unknown(self, tmp_path: Path, request_: str, architecture: str, message: str) -> None:
        with pytest.raises(AppImageError) as caught:
            provide(StandaloneSource(request_), tmp_path / "work", architecture)
        assert str(caught.value).startswith(message)
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize(
        "answer",
        [
            Answer(status=403),
            Answer(status=404),
            Answer(status=429),
            Answer(status=500),
            Answer(stop_after=100_000),
            Answer(body=b"<html>"),
        ],
        ids=["403", "404", "429", "500", "broken off", "another file"],
    )
    def test_no_download(self, mirror: Mirror, tmp_path: Path, answer: Answer) -> None:
        mirror.answers[self.path] = [answer] * 9
        with pytest.raises(AppImageError) as caught:
            provide(StandaloneSource(MINOR), tmp_path / "work")
        assert str(caught.value).startswith(f"Cannot get Python {VERSION} for {MACHINE}: ")
        assert "\n" not in str(caught.value)
        assert left_in_cache(tmp_path) == []

    def test_another_archive_than_the_digest_says(self, tmp_path: Path, archive: bytes) -> None:
        (tmp_path / "list.json").write_text(standalone_list([standalone_entry(VERSION, "0" * 64)]))
        with pytest.raises(AppImageError) as caught:
            provide(StandaloneSource(MINOR), tmp_path / "work")
        assert "\n" not in str(caught.value)
        assert "0" * 64 in str(caught.value)
        assert sha256(archive).hexdigest() in str(caught.value)
        assert left_in_cache(tmp_path) == []

    def test_offline(self, mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(download.OFFLINE, "1")
        with pytest.raises(AppImageError) as caught:
            provide(StandaloneSource(MINOR), tmp_path / "work")
        assert str(caught.value) == (
            f"Python {VERSION} for {MACHINE} is not on this machine, and HATCH_APPIMAGE_OFFLINE allows no download: "
            "build once without it"
        )
        assert mirror.requests == []
        monkeypatch.delenv(download.OFFLINE)
        python = provide(StandaloneSource(MINOR), tmp_path / "work")
        monkeypatch.setenv(download.OFFLINE, "1")
        assert provide(StandaloneSource(MINOR), tmp_path / "work") == python

    def test_helper_for_bytecode(
        self, mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        running = find_build_python(f"{MINOR}.0", tmp_path)
        assert running == Path(os.path.realpath(vars(sys)["_base_executable"]))  # below the virtual environment
        assert mirror.requests == []
        monkeypatch.setenv("UV_PYTHON_SEARCH_PATH", str(tmp_path))
        assert find_build_python("3.98.0", tmp_path) is None
        (message,) = caplog.messages[-1:]
        assert message.startswith(
            "The image has no bytecode and starts slowly: there is no Python 3.98 on this machine to compile it "
        )


class TestPythonAppImage:
    @pytest.fixture(autouse=True)
    def released(self, mirror: Mirror, appimage: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
        names: dict[str, bytes | None] = {
            appimage_name(tag="manylinux1"): b"old",
            appimage_name(): appimage,
            appimage_name(tag="manylinux2010"): b"older",
            appimage_name(machine="armv9"): b"other",
            "SHA256SUMS": b"",
        }
        older: dict[str, bytes | None] = {
            appimage_name("3.7.9", "manylinux_2_28"): None,
            appimage_name("3.7.8", "manylinux_2_24", free="t"): b"free",
            appimage_name("3.7.9", "manylinux2014", machine="i686"): b"32",
        }
        summary = {"tag_name": "update-summary", "assets": []}
        answer = [summary, release("3.7", older, mirror.url), release(MINOR, names, mirror.url)]
        mirror.files[RELEASES] = json.dumps(answer).encode()
        mirror.files[self.path] = appimage
        monkeypatch.setenv("HATCH_APPIMAGE_GITHUB_API", f"{mirror.url}/")

    @property
    def path(self) -> str:
        return f"/niess/python-appimage/releases/download/python{MINOR}/{appimage_name()}"

    @pytest.mark.slow
    @pytest.mark.parametrize("request_", [MINOR, VERSION, f"{MINOR}-manylinux2014"])
    def test_newest_tag(self, mirror: Mirror, tmp_path: Path, request_: str) -> None:
        python = provide(PythonAppImageSource(request_), tmp_path / "work")
        assert python.source == appimage_name()
        assert python.version.startswith(VERSION)
        assert [path for path, _ in mirror.requests] == [RELEASES, self.path]

    @pytest.mark.slow
    def test_runs_as_our_own(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Neither its script nor its hooks are in the image, and `sys.executable` is the interpreter."""
        monkeypatch.setenv("APPIMAGE_COMMAND", "/patched")
        python = provide(PythonAppImageSource(MINOR), tmp_path / "work")
        assert check_runs(python, tmp_path) == f"usr/libexec/python{MINOR}"
        assert not (tmp_path / "AppDir" / "opt").exists()
        texts = [path.read_bytes() for path in (tmp_path / "AppDir").rglob("*.py")]
        assert not [text for text in texts if b"_initappimage" in text]
        # The interpreter of a distribution has all of it within itself.
        program = read_elf(Path(sys.executable).resolve())
        assert program is not None
        wanted = {soname for soname in program.needed if soname.startswith("libpython")}
        assert {path.name for path in (tmp_path / "AppDir" / "usr" / "lib").glob("*.so*")} >= wanted

    @pytest.mark.parametrize(
        ("request_", "architecture", "message"),
        [
            ("3.8", MACHINE, f"has no Python 3.8 for {MACHINE}; the nearest are 3.7.9, "),
            (
                f"{MINOR}-manylinux_2_28",
                MACHINE,
                (
                    f"has no Python {MINOR}-manylinux_2_28 for {MACHINE}; there is manylinux1, manylinux2010, "
                    "manylinux2014"
                ),
            ),
            ("3.7", "armhf", "has no Python 3.7 for armhf"),
            ("3.13t", MACHINE, f"has no Python 3.13t for {MACHINE}; the nearest are 3.7.8"),
        ],
    )
    def test_unknown(self, tmp_path: Path, request_: str, architecture: str, message: str) -> None:
        with pytest.raises(AppImageError) as caught:
            provide(PythonAppImageSource(request_), tmp_path / "work", architecture)
        assert str(caught.value).startswith(f"python-appimage {message}")
        assert "\n" not in str(caught.value)

    def test_no_digest(self, mirror: Mirror, tmp_path: Path) -> None:
        name = appimage_name("3.7.9", "manylinux_2_28")
        with pytest.raises(AppImageError) as caught:
            provide(PythonAppImageSource("3.7"), tmp_path / "work")
        assert str(caught.value) == (
            f"GitHub has no digest of {name}, so it cannot be verified: set `python = "
            f'"{mirror.url}/niess/python-appimage/releases/download/python3.7/{name}"` and `python-sha256`'
        )

    def test_another_file_than_the_digest_says(self, mirror: Mirror, tmp_path: Path, appimage: bytes) -> None:
        mirror.files[self.path] = b"#!/bin/sh\n"
        with pytest.raises(AppImageError) as caught:
            provide(PythonAppImageSource(MINOR), tmp_path / "work")
        assert sha256(b"#!/bin/sh\n").hexdigest() in str(caught.value)
        assert sha256(appimage).hexdigest() in str(caught.value)
        assert not list((tmp_path / "cache" / "hatch-appimage" / "downloads").glob("[!.]*[!k]"))

    @pytest.mark.parametrize("answer", [b"{}", b'"x"', b"null"])
    def test_another_answer(self, mirror: Mirror, tmp_path: Path, answer: bytes) -> None:
        mirror.files[RELEASES] = answer
        with pytest.raises(AppImageError, match=r"^The answer of GitHub's API is no list of releases$"):
            provide(PythonAppImageSource(MINOR), tmp_path / "work")

    def test_offline(self, mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(download.OFFLINE, "1")
        with pytest.raises(AppImageError, match=r"is not in the cache, and HATCH_APPIMAGE_OFFLINE allows no download"):
            provide(PythonAppImageSource(MINOR), tmp_path / "work")
        monkeypatch.delenv(download.OFFLINE)
        provide(PythonAppImageSource(MINOR), tmp_path / "1")
        monkeypatch.setenv(download.OFFLINE, "1")
        assert provide(PythonAppImageSource(MINOR), tmp_path / "2").source == appimage_name()
        assert len(mirror.requests) == 2


class TestFile:
    @pytest.mark.slow
    def test_archive(self, archive: bytes, tmp_path: Path) -> None:
        (tmp_path / "python.tar.gz").write_bytes(archive)
        python = provide(FileSource(tmp_path / "python.tar.gz", sha256(archive).hexdigest()), tmp_path / "work")
        assert python.source == str(tmp_path / "python.tar.gz")
        check_runs(python, tmp_path)

    @pytest.mark.slow
    def test_archive_on_the_web(self, archive: bytes, mirror: Mirror, tmp_path: Path) -> None:
        mirror.files["/python.tar.gz"] = archive
        source = FileSource(f"{mirror.url}/python.tar.gz", sha256(archive).hexdigest())
        check_runs(provide(source, tmp_path / "1"), tmp_path)
        provide(source, tmp_path / "2")
        assert len(mirror.requests) == 1

    @pytest.mark.parametrize("kind", ["archive", "appimage"])
    def test_signed_address(self, request: pytest.FixtureRequest, mirror: Mirror, tmp_path: Path, kind: str) -> None:
        data: bytes = request.getfixturevalue(kind)
        name = "/py.AppImage" if kind == "appimage" else "/py.tar.gz"
        mirror.files[f"{name}?token=secret"] = data
        address = mirror.url.replace("//", "//me:secret@")
        python = provide(FileSource(f"{address}{name}?token=secret", sha256(data).hexdigest()), tmp_path / "work")
        assert python.source == f"{mirror.url}{name}"
        assert "secret" not in str(python)

    @pytest.mark.slow
    def test_full_archive(self, portable: Portable, tmp_path: Path) -> None:
        """As python-build-standalone has them beside those that are for installing."""
        path = portable.pack(tmp_path / "full.tar.gz", "python/install")
        assert provide(FileSource(path, None), tmp_path / "work").prefix == tmp_path / "work" / "python" / "install"

    @pytest.mark.slow
    @pytest.mark.parametrize("place", ["file", "web"])
    def test_appimage(self, appimage: bytes, mirror: Mirror, tmp_path: Path, place: str) -> None:
        (tmp_path / "py.AppImage").write_bytes(appimage)
        mirror.files["/py.AppImage"] = appimage
        location: Path | str = tmp_path / "py.AppImage" if place == "file" else f"{mirror.url}/py.AppImage"
        source = FileSource(location, sha256(appimage).hexdigest())
        check_runs(provide(source, tmp_path / "work"), tmp_path)

    def test_another_file_than_the_digest_says(self, tmp_path: Path) -> None:
        (tmp_path / "python.tar").write_bytes(b"x")
        with pytest.raises(AppImageError) as caught:
            provide(FileSource(tmp_path / "python.tar", "0" * 64), tmp_path / "work")
        assert str(caught.value) == (
            f"{tmp_path}/python.tar is not what it should be: its SHA-256 is {sha256(b'x').hexdigest()}, and "
            f"`python-sha256` is {'0' * 64}"
        )

    @pytest.mark.slow
    def test_zip(self, portable: Portable, tmp_path: Path) -> None:
        """Modes and links are those of Unix in it."""
        items = []
        for path in sorted(portable.prefix.rglob("*")):
            name, mode = os.fsencode(Path("python", path.relative_to(portable.prefix))), path.lstat().st_mode
            if path.is_symlink():
                items.append(Item(name, mode, os.fsencode(path.readlink())))
            else:
                items.append(Item(name, mode, path.read_bytes() if path.is_file() else b""))
        archive = write_archive(tmp_path / "it", "zip", items)
        python = provide(FileSource(archive, None), tmp_path / "work")
        assert (python.source, python.version) == (str(archive), VERSION)
        assert os.access(python.executable, os.X_OK)
        assert bundle_python(python, AppDir(tmp_path / "AppDir", "my-app")).version == VERSION

    def test_no_interpreter_in_it(self, tmp_path: Path) -> None:
        (tmp_path / "empty").mkdir()
        path = Portable(tmp_path / "empty").pack(tmp_path / "empty.tar.gz")
        with pytest.raises(AppImageError) as caught:
            provide(FileSource(path, None), tmp_path / "work")
        assert str(caught.value) == f"{path} has no Python interpreter in it: no bin/python3"

    def test_no_appimage(self, tmp_path: Path) -> None:
        (tmp_path / "py.AppImage").write_bytes(b"x" * 100)
        with pytest.raises(AppImageError, match=r"^/.*/py\.AppImage is no type-2 AppImage$"):
            provide(FileSource(tmp_path / "py.AppImage", None), tmp_path / "work")

    def test_appimage_of_something_else(self, hello: Path, tmp_path: Path) -> None:
        with pytest.raises(AppImageError) as caught:
            provide(FileSource(hello, None), tmp_path / "work")
        assert str(caught.value) == f"{hello} has no Python in `opt`: it is no AppImage of python-appimage"

    @pytest.fixture
    def hello(self, tmp_path: Path) -> Path:
        return write_archive(tmp_path / "App", "AppImage", [file(b"usr/bin/hello")])

    def test_version_that_the_project_refuses(self, archive: bytes, tmp_path: Path) -> None:
        (tmp_path / "python.tar.gz").write_bytes(archive)
        python = provide(FileSource(tmp_path / "python.tar.gz", None), tmp_path / "work")
        with pytest.raises(AppImageError) as caught:
            check_python(python, architecture=native_architecture(), requires_python=">=4")
        assert str(caught.value).startswith(
            f"The project requires Python >=4, and the one to be bundled is {python.version} ({python.source}): "
        )


class TestLoader:
    """An interpreter that starts by a loader of its own prefix, as those of Homebrew, Nix and Guix do."""

    @pytest.fixture
    def python(self, portable: Portable, tmp_path: Path) -> Path:
        """Return one that runs here, and nowhere else."""
        copy = tmp_path / "linuxbrew"
        shutil.copytree(portable.prefix, copy, symlinks=True)
        path = copy / "bin" / portable.name
        loader = copy / "lib" / "ld.so"
        loader.symlink_to(native_architecture().loader)
        patchelf = find_program("patchelf")
        assert patchelf is not None
        subprocess.run([patchelf, "--set-interpreter", loader, path], check=True)
        return path

    def sentence(self, python: Path) -> str:
        return (
            f"The Python at {python} starts by the loader {python.parent.parent}/lib/ld.so, which only machines with "
            f'that path have: set `python` to one that runs anywhere, such as python = "{MINOR}"'
        )

    def test_is_refused(self, python: Path) -> None:
        found = find_host_python(python)
        with pytest.raises(AppImageError) as caught:
            check_python(found, architecture=native_architecture(), requires_python="")
        assert str(caught.value) == self.sentence(python)

    def test_before_anything_is_built(self, python: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
        project = copy_project("hello-cli", tmp_path)
        assert cli.main(["check", str(project), "--set", f"python={python}"]) == 1
        assert self.sentence(python) in capfd.readouterr().err

    @pytest.mark.parametrize("name", ARCHITECTURES)
    def test_of_every_distribution(self, portable: Portable, name: str) -> None:
        """Those of musl are at a fixed path, too; a static interpreter has none."""
        architecture = ARCHITECTURES[name]
        python = find_host_python(portable.prefix / "bin" / portable.name)
        for loader in ("", architecture.loader, architecture.musl_loader):
            elf = replace(python.elf, machine=architecture.elf_machine, bits=architecture.elf_class, interpreter=loader)
            check_python(replace(python, elf=elf), architecture=architecture, requires_python="")
        for other in ARCHITECTURES.values():
            if other != architecture:
                strange = replace(python, elf=replace(elf, interpreter=other.loader))
                with pytest.raises(AppImageError, match=f"starts by the loader {other.loader}, which only"):
                    check_python(strange, architecture=architecture, requires_python="")
