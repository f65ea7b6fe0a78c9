# SPDX-License-Identifier: MIT
"""What a build tells."""

from __future__ import annotations

import json
import re
import time
from dataclasses import replace
from io import StringIO
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from packaging.markers import default_environment
from packaging.version import Version

from hatch_appimage.appdir.bytecode import Bytecode
from hatch_appimage.appdir.launcher import Launcher
from hatch_appimage.appdir.outside import LIBRARY, OutsideFile
from hatch_appimage.appdir.startup import StartupOrder
from hatch_appimage.appdir.startup_file import StartupFile
from hatch_appimage.appdir.trace import Outside, TraceFile
from hatch_appimage.desktop.files import DesktopIntegration
from hatch_appimage.elf_strip import Stripped
from hatch_appimage.errors import AppImageError
from hatch_appimage.image.self_test import SelfTest
from hatch_appimage.image.test_command import ImageTest
from hatch_appimage.image.write import Image
from hatch_appimage.introspection.collect import Introspection
from hatch_appimage.layout import AppDir, ExtraFiles
from hatch_appimage.libraries.bundle import BundledLibrary, Libraries, MissingLibrary, OptionalLibrary, SystemLibrary
from hatch_appimage.libraries.c_library import CLibrary, NoCLibrary
from hatch_appimage.libraries.lock import LibraryLock, PinnedPackage, PinnedPackages
from hatch_appimage.libraries.symbol_versions import Exceeding, RequiredVersion, Requirements
from hatch_appimage.libraries.verdict import find_verdict
from hatch_appimage.packages.install import Installation, Package
from hatch_appimage.packages.lock import Lock
from hatch_appimage.packages.provenance import Provenance
from hatch_appimage.project.wheel import Wheel
from hatch_appimage.python import BundledPython
from hatch_appimage.python.installed import Records
from hatch_appimage.python.patch_stdlib import Patches
from hatch_appimage.report import File, Report, Steps, describe, list_files
from hatch_appimage.sources.imports import Reached
from hatch_appimage.sources.reach import Reach
from hatch_appimage.squashfs import Span, SquashFSReport
from hatch_appimage.text import format_size
from hatch_appimage.trim.packages import Saved, Trimmed
from hatch_appimage.trim.restore import Restored
from hatch_appimage.trim.tkinter import Tkinter

SQUASHFS = SquashFSReport(
    bytes_used=900,
    inodes=5,
    files=3,
    file_bytes=4000,
    duplicates=1,
    fragments=1,
    front=Span(100, 500),
    ordered_last=Span(900, 950),
    compression="zstd",
    level=19,
    block_size=131072,
)


NOT_FETCHED = {"version": None, "digest": None}
LIBRARIES = Libraries(
    bundled=(BundledLibrary("libssl.so.3", "/usr/lib/libssl.so.3", "libssl3", 700), BundledLibrary("a", "/a", None, 1)),
    from_system=(SystemLibrary("libGL.so.1", "graphics"), SystemLibrary("libc.so.6", "glibc")),
    by_name=("libb.so",),
    ignored=("libc.so",),
    dropped={
        "usr/lib/python3.12/lib-dynload/_x.so": "libx.so.1",
        "usr/lib/Qt6/plugins/b.so": "libQt6Scxml.so.6",
        "usr/lib/Qt6/plugins/a.so": "libQt63DCore.so.6",
    },
    patched=3,
    optional=(OptionalLibrary("libcups.so.2", ("usr/lib/cups.so", "usr/lib/print.so")),),
    missing=(MissingLibrary("libtbb.so.12", ("usr/lib/t.so",), None),),
    executable_stacks=("usr/lib/s.so",),
    isa_levels={"usr/lib/u.so": 2, "usr/lib/v.so": 3, "usr/lib/w.so": 3},
    own_loaders={"usr/bin/n": "/nix/ld.so"},
)
REQUIREMENTS = Requirements(
    (
        RequiredVersion("GLIBC", (2, 35), ("usr/lib/a", "usr/lib/b")),
        RequiredVersion("GLIBCXX", (3, 4, 29), ("usr/lib/c",)),
    ),
    (Exceeding("usr/lib/libcrypt.so.1", "GLIBC", (2, 36), ("_crypt",)),),
)

