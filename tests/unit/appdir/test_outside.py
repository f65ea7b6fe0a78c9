# SPDX-License-Identifier: MIT
"""Which files count as outside of an image, and are to be told of."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hatch_appimage.appdir import outside
from hatch_appimage.appdir.loader_log import Load
from hatch_appimage.appdir.outside import FILE, LIBRARY, MODULE, TYPELIB, OutsideFile, OutsideSearch
from hatch_appimage.appdir.seen import Opened, Seen
from hatch_appimage.architecture import native_architecture
from hatch_appimage.layout import AppDir
from hatch_appimage.libraries.policy import LibraryPolicy
from hatch_appimage.system import System
from support.elf_fixtures import library

MOUNT = "/tmp/.mount_appXYZ"  # where nothing is any more


@pytest.fixture
def lib(tmp_path: Path) -> Path:
    """Return the machine's directory of libraries."""
    lib = tmp_path / "machine" / "lib"
    for soname in ("liba.so.1", "libb.so.1", "libGL.so.1", "libdriver.so", "libplugin.so"):
        library(soname).write(lib / soname)
    return lib


@pytest.fixture
def search(tmp_path: Path, lib: Path) -> OutsideSearch:
    appdir = AppDir(tmp_path / "AppDir", "app")
    for name in ("usr/bin/python3", "usr/lib/_ctypes.cpython-312-x86_64-linux-gnu.so", "usr/lib/libin.so.1"):
        (appdir.root / name).parent.mkdir(parents=True, exist_ok=True)
        (appdir.root / name).touch()
    system = System(Path("/"), (lib,))
    return OutsideSearch(appdir, native_architecture(), LibraryPolicy(), system)


def opened(path: str | Path, loader: str | Path, name: str = "") -> Load:
    return Load(name or str(path).rpartition("/")[2], str(path), str(loader), needed=False)


def needed(path: str | Path, loader: str | Path) -> Load:
    return replace(opened(path, loader), needed=True)


