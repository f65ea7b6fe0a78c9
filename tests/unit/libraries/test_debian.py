# SPDX-License-Identifier: MIT
"""What Debian's package manager is asked."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hatch_appimage.layout import AppDir
from hatch_appimage.libraries.debian import copy_licences, find_packages, suggest_packages
from hatch_appimage.process import ProcessError
from hatch_appimage.results import Results
from hatch_appimage.system import System
from support.tools import require

MACHINE = System(Path("/"), ())
ANSWER = """\
diversion by dash from: /usr/bin/sh
libz1g:amd64, libz1g:i386: /lib/x86_64-linux-gnu/libz.so.1
libfoo-dev: /usr/lib/libfoo.so
other: /usr/lib/somewhere/else.so
local diversion from: /usr/lib/liblocal.so
local diversion to: /usr/lib/liblocal.so.distrib
liblocal1: /usr/lib/liblocal.so
diversion by nvidia from: /usr/lib/libGL.so.1
diversion by nvidia to: /usr/lib/mesa/libGL.so.1
libgl1, nvidia:amd64: /usr/lib/libGL.so.1
libreal1: /usr/lib/libreal.so.1.2
liblink-dev: /usr/lib/libreal.so
"""


@pytest.fixture
def dpkg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> System:
    """Return a machine with a dpkg that gives the answer above."""
    (tmp_path / "var" / "lib" / "dpkg").mkdir(parents=True)
    (tmp_path / "var" / "lib" / "dpkg" / "status").touch()
    monkeypatch.setattr("shutil.which", lambda _: "/usr/bin/dpkg-query")

    def run(command: list[str], *, env: dict[str, str], **_: object) -> str:
        assert env["LC_ALL"] == "C"
        assert command[1:3] == ["--admindir", tmp_path / "var" / "lib" / "dpkg"]
        raise ProcessError("some paths are not known", ANSWER + "dpkg-query: no path found matching x", 1)

    monkeypatch.setattr("hatch_appimage.libraries.debian.run", run)
    return System(tmp_path, ())


class TestPackages:
    def test_by_either_name_of_merged_directories(self, dpkg: System) -> None:
        files = [
            dpkg.root / "usr/lib/x86_64-linux-gnu/libz.so.1",
            dpkg.root / "usr/lib/libfoo.so",
            dpkg.root / "opt/x.so",
        ]
        assert find_packages(files, dpkg) == {files[0]: "libz1g", files[1]: "libfoo-dev"}

    def test_links_are_followed(self, dpkg: System) -> None:
        (dpkg.root / "usr" / "lib").mkdir(parents=True)
        (dpkg.root / "usr" / "lib" / "libfoo.so").touch()
        link = dpkg.root / "usr" / "lib" / "libfoo.so.9"
        link.symlink_to("libfoo.so")
        assert find_packages([link], dpkg) == {link: "libfoo-dev"}

    def test_the_package_of_the_real_file_counts(self, dpkg: System) -> None:
        (dpkg.root / "usr" / "lib").mkdir(parents=True)
        (dpkg.root / "usr" / "lib" / "libreal.so.1.2").touch()
        link = dpkg.root / "usr" / "lib" / "libreal.so"
        link.symlink_to("/usr/lib/libreal.so.1.2")
        assert find_packages([link], dpkg) == {link: "libreal1"}

    def test_diversions(self, dpkg: System) -> None:
        """A diverted file is that of the package that diverts, unless the administrator does."""
        files = [dpkg.root / "usr/lib/liblocal.so", dpkg.root / "usr/lib/libGL.so.1"]
        assert find_packages(files, dpkg) == {files[0]: "liblocal1", files[1]: "nvidia"}

    def test_answers_are_kept_as_long_as_nothing_is_installed(
        self, dpkg: System, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        results = Results(tmp_path / "results", 10**9)
        file = dpkg.root / "usr/lib/libfoo.so"
        assert find_packages([file], dpkg, results) == {file: "libfoo-dev"}
        asked = []

        def answer(*_: object, **__: object) -> str:
            asked.append("again")
            return "other: /usr/lib/libfoo.so\n"

        monkeypatch.setattr("hatch_appimage.libraries.debian.run", answer)
        assert find_packages([file], dpkg, results) == {file: "libfoo-dev"}
        assert not asked
        database = dpkg.root / "var/lib/dpkg"
        for change in (
            lambda: (database / "status").write_text("Package: other\n"),
            lambda: (database / "diversions").write_text("/usr/lib/libfoo.so\n"),
            (database / "info").mkdir,
            lambda: os.utime(database / "info", ns=(0, 1)),
        ):
            change()
            asked.clear()
            assert find_packages([file], dpkg, results) == {file: "other"}
            assert asked == ["again"]

    def test_failures_are_not_kept(self, dpkg: System, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        results = Results(tmp_path / "results", 10**9)
        file = dpkg.root / "usr/lib/libfoo.so"

        def fail(*_: object, **__: object) -> str:
            raise ProcessError("it is locked", "", 2)

        with monkeypatch.context() as patch:
            patch.setattr("hatch_appimage.libraries.debian.run", fail)
            assert find_packages([file], dpkg, results) == {}
        assert find_packages([file], dpkg, results) == {file: "libfoo-dev"}

    def test_no_files(self, dpkg: System) -> None:
        assert find_packages([], dpkg) == {}

    def test_not_debian(self, tmp_path: Path) -> None:
        assert find_packages([tmp_path / "x"], System(tmp_path, ())) == {}

    def test_this_machine(self) -> None:
        require("dpkg-query", "dpkg")
        assert find_packages([Path("/bin/sh"), Path("/nowhere")], MACHINE) == {Path("/bin/sh"): "dash"}


class TestCopyright:
    def test_link_to_another_package(self, tmp_path: Path) -> None:
        doc = tmp_path / "usr" / "share" / "doc"
        (doc / "libfoo-common").mkdir(parents=True)
        (doc / "libfoo-common" / "copyright").write_text("MIT")
        (doc / "libfoo1").symlink_to("/usr/share/doc/libfoo-common")
        appdir = AppDir(tmp_path / "AppDir", "x")
        copy_licences(["libfoo1"], appdir, System(tmp_path, ()))
        assert (appdir.usr / "share" / "doc" / "libfoo1" / "copyright").read_text() == "MIT"

    def test_none(self, tmp_path: Path) -> None:
        appdir = AppDir(tmp_path / "AppDir", "x")
        copy_licences(["libfoo1"], appdir, System(tmp_path, ()))
        assert not appdir.root.exists()


class TestSuggestions:
    @pytest.fixture(autouse=True)
    def apt(self, monkeypatch: pytest.MonkeyPatch) -> None:
        known = "libxcb-cursor0 libx11-6 libglib2.0-0 libssl3t64 libtcl8.6 libqt6core6 zlib1g libdb5.3 libfoo-bar2"
        monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
        monkeypatch.setattr("hatch_appimage.libraries.debian.run", lambda *_, **__: known.replace(" ", "\n"))

    @pytest.mark.parametrize(
        ("soname", "package"),
        [
            ("libxcb-cursor.so.0", "libxcb-cursor0"),
            ("libX11.so.6", "libx11-6"),
            ("libglib-2.0.so.0", "libglib2.0-0"),
            ("libssl.so.3", "libssl3t64"),
            ("libtcl8.6.so", "libtcl8.6"),
            ("libQt6Core.so.6", "libqt6core6"),
            ("libdb-5.3.so", "libdb5.3"),
            ("libfoo_bar.so.2", "libfoo-bar2"),
        ],
    )
    def test_names_by_policy(self, soname: str, package: str) -> None:
        assert suggest_packages([soname]) == {soname: package}

    @pytest.mark.parametrize("soname", ["libunknown.so.1", "no library", ""])
    def test_unknown(self, soname: str) -> None:
        assert suggest_packages([soname]) == {}

    def test_apt_fails(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def run(*_: object, **__: object) -> str:
            raise ProcessError("no lists", "", 100)

        monkeypatch.setattr("hatch_appimage.libraries.debian.run", run)
        assert suggest_packages(["libX11.so.6"]) == {}

    def test_not_debian(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("shutil.which", lambda _: None)
        assert suggest_packages(["libX11.so.6"]) == {}