C_LIBRARY = CLibrary(
    "glibc",
    (2, 36),
    RequiredVersion("GLIBC", (2, 35), ("usr/lib/a",)),
    "ld.so",
    (
        BundledLibrary("glibc/ld.so", "/lib/ld.so", "libc6", 200_000),
        BundledLibrary("glibc/libc.so.6", "/lib/libc.so.6", "libc6", 1_900_000),
    ),
    2_100_000,
)


FETCHED = PinnedPackages(
    "debian:12", (PinnedPackage("libx1", "2.0-1", "pool/libx1_2.0-1_amd64.deb", 70_500, "ab" * 32, ("Expat",)),)
)
INTROSPECTION = Introspection(("GLib-2.0", "Gtk-4.0"), {"Adw-1": "none"}, ("im-ibus.so",), schemas=3, data=1_200_000)


@pytest.fixture
def report() -> Report:
    return Report(
        name="My App",
        version="1.2",
        architecture="x86_64",
        path=Path("dist/My_App.AppImage"),
        image=Image(Path("/tmp/x/a.AppImage"), 12_345_678, "ab" * 32, SQUASHFS),
        runtime="/opt/runtime",
        python=BundledPython(
            version="3.12.1",
            executable=Path("/a/py"),
            stdlib=Path("/a/lib"),
            site_packages=(Path("/a/site"),),
            interpreter=Path("/usr/bin/py"),
            origin=Path("/usr"),
            stripped=Stripped(2, 12_000_000),
        ),
        launcher=Launcher("usr/bin/my-app", ("flask", "my-app"), ("other", "python")),
        trimmed=Trimmed(
            {"tests": Saved(1203, 48_300_000), "exclude-files": Saved(1, 999)},
            {"pkg/tests": "pkg/use.py names it"},
            {"numpy.tests": "tests"},
        ),
        stripped={
            "python": Stripped(2, 12_000_000),
            "libraries": Stripped(),
            "packages": Stripped(1, 3_500, {"usr/lib/x/b.so": "it is odd"}),
        },
        bytecode=Bytecode(900, 3, 1, 800, 12_000_000, {"a.py names them": 2}),
        packages=(Package("my-app", "1.2", 500), Package("flask", "3.1", 300_000), Package("abc", "1", 500)),
        lock=Lock(Path("/p/uv.lock"), found="beside pyproject.toml"),
        library_lock=None,
        provenance=Provenance(*(f"usr/share/my-app/{name}" for name in ("pylock.toml", "sbom.cdx.json", "build.json"))),
        libraries=LIBRARIES,
        introspection=INTROSPECTION,
        c_library=NoCLibrary('`glibc = "host"`'),
        requirements=REQUIREMENTS,
        verdict=find_verdict(REQUIREMENTS, "x86_64", ["libGL.so.1", "libc.so.6", "libstdc++.so.6"]),
        outside=(OutsideFile(LIBRARY, "liba.so.1", "/lib/liba.so.1", "app, line 3"),),
        files=tuple(File(f"usr/{number:02}", size) for number, size in enumerate([5, 900_000, *[7] * 11, 1_000])),
        seconds={"wheel": 1.23456, "python": 0.5},
        warnings=("beware",),
    )


@pytest.mark.parametrize(
    ("lock", "pinned"),
    [
        (None, "not pinned: `library-lock` does that"),
        (LibraryLock(Path("/p/appimage.libraries.toml")), "pinned by appimage.libraries.toml"),
    ],
)
def test_fetched_packages(report: Report, lock: LibraryLock | None, pinned: str) -> None:
    report = replace(report, libraries=replace(LIBRARIES, fetched=FETCHED), library_lock=lock)
    assert f"\n  fetched    1 package of debian:12, 70.5 kB; {pinned}\n" in report.summary()
    package = {
        "name": "libx1",
        "version": "2.0-1",
        "file": "pool/libx1_2.0-1_amd64.deb",
        "size": 70_500,
        "sha256": "ab" * 32,
        "licences": ["Expat"],
    }
    fetched = json.loads(report.to_json())["libraries"]["fetched"]
    assert fetched == {"system": "debian:12", "packages": [package], "missing": []}