class TestLibraries:
    @pytest.mark.parametrize("root", ["AppDir", MOUNT])
    def test_opened_by_python(self, tmp_path: Path, lib: Path, search: OutsideSearch, root: str) -> None:
        """Wherever the image is mounted; what the library needs comes with it."""
        ctypes = f"{tmp_path / root}/usr/lib/_ctypes.cpython-312-x86_64-linux-gnu.so"
        loads = (
            needed(lib / "libc.so.6", f"{tmp_path / root}/usr/bin/python3"),
            opened(f"{tmp_path / root}/usr/lib/libin.so.1", ctypes),
            opened(lib / "liba.so.1", ctypes),
            needed(lib / "libb.so.1", lib / "liba.so.1"),
        )
        path = str(lib / "liba.so.1")
        found = search.find([Seen(loads), Seen(loads, libraries=(Opened("liba.so.1", "app.main", 7),))])
        assert found == (OutsideFile(LIBRARY, "liba.so.1", path, "_ctypes"),)
        found = search.find([Seen(loads, libraries=(Opened("liba.so.1", "app.main", 7),))])
        assert found == (OutsideFile(LIBRARY, "liba.so.1", path, "app.main, line 7"),)

    def test_opened_by_libraries(self, lib: Path, search: OutsideSearch) -> None:
        """Those of what the machine brings are of one build with it; those of others would be missed."""
        python = search.appdir.bin / "python3"
        loads = (
            needed(lib / "libGL.so.1", search.appdir.lib / "libin.so.1"),
            opened(lib / "libdriver.so", lib / "libGL.so.1"),
            needed(lib / "libb.so.1", lib / "libdriver.so"),
            opened(lib / "liba.so.1", python),
            opened(lib / "libplugin.so", lib / "liba.so.1"),
        )
        assert [file.entry for file in search.find([Seen(loads)])] == ["liba.so.1", "libplugin.so"]

    def test_what_comes_with_another(self, lib: Path, search: OutsideSearch) -> None:
        """Nobody has to add what the advice for a library brings, nor could an application use it by itself."""
        companion = library("libsoftokn3.so").write(lib / "libsoftokn3.so")
        nss = library("libnss3.so").write(lib / "libnss3.so")
        alone = (opened(companion, search.appdir.bin / "python3"),)
        assert [file.entry for file in search.find([Seen(alone)])] == ["libsoftokn3.so"]
        loads = (opened(nss, search.appdir.bin / "python3"), opened(companion, nss))
        assert [file.entry for file in search.find([Seen(loads)])] == ["libnss3.so"]

    def test_opened_by_other_programs(self, lib: Path, search: OutsideSearch) -> None:
        loads = (opened(lib / "liba.so.1", "bash"), opened(lib / "libb.so.1", "/usr/bin/git"))
        assert search.find([Seen(loads)]) == ()

    def test_that_go_round(self, lib: Path, search: OutsideSearch) -> None:
        loads = (opened(lib / "liba.so.1", lib / "libb.so.1"), opened(lib / "libb.so.1", lib / "liba.so.1"))
        assert search.find([Seen(loads)]) == ()

    def test_that_stay_the_machines(self, lib: Path, search: OutsideSearch) -> None:
        """By whichever link."""
        (lib / "libGL.so").symlink_to("libGL.so.1")
        loads = tuple(opened(lib / name, search.appdir.bin / "python3") for name in ("libGL.so", "liba.so.1"))
        assert [file.entry for file in search.find([Seen(loads)])] == ["liba.so.1"]
        policy = LibraryPolicy(exclude_libraries=("liba.so.*",))
        assert replace(search, policy=policy).find([Seen(loads)]) == ()

    def test_names(self, tmp_path: Path, lib: Path, search: OutsideSearch) -> None:
        """A path stands for a library only where its name does not lead to it."""
        elsewhere = library("libe.so.1").write(tmp_path / "opt" / "libe.so.1")
        python = search.appdir.bin / "python3"
        loads = (
            opened(elsewhere, python, name=str(elsewhere)),
            opened(lib / "liba.so.1", python, name=str(lib / "liba.so.1")),
            opened(tmp_path / "gone.so", python),
        )
        assert search.find([Seen(loads)]) == (
            OutsideFile(LIBRARY, str(elsewhere), str(elsewhere), "python3", by_path=True),
            OutsideFile(LIBRARY, "liba.so.1", str(lib / "liba.so.1"), "python3", by_path=True),
        )

    def test_names_of_other_systems(self, tmp_path: Path, search: OutsideSearch) -> None:
        """Those of a sysroot are found by their names, wherever this machine has its own."""
        elsewhere = library("libe.so.1").write(tmp_path / "opt" / "libe.so.1")
        search = replace(search, system=System(tmp_path / "old", ()))
        (file,) = search.find([Seen((opened(elsewhere, search.appdir.bin / "python3"),))])
        assert file.entry == "libe.so.1"

    def test_modules_of_the_machine(self, tmp_path: Path, search: OutsideSearch) -> None:
        path = library("").write(tmp_path / "dist-packages" / "apt_pkg.cpython-312-x86_64-linux-gnu.so")
        (file,) = search.find([Seen((opened(path, search.appdir.bin / "python3", name=str(path)),))])
        assert (file.kind, file.entry) == (MODULE, str(path))

    def test_of_musl(self, lib: Path, search: OutsideSearch) -> None:
        """Its loader says nothing."""
        mapped = tuple(Opened(str(lib / name)) for name in ("liba.so.1", "libb.so.1", "libGL.so.1"))
        names = (Opened("liba.so.1", "app", 3), Opened("libGL.so.1", "app", 4), Opened("libgone.so", "app", 5))
        found = search.find([Seen(files=mapped, libraries=names)])
        assert found == (OutsideFile(LIBRARY, "liba.so.1", str(lib / "liba.so.1"), "app, line 3"),)