def test_summary(report: Report) -> None:
    assert report.summary() == (
        "My App 1.2 for x86_64\n"
        "  image      dist/My_App.AppImage\n"
        "  size       12.3 MB; 901.1 kB in 14 files unpacked\n"
        "  starts     usr/bin/my-app\n"
        "  by links   other, python\n"
        "  python     Python 3.12.1 from /usr/bin/py, stripped\n"
        "  runtime    /opt/runtime\n"
        f"  sha256     {'ab' * 32}\n"
        "  needs      glibc 2.35 or newer, for usr/lib/a and 1 more\n"
        "             GLIBCXX 3.4.29\n"
        "             _crypt needs glibc 2.36 (usr/lib/libcrypt.so.1)\n"
        "  runs on    Debian 12+, Ubuntu 22.04+, RHEL 10+, Fedora 36+, openSUSE Leap 15.6+, openSUSE Tumbleweed, "
        "Arch Linux\n"
        "             limited by GLIBC 2.35 of usr/lib/a and 1 more, GLIBCXX 3.4.29 of usr/lib/c\n"
        "  processor  x86-64-v3, for usr/lib/v.so and 1 more\n"
        "  libraries  2 bundled, 3 modules and plugins left out, 1 missing; the target system must "
        "have libGL.so.1\n"
        "             it may have libcups.so.2, for cups.so and 1 more\n"
        "             without a.so and 1 more, which need modules of Qt that are not installed\n"
        "             without _x.so, which needs libx.so.1\n"
        "  pygobject  typelibs of GLib-2.0, Gtk-4.0; 1 modules; schemas from 3 files; 1.2 MB of icons, "
        "translations and other data\n"
        "  left out   tests 48.3 MB in 1203 files, exclude-files 999 B in 1 file\n"
        "  stripped   python 12.0 MB in 2 files, packages 3.5 kB in 1 file (1 left unchanged)\n"
        "  bytecode   900 modules, optimized as by -O, 800 of them without 12.0 MB of sources\n"
        "             2 keep sources: a.py names them\n"
        "  lock       uv.lock (found beside pyproject.toml; `lock = false` leaves it aside); in the image: "
        "usr/share/my-app/pylock.toml, sbom.cdx.json, build.json\n"
        "  packages   3\n"
        "     300.0 kB  flask 3.1\n"
        "        500 B  abc 1\n"
        "        500 B  my-app 1.2\n"
        "  largest files\n"
        "     900.0 kB  usr/01\n"
        "       1.0 kB  usr/13\n"
        "          7 B  usr/02\n"
        "          7 B  usr/03\n"
        "          7 B  usr/04\n"
        "          7 B  usr/05\n"
        "          7 B  usr/06\n"
        "          7 B  usr/07\n"
        "          7 B  usr/08\n"
        "          7 B  usr/09"
    )


def test_json(report: Report) -> None:
    document: dict[str, Any] = json.loads(report.to_json())
    largest = document.pop("largest_files")
    runs_on = document.pop("runs_on")
    assert document == {
        "version": 1,
        "project": {"name": "My App", "version": "1.2"},
        "image": {
            "path": "dist/My_App.AppImage",
            "architecture": "x86_64",
            "size": 12_345_678,
            "sha256": "ab" * 32,
            "runtime": "/opt/runtime",
            "squashfs": {
                "bytes_used": 900,
                "inodes": 5,
                "files": 3,
                "file_bytes": 4000,
                "duplicates": 1,
                "fragments": 1,
                "front": [100, 500],
                "ordered_last": [900, 950],
                "compression": "zstd",
                "level": 19,
                "block_size": 131072,
            },
        },
        "appdir": {"size": 901_082, "files": 14},
        "python": {"version": "3.12.1", "interpreter": "/usr/bin/py", "stripped": True},
        "entry_point": "usr/bin/my-app",
        "commands": ["flask", "my-app"],
        "links": ["other", "python"],
        "trim": {
            "groups": {"tests": {"files": 1203, "size": 48_300_000}, "exclude-files": {"files": 1, "size": 999}},
            "kept": {"pkg/tests": "pkg/use.py names it"},
            "modules": {"numpy.tests": "tests"},
            "packages": [],
        },
        "strip": {
            "groups": {"python": {"files": 2, "size": 12_000_000}, "packages": {"files": 1, "size": 3_500}},
            "kept": {"usr/lib/x/b.so": "it is odd"},
        },
        "introspection": {
            "typelibs": ["GLib-2.0", "Gtk-4.0"],
            "missing": ["Adw-1"],
            "modules": ["im-ibus.so"],
            "schemas": 3,
            "data_size": 1_200_000,
            "translations": [],
        },
        "bytecode": {
            "compiled": 900,
            "skipped": 3,
            "level": 1,
            "removed": 800,
            "saved": 12_000_000,
            "kept": {"a.py names them": 2},
        },
        "packages": [
            {"name": "my-app", "version": "1.2", "size": 500},
            {"name": "flask", "version": "3.1", "size": 300_000},
            {"name": "abc", "version": "1", "size": 500},
        ],
        "libraries": {
            "bundled": [
                {
                    "soname": "libssl.so.3",
                    "source": "/usr/lib/libssl.so.3",
                    "package": "libssl3",
                    "size": 700,
                    **NOT_FETCHED,
                },
                {"soname": "a", "source": "/a", "package": None, "size": 1, **NOT_FETCHED},
            ],
            "from_system": [{"soname": "libGL.so.1", "group": "graphics"}, {"soname": "libc.so.6", "group": "glibc"}],
            "by_name": ["libb.so"],
            "ignored": ["libc.so"],
            "optional": [{"soname": "libcups.so.2", "files": ["usr/lib/cups.so", "usr/lib/print.so"]}],
            "dropped": {
                "usr/lib/python3.12/lib-dynload/_x.so": "libx.so.1",
                "usr/lib/Qt6/plugins/b.so": "libQt6Scxml.so.6",
                "usr/lib/Qt6/plugins/a.so": "libQt63DCore.so.6",
            },
            "missing": [{"soname": "libtbb.so.12", "files": ["usr/lib/t.so"], "package": None}],
            "executable_stacks": ["usr/lib/s.so"],
            "isa_levels": {"usr/lib/u.so": "x86-64-v2", "usr/lib/v.so": "x86-64-v3", "usr/lib/w.so": "x86-64-v3"},
            "own_loaders": {"usr/bin/n": "/nix/ld.so"},
            "fetched": {"system": "", "packages": [], "missing": []},
        },
        "lock": {"path": "/p/uv.lock", "found": "beside pyproject.toml"},
        "provenance": {
            "pylock": "usr/share/my-app/pylock.toml",
            "sbom": "usr/share/my-app/sbom.cdx.json",
            "build_record": "usr/share/my-app/build.json",
            "library_lock": None,
        },
        "requires": [
            {"family": "GLIBC", "version": "2.35", "files": ["usr/lib/a", "usr/lib/b"]},
            {"family": "GLIBCXX", "version": "3.4.29", "files": ["usr/lib/c"]},
        ],
        "glibc": {"bundled": False, "reason": '`glibc = "host"`'},
        "musl": None,
        "exceeding": [
            {"file": "usr/lib/libcrypt.so.1", "family": "GLIBC", "version": "2.36", "modules": ["_crypt"]},
        ],
        "outside": [
            {
                "kind": "library",
                "entry": "liba.so.1",
                "path": "/lib/liba.so.1",
                "by": "app, line 3",
                "by_path": False,
            },
        ],
        "steps": [{"name": "wheel", "seconds": 1.235}, {"name": "python", "seconds": 0.5}],
        "warnings": ["beware"],
    }
    assert len(largest) == 10
    assert largest[0] == {"path": "usr/01", "size": 900_000}
    assert runs_on == report.verdict.to_dict()