def test_typelibs_by_name(search: OutsideSearch, lib: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the machine's libraries have them."""
    path = lib / "girepository-1.0" / "Gtk-4.0.typelib"
    path.parent.mkdir()
    path.touch()
    monkeypatch.setattr(outside, "_OF_PROGRAMS", (str(lib),))
    assert search.find([Seen(files=(Opened(str(path)),))]) == (OutsideFile(TYPELIB, "Gtk-4.0.typelib", str(path), ""),)


def test_programs_of_the_machine(search: OutsideSearch, tmp_path: Path, lib: Path) -> None:
    """What another process has opened the same library for says nothing of the application's."""
    ctypes = f"{tmp_path}/AppDir/usr/lib/_ctypes.cpython-312-x86_64-linux-gnu.so"
    of_program = replace(opened(lib / "liba.so.1", "/usr/bin/gpg"), process=1)
    own = replace(opened(lib / "liba.so.1", ctypes), process=2)
    assert [file.entry for file in search.find([Seen((of_program, own))])] == ["liba.so.1"]


def test_what_may_not_be_read(search: OutsideSearch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was tried, and not opened."""
    file = tmp_path / "a.dat"
    file.touch()
    monkeypatch.setattr(outside, "_OF_PROGRAMS", (str(tmp_path),))
    monkeypatch.setattr("os.access", lambda *_: False)
    assert search.find([Seen(files=(Opened(str(file)),))]) == ()


class TestFiles:
    @pytest.fixture(autouse=True)
    def all_there(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(outside, "_is_file", lambda path: "gone" not in path)

    @pytest.mark.parametrize(
        ("path", "kind", "entry"),
        [
            ("/usr/share/app/a.dat", FILE, "/usr/share/app/a.dat"),
            ("/usr/share/app/../app/a.dat", FILE, "/usr/share/app/a.dat"),
            ("/opt/app/a.dat", FILE, "/opt/app/a.dat"),
            ("/usr/lib/mutter-11/Meta-11.typelib", TYPELIB, "/usr/lib/mutter-11/Meta-11.typelib"),
            ("/usr/lib/python3/dist-packages/apt/a.py", MODULE, "/usr/lib/python3/dist-packages/apt/a.py"),
        ],
    )
    def test_told_of(self, search: OutsideSearch, path: str, kind: str, entry: str) -> None:
        (file,) = search.find([Seen(files=(Opened(path, "app", 2),))])
        assert (file.kind, file.entry, file.by) == (kind, entry, "app, line 2")

    @pytest.mark.parametrize(
        "path",
        [
            "/home/me/a.dat",
            "/etc/app.conf",
            "/etc/localtime",
            "/proc/self/maps",
            "/sys/kernel/mm/transparent_hugepage/enabled",
            "/dev/urandom",
            "/tmp/a.dat",
            "/var/lib/dbus/machine-id",
            "/usr/bin/git",
            "/usr/lib/locale/locale-archive",
            "/usr/lib/os-release",
            "/usr/lib/ssl/openssl.cnf",
            "/usr/lib/x86_64-linux-gnu/gconv/gconv-modules.cache",
            "/lib/terminfo/x/xterm",
            "/usr/share/zoneinfo/Europe/Berlin",
            "/usr/share/fonts/truetype/a.ttf",
            "/usr/local/share/fonts/a.ttf",
            "/usr/share/X11/locale/C/XLC_LOCALE",
            "/usr/share/icons/hicolor/icon-theme.cache",
            "/usr/share/mime/mime.cache",
            "/usr/share/glib-2.0/schemas/gschemas.compiled",
            "/usr/share/texmf/fonts/opentype/a.otf",
            "/usr/share/matplotlib/a.ttf",
            "/usr/lib/fontconfig/cache/a.cache-9",
            "/var/lib/sss/mc/passwd",
            "/usr/share/app/gone.dat",
            "/usr/share/app/\ud800\n.dat",
        ],
    )
    def test_not_told_of(self, search: OutsideSearch, path: str) -> None:
        assert search.find([Seen(files=(Opened(path, "app", 2),))]) == ()

    def test_meant_to_be_the_systems(self, search: OutsideSearch) -> None:
        files = (Opened("/usr/share/dict/words"), Opened("/usr/share/app/a.dat"))
        found = replace(search, system_files=("/usr/share/dict/*",)).find([Seen(files=files)])
        assert [file.entry for file in found] == ["/usr/share/app/a.dat"]

    def test_of_the_image(self, search: OutsideSearch) -> None:
        """Where it was mounted elsewhere."""
        assert search.find([Seen(files=(Opened(f"/opt{MOUNT}/usr/lib/libin.so.1"),))]) == ()

    def test_the_same_again(self, search: OutsideSearch) -> None:
        """Sorted, each once, and by whoever is known to have opened it."""
        a, b, c = (f"/usr/share/app/{name}" for name in "abc")
        runs = [Seen(files=(Opened(c, "x", 1), Opened(a))), Seen(files=(Opened(b), Opened(a, "y", 2)))]
        found = search.find(runs)
        assert [(file.entry, file.by) for file in found] == [(a, "y, line 2"), (b, ""), (c, "x, line 1")]
        assert search.find(reversed(runs)) == found


def test_libraries_are_no_data(search: OutsideSearch, lib: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is mapped because a driver has loaded it is told of by the loader, if by anybody."""
    monkeypatch.setattr(outside, "_OF_PROGRAMS", (f"{lib}/",))
    loads = (needed(lib / "libc.so.6", search.appdir.bin / "python3"),)
    assert search.find([Seen(loads, files=(Opened(str(lib / "libdriver.so")),))]) == ()