def test_nothing_but_glibc_and_nothing_at_all(report: Report) -> None:
    plain = replace(LIBRARIES, from_system=(SystemLibrary("libc.so.6", "glibc"),), dropped={}, missing=())
    summary = replace(report, libraries=plain).summary()
    assert "\n  libraries  2 bundled; the target system must have nothing but glibc\n" in summary
    static = replace(
        report, requirements=Requirements(()), verdict=find_verdict(Requirements(()), "x86_64", [])
    ).summary()
    assert "\n  needs " not in static
    assert re.search(r"\n  runs on    Debian 9\+, .*, Alpine, NixOS\n  processor ", static)
    assert "\n  processor " not in replace(report, libraries=replace(LIBRARIES, isa_levels={})).summary()


def test_names_that_are_not_utf8(report: Report) -> None:
    """They must not end a build that made its image: everything can be printed and written."""
    strange = replace(report, files=(File("usr/\udcff", 1),))
    strange.to_json().encode()
    strange.summary().encode()


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1_000, "1.0 kB"),
        (1_049, "1.0 kB"),
        (1_050_000, "1.1 MB"),
        (999_999, "1.0 MB"),
        (123_456_789, "123.5 MB"),
        (1_500_000_000, "1500.0 MB"),
    ],
)
def test_format_size(size: int, expected: str) -> None:
    assert format_size(size) == expected


def test_list_files(tmp_path: Path) -> None:
    (tmp_path / "usr").mkdir()
    (tmp_path / "usr" / "a").write_bytes(b"123")
    (tmp_path / "b").write_bytes(b"1")
    (tmp_path / "link").symlink_to("b")
    assert list_files(AppDir(tmp_path, "x")) == (File("b", 1), File("usr/a", 3))


def test_c_library(report: Report) -> None:
    """It is in the image: what needs it says so, and so does the JSON."""
    report = replace(report, c_library=C_LIBRARY)
    assert (
        "  needs      glibc 2.35 or newer, for usr/lib/a and 1 more; it is in the image where the system has none\n"
    ) in report.summary()
    assert json.loads(report.to_json())["glibc"] == {
        "bundled": True,
        "version": "2.36",
        "needed": "2.35",
        "size": 2_100_000,
        "libraries": [
            {"soname": "glibc/ld.so", "source": "/lib/ld.so", "package": "libc6", "size": 200_000, **NOT_FETCHED},
            {
                "soname": "glibc/libc.so.6",
                "source": "/lib/libc.so.6",
                "package": "libc6",
                "size": 1_900_000,
                **NOT_FETCHED,
            },
        ],
    }


def test_musl(report: Report) -> None:
    """It is in the image for every system: nothing is needed, and the JSON has it beside glibc."""
    files = (BundledLibrary("musl/lib/ld-musl-x86_64.so.1", "/lib/libc.so", None, 600_000),)
    own = CLibrary("musl", (1, 2, 5), None, "lib/ld-musl-x86_64.so.1", files, 600_000)
    libraries = replace(LIBRARIES, from_system=(SystemLibrary("libc.so", "musl"),))
    report = replace(report, c_library=own, libraries=libraries, requirements=Requirements(()))
    assert "  needs      no C library of the system: musl 1.2.5 is in the image\n" in report.summary()
    assert "; the target system must have nothing\n" in report.summary()
    assert describe(own) == "musl 1.2.5 for every system, 600.0 kB"
    document = json.loads(report.to_json())
    assert document["glibc"] == {"bundled": False, "reason": "the bundled Python is for musl"}
    assert document["musl"] == {
        "version": "1.2.5",
        "size": 600_000,
        "libraries": [
            {
                "soname": "musl/lib/ld-musl-x86_64.so.1",
                "source": "/lib/libc.so",
                "package": None,
                "size": 600_000,
                **NOT_FETCHED,
            }
        ],
    }


class TestDescribe:
    @pytest.mark.parametrize(
        ("result", "words"),
        [
            (Wheel(Path("/w/a-1-py3-none-any.whl"), "a", Version("1"), pure=True), "a-1-py3-none-any.whl"),
            (Installation((), (), (), default_environment()), "0 packages"),
            (
                Installation((Package("a", "1", 5),), (), (), default_environment(), Lock(Path("/p/uv.lock"))),
                "1 packages as locked by uv.lock",
            ),
            (Launcher("usr/bin/my-app", ("flask",), ()), "usr/bin/my-app"),
            (
                DesktopIntegration("a.desktop", "a.png", icon_generated=True, metainfo="a.metainfo.xml", obstacle=None),
                "a.desktop, a.png (generated), a.metainfo.xml",
            ),
            (
                DesktopIntegration("a.desktop", "a.svg", icon_generated=False, metainfo=None, obstacle="an id"),
                "a.desktop, a.svg; software centres show nothing of it: that needs an id",
            ),
            (
                DesktopIntegration("a.desktop", "a.svg", icon_generated=False, metainfo=None, obstacle=None),
                "a.desktop, a.svg",
            ),
            (ExtraFiles(2), "2 extra files"),
            (Restored({}), "nothing is needed"),
            (Restored({"idlelib": "pkg/a.py names it"}), "idlelib: pkg/a.py names it"),
            (Reach({"a": Reached(Path("/a.py"), None)}, frozenset()), "1 modules are within reach"),
            (Tkinter(kept=True, reason="a imports it"), "tkinter kept: a imports it"),
            (Trimmed({}), "nothing"),
            (Tkinter(kept=False, reason="`tkinter = false`"), "tkinter left out: `tkinter = false`"),
            (replace(LIBRARIES, dropped={"a": "b", "c": "d"}), "2 bundled, 2 modules and plugins left out, 1 missing"),
            (replace(LIBRARIES, dropped={}, missing=()), "2 bundled"),
            (Introspection(), "nothing uses PyGObject"),
            (Introspection(modules=("a.so", "b.so")), "nothing uses PyGObject; 2 plugins of GStreamer for Qt"),
            (Introspection(missing={"Gtk-4.0": "none"}), "no typelib is there"),
            (C_LIBRARY, "glibc 2.36 for systems with an older one than 2.35, 2.1 MB"),
            (NoCLibrary("nothing needs one"), "the target system's: nothing needs one"),
            (Patches(("curses", "ssl")), "curses, ssl"),
            (
                Provenance("usr/share/a/pylock.toml", "usr/share/a/sbom.cdx.json", "usr/share/a/build.json"),
                "usr/share/a/pylock.toml, sbom.cdx.json, build.json",
            ),
            (
                Provenance("usr/share/a/p", "usr/share/a/s", "usr/share/a/b", "usr/share/a/l"),
                "usr/share/a/p, l, s, b",
            ),
            (FETCHED, "1 package of debian:12, 70.5 kB"),
            (LibraryLock(Path("/p/a.toml")), "/p/a.toml says from now on what libraries are fetched from"),
            (Bytecode(compiled=3, skipped=1), "3 modules"),
            (Bytecode(compiled=0, skipped=0), "none"),
            (Bytecode(compiled=3, skipped=1, level=2), "3 modules, optimized as by -OO"),
            (Bytecode(3, 1, removed=2, saved=5000), "3 modules, 2 of them without 5.0 kB of sources"),
            (StartupOrder(("a", "b")), "2 files are read at every start"),
            (StartupOrder(("a",), command="app 'x\n'"), r"1 files are read at every start, as `app 'x\n'` shows"),
            (StartupOrder(("a",), stored=Path("/p/a.txt")), "1 files are read at every start, says a.txt"),
            (StartupFile(Path("/p/a.txt")), "/p/a.txt says from now on what a start reads"),
            (Outside(), "nothing was opened there"),
            (Outside((OutsideFile(LIBRARY, "a", "/a", ""),)), "1 files were opened there"),
            (TraceFile(Path("/p/a.txt")), "/p/a.txt brings these files into the image from the next build on"),
            (REQUIREMENTS, "glibc 2.35 for a start"),
            (Requirements((), ()), "no glibc for a start"),
            (Image(Path("/tmp/x/a.AppImage"), 1, "ab", SQUASHFS), "a.AppImage"),
            (ImageTest("{appimage} --help"), "{appimage} --help"),
            (ImageTest(None), "not run"),
            (SelfTest(12), "12 parts work"),
            (SelfTest(12, ("a", "b")), "12 parts work, 2 skipped"),
            (SelfTest(None), "not run"),
        ],
    )
    def test_words(self, result: object, words: str) -> None:
        assert describe(result) == words

    def test_unknown(self) -> None:
        with pytest.raises(TypeError, match="No words for int"):
            describe(1)


class TestSteps:
    def test_shows_result_and_time(self) -> None:
        lines: list[str] = []
        step = Steps(lines.append)
        assert step("records", Records, count=2) == Records(2)
        assert list(step.seconds) == ["records"]
        assert lines == ["  records      0.0 s  2 RECORD files"]

    def test_shows_the_running_step_on_a_terminal(self) -> None:
        terminal = StringIO()
        shown: list[str] = []
        step = Steps(lambda _: shown.append(terminal.getvalue()), terminal)
        assert step("test", lambda: ImageTest(terminal.getvalue())).command == "\r  test       ...\x1b[K"
        assert shown[0] == "\r  test       ...\x1b[K\r\x1b[K"

    def test_two_at_the_same_time(self) -> None:
        lines: list[str] = []
        step = Steps(lines.append)
        begun, ended = Event(), Event()

        def meanwhile() -> Records:
            begun.set()
            assert ended.wait(60)
            return Records(1)

        with step.meanwhile("python", meanwhile) as finish:
            assert begun.wait(60)
            step("wheel", Records, count=2)
            ended.set()
        assert [line.split()[0] for line in lines] == ["wheel"]
        assert finish() == Records(1)
        assert [line.split()[0] for line in lines] == ["wheel", "python"]
        assert list(step.seconds) == ["wheel", "python"]

    @pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
    def test_failure_waits_for_the_other_step(self, error: type[BaseException]) -> None:
        lines: list[str] = []
        step = Steps(lines.append)
        begun, ended = Event(), Event()

        def meanwhile() -> None:
            begun.set()
            time.sleep(0.1)
            ended.set()
            raise AppImageError("the step that runs meanwhile")

        def fail() -> None:
            with step.meanwhile("python", meanwhile):
                assert begun.wait(60)
                raise error

        with pytest.raises(error):
            fail()
        assert ended.is_set()
        assert (lines, step.seconds) == ([], {})

    @pytest.mark.parametrize(
        ("meanwhile", "told"),
        [(OSError(28, "No space left on device"), "No space"), (AppImageError("no Python"), "uv ended with signal 6")],
    )
    def test_failure_of_both(self, meanwhile: Exception, told: str) -> None:
        """A full disk is told as such, whatever programs say of it."""
        step = Steps(lambda _: None)

        def fail(error: Exception) -> None:
            raise error

        def fail_twice() -> None:
            with step.meanwhile("python", fail, meanwhile):
                step("wheel", fail, AppImageError("uv ended with signal 6"))

        with pytest.raises((AppImageError, OSError), match=told):
            fail_twice()

    def test_failure_of_the_other_step(self) -> None:
        step = Steps(lambda _: None)
        with step.meanwhile("python", divmod, 1, 0) as finish:
            step("wheel", Records, count=2)
        with pytest.raises(ZeroDivisionError):
            finish()
        assert list(step.seconds) == ["wheel"]

    def test_failure_leaves_a_clean_line(self) -> None:
        terminal = StringIO()
        lines: list[str] = []
        step = Steps(lines.append, terminal)
        with pytest.raises(ZeroDivisionError):
            step("wheel", divmod, 1, 0)
        assert terminal.getvalue().endswith("\r\x1b[K")
        assert lines == []
        assert step.seconds == {}
