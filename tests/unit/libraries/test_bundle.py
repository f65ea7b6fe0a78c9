# SPDX-License-Identifier: MIT
"""Libraries are copied, linked and found; real ones, compiled for the test."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import Any

import pytest

from hatch_appimage.architecture import native_architecture
from hatch_appimage.elf import read_elf, read_sections
from hatch_appimage.elf_strip import Stripped
from hatch_appimage.errors import AppImageError
from hatch_appimage.layout import AppDir
from hatch_appimage.libraries.bundle import (
    BundledLibrary,
    Libraries,
    MissingLibrary,
    SystemLibrary,
    bundle_libraries,
    explain_missing,
)
from hatch_appimage.libraries.policy import LibraryPolicy
from hatch_appimage.libraries.symbol_versions import find_requirements
from hatch_appimage.python import BundledPython
from hatch_appimage.system import System
from support.elf_fixtures import isa_level, library, program
from support.tools import require

SITE = "usr/lib/python3.12/site-packages"


@dataclass
class Build:
    """An AppDir and a machine with compiled libraries."""

    root: Path

    @property
    def appdir(self) -> AppDir:
        return AppDir(self.root / "App Dir", "my-app")

    @property
    def python(self) -> BundledPython:
        stdlib = self.appdir.lib / "python3.12"
        return BundledPython(
            version="3.12.0",
            executable=self.appdir.bin / "python3.12",
            stdlib=stdlib,
            site_packages=(stdlib / "site-packages",),
            interpreter=self.root / "python" / "bin" / "python3.12",
            origin=self.root / "python",
        )

    def compile(self, path: Path, *options: str | Path) -> Path:
        """Compile a library with one function, which is named like the file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        name = path.name.partition(".")[0]
        source = self.root / f"{name}.c"
        source.write_text(f"int {name}(void) {{ return 42; }}\n")
        command: list[str | Path] = [
            require("cc", "gcc"),
            "-shared",
            "-fPIC",
            "-nostdlib",
            f"-Wl,-soname,{path.name}",
            "-o",
            path,
            source,
        ]
        subprocess.run([*command, "-Wl,--no-as-needed", *options], check=True)
        return path

    def bundle(
        self,
        *,
        max_glibc: tuple[int, ...] | None = None,
        required: tuple[Path, ...] = (),
        musl: bool = False,
        strip: bool = True,
        traced: dict[str, str] | None = None,
        system: System | None = None,
        remedy: str = "",
        **policy: Any,
    ) -> Libraries:
        return bundle_libraries(
            self.appdir,
            native_architecture(),
            replace(self.python, musl=musl),
            LibraryPolicy(max_glibc=max_glibc, **policy),
            system=system or System(self.root / "machine", (self.root / "machine" / "lib",)),
            project=self.root / "project",
            traced=traced,
            required=required,
            strip=strip,
            remedy=remedy,
        )


@pytest.fixture
def build(tmp_path: Path) -> Build:
    return Build(tmp_path)


class TestBundle:
    def test_glibc_beside_musl(self, build: Build) -> None:
        """It is named before what it lacks, which would be no way out."""
        lib = build.root / "machine" / "lib"
        libc = build.compile(lib / "libc.so.6")
        missing = build.compile(build.root / "elsewhere" / "missing.so.1")
        build.compile(build.python.site_packages[0] / "module.so", missing, libc)
        with pytest.raises(
            AppImageError, match=r"^usr/lib/python3\.12/site-packages/module\.so is for glibc and does "
        ):
            build.bundle(musl=True, required=(build.python.site_packages[0] / "module.so",))

    def test_what_a_trace_names(self, build: Build) -> None:
        """A library that the machine has not any more is told of by the name of the file."""
        lib = build.root / "machine" / "lib"
        inner = build.compile(lib / "libinner.so.1")
        build.compile(lib / "libopened.so.1", inner)
        by_path = build.compile(build.root / "elsewhere" / "libother.so.2")
        build.compile(build.python.site_packages[0] / "module.so")
        found = build.bundle(traced={"libopened.so.1": "app.trace", str(by_path): "app.trace"})
        assert [each.soname for each in found.bundled] == ["libinner.so.1", "libopened.so.1", "libother.so.2"]
        with pytest.raises(AppImageError, match=r"^app\.trace names libgone\.so\.1, which this machine does not have"):
            build.bundle(traced={"libgone.so.1": "app.trace"})

    def test_what_packages_open_by_name(
        self, build: Build, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What is not there ends no build, as it is not known that the application uses it."""
        monkeypatch.setattr("hatch_appimage.libraries.bundle.suggest_packages", lambda _: {"libXi.so.6": "libxi6"})
        for name in ("libXrender.so.1", "libXext.so.6"):
            build.compile(build.root / "machine" / "lib" / name)
        file = build.python.site_packages[0] / "pyglet" / "lib.py"
        file.parent.mkdir(parents=True)
        file.touch()
        ignored = ("libXinerama.so.1", "libXxf86vm.so.1")
        found = build.bundle(exclude_libraries=("libXext.so.6",), ignore_missing=ignored)
        assert [each.soname for each in found.bundled] == ["libXrender.so.1"]
        (message,) = caplog.messages
        assert message == (
            f"Installed packages open libraries by name that are not in the sysroot {build.root}/machine, and use them "
            "only on systems that have them: libXi.so.6, libXrandr.so.2 (install libxi6 to have them in the image)"
        )

    @pytest.mark.parametrize("musl", [True, False])
    def test_what_every_desktop_has(self, build: Build, caplog: pytest.LogCaptureFixture, *, musl: bool) -> None:
        """It has it for glibc."""
        lib = build.root / "machine" / "lib"
        needed = [build.compile(lib / name) for name in ("libGL.so.1", "libz.so.1", "libc.so")]
        build.compile(build.python.site_packages[0] / "module.so", *needed)
        found = build.bundle(musl=musl)
        left = {"libc.so"} if musl else {"libc.so", "libGL.so.1", "libz.so.1"}
        assert {library.soname for library in found.from_system} == left
        assert {library.soname for library in found.bundled} == {"libc.so", "libGL.so.1", "libz.so.1"} - left
        assert caplog.messages == []

    def test_copies_patches_and_links(self, build: Build) -> None:
        lib = build.root / "machine" / "lib"
        second = build.compile(lib / "second.so.2")
        first = build.compile(lib / "first.so.1", second)
        site = build.python.site_packages[0] / "package"
        patched = build.compile(site / "patched.so", first)
        linked = build.compile(site / "linked.so", first, "-Wl,--enable-new-dtags,-rpath,$ORIGIN")
        before = linked.read_bytes()

        libraries = build.bundle()

        sizes = [(build.appdir.lib / name).stat().st_size for name in ("first.so.1", "second.so.2")]
        assert libraries == Libraries(
            bundled=(
                BundledLibrary("first.so.1", "/lib/first.so.1", None, sizes[0]),
                BundledLibrary("second.so.2", "/lib/second.so.2", None, sizes[1]),
            ),
            from_system=(),
            by_name=(),
            ignored=(),
            dropped={},
            patched=3,
        )
        after = linked.read_bytes()
        assert [(old, new) for old, new in zip(before, after, strict=True) if old != new] == [(29, 15)]
        assert (site / "first.so.1").samefile(build.appdir.lib / "first.so.1")
        assert (site / "second.so.2").samefile(build.appdir.lib / "second.so.2")
        elf = read_elf(patched)
        assert elf is not None
        assert elf.rpath == ("$ORIGIN/../../..",)
        # The real loader takes what came out.
        for path in (patched, linked):
            ldd = subprocess.check_output([require("ldd", "libc-bin"), path], text=True)
            assert "not found" not in ldd
            assert ldd.count(f"{build.appdir.root}/") == 2

    def test_found_by_what_loads_the_file(self, build: Build) -> None:
        """auditwheel gives no search path to a library whose users have one."""
        site = build.python.site_packages[0]
        inner = build.compile(site / "package.libs" / "libinner.so.1")
        outer = build.compile(site / "package.libs" / "libouter.so.1", inner)
        build.compile(site / "module.so", outer, "-Wl,--disable-new-dtags,-rpath,$ORIGIN/package.libs")
        assert build.bundle().graph.inherited == {"libinner.so.1"}

    @pytest.mark.parametrize("strip", [True, False])
    def test_stripped_before_it_is_patched(self, build: Build, *, strip: bool) -> None:
        """What patchelf moves behind the symbols would keep the file as long as it was."""
        lib = build.root / "machine" / "lib"
        debug = f"-DTEXT={'x' * 5000}"  # what -g3 writes into the file
        second = build.compile(lib / "second.so.2", "-g3", debug)
        first = build.compile(lib / "first.so.1", second, "-g3", debug, "-Wl,-rpath,/opt")
        module = build.compile(build.python.site_packages[0] / "module.so", first, "-g3", debug)
        libraries = build.bundle(strip=strip)
        bundled = [build.appdir.lib / name for name in ("first.so.1", "second.so.2")]
        assert libraries.stripped.files == (2 if strip else 0)
        assert (libraries.stripped.size > 10_000) == strip
        assert [".debug_macro" in read_sections(path).places for path in bundled] == [not strip] * 2
        assert ".debug_macro" in read_sections(module).places
        # patchelf fills up to a page for each of its segments.
        assert not strip or bundled[0].stat().st_size < first.stat().st_size
        assert [library.size for library in libraries.bundled] == [path.stat().st_size for path in bundled]
        ldd = subprocess.check_output([require("ldd", "libc-bin"), module], text=True)
        assert "not found" not in ldd

    def test_host(self, build: Build) -> None:
        library("", "libGL.so.1", "libfoo.so.1").write(build.python.site_packages[0] / "a.so")
        libraries = build.bundle(exclude_libraries=("libfoo.so.*",))
        assert libraries.from_system == (
            SystemLibrary("libGL.so.1", "graphics"),
            SystemLibrary("libfoo.so.1", "excluded"),
        )
        assert find_requirements(libraries.graph, libraries.graph.files, limited=False).glibc is None

    def test_dropped_modules(self, build: Build, caplog: pytest.LogCaptureFixture) -> None:
        module = library("", "libfoo.so.1").write(build.python.stdlib / "lib-dynload" / "_foo.so")
        libraries = build.bundle()
        assert libraries.dropped == {"usr/lib/python3.12/lib-dynload/_foo.so": "libfoo.so.1"}
        assert not module.exists()
        where = f"in the sysroot {build.root / 'machine'}"
        assert caplog.messages == [f"_foo.so is left out of the image: it needs libfoo.so.1, which is not {where}"]

    def test_licences(self, build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("first", "second"):
            build.compile(build.root / "machine" / "lib" / f"{name}.so.1")
        build.compile(build.python.site_packages[0] / "a.so", *(build.root / "machine" / "lib").iterdir())
        doc = build.root / "machine" / "usr" / "share" / "doc" / "libfirst1"
        doc.mkdir(parents=True)
        (doc / "copyright").write_text("MIT")
        monkeypatch.setattr(
            "hatch_appimage.libraries.bundle.find_packages",
            lambda files, *_: {file: f"lib{file.name.split('.')[0]}1" for file in files},
        )
        libraries = build.bundle()
        assert [library.package for library in libraries.bundled] == ["libfirst1", "libsecond1"]
        found = sorted(path for path in (build.appdir.usr / "share").rglob("*") if path.is_file())
        assert [str(path.relative_to(build.appdir.usr)) for path in found] == ["share/doc/libfirst1/copyright"]
        assert found[0].read_text() == "MIT"

    def test_rules_without_effect(self, build: Build, caplog: pytest.LogCaptureFixture) -> None:
        library("", "libGL.so.1").write(build.python.site_packages[0] / "a.so")
        build.bundle(include_libraries=("@fonts",), exclude_libraries=("libGL.so.1",), ignore_missing=("libfoo.so.1",))
        assert caplog.messages == [
            "Nothing in the image needs a library that `@fonts` means",
            "Nothing in the image needs a library that `libfoo.so.1` means",
        ]

    def test_what_is_asked_for_and_not_there(
        self, build: Build, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Others are in the summary only: nobody expects the wheel's plugins for every database to work."""
        monkeypatch.setattr("hatch_appimage.libraries.bundle.suggest_packages", lambda _: {"libpq.so.5": "libpq5"})
        plugins = build.python.site_packages[0] / "PyQt6" / "Qt6" / "plugins" / "sqldrivers"
        names = {"libqsqlpsql.so": "libpq.so.5", "libqsqlmysql.so": "libmysql.so.21"}
        for name, soname in names.items():
            library("", soname).write(plugins / name)
        libraries = build.bundle(include_libraries=("libpq.so.*",))
        assert {PurePath(library.files[0]).name: library.soname for library in libraries.optional} == names
        assert (libraries.dropped, libraries.missing) == ({}, ())
        where = f"in the sysroot {build.root / 'machine'}"
        assert caplog.messages == [
            f"`include-libraries` asks for libpq.so.5, which is not {where}: install the package libpq5"
        ]

    def test_what_is_asked_for_and_brought_by_a_package(self, build: Build, caplog: pytest.LogCaptureFixture) -> None:
        site = build.python.site_packages[0]
        library("", "libown.so.1", rpath="$ORIGIN").write(site / "p" / "a.so")
        library("libown.so.1").write(site / "p" / "libown.so.1")
        build.bundle(include_libraries=("libown.so.1",))
        assert caplog.messages == []

    def test_a_service_that_a_module_needs_is_not_there(self, build: Build, caplog: pytest.LogCaptureFixture) -> None:
        library("libQt6Multimedia.so.6", "libpulse.so.0").write(build.python.site_packages[0] / "libQt6Multimedia.so.6")
        libraries = build.bundle()
        assert [library.soname for library in libraries.optional] == ["libpulse.so.0"]
        assert libraries.from_system == ()
        assert caplog.messages == [
            (
                f"libpulse.so.0 is not in the sysroot {build.root / 'machine'}: libQt6Multimedia.so.6 can be loaded "
                "only on systems that have it; install it to have it in the image"
            )
        ]

    def test_plugins_with_links_to_links(self, build: Build) -> None:
        """What is compiled is found by the real loader, wherever the plugin's own search path leads."""
        lib = build.root / "machine" / "lib"
        real = build.compile(lib / "first.so.1.0", "-Wl,-soname,first.so.1.0")
        (lib / "first.so.1").symlink_to(real.name)
        named = build.compile(build.root / "stub" / "first.so.1")
        plugins = build.python.site_packages[0] / "PyQt6" / "Qt6" / "plugins" / "multimedia"
        build.compile(build.python.stdlib / "lib-dynload" / "_first.so", real)
        plugin = build.compile(plugins / "media.so", named, "-Wl,-rpath,$ORIGIN/../../lib")
        service = build.compile(build.root / "stub" / "libcups.so.2")
        printing = build.compile(plugins / "printing.so", service)
        libraries = build.bundle()
        assert [library.soname for library in libraries.optional] == ["libcups.so.2"]
        assert [library.soname for library in libraries.bundled] == ["first.so.1.0"]
        assert printing.exists()
        ldd = subprocess.check_output([require("ldd", "libc-bin"), plugin], text=True)
        assert f"first.so.1 => {build.appdir.root}/" in ldd

    def test_what_cannot_be_whole(self, build: Build, caplog: pytest.LogCaptureFixture) -> None:
        library("libgstreamer-1.0.so.0").write(build.root / "machine" / "lib" / "libgstreamer-1.0.so.0")
        user = library("", "libgstreamer-1.0.so.0", rpath="$ORIGIN/../../..")
        user.write(build.python.site_packages[0] / "a.so")
        build.bundle()
        assert caplog.messages == [
            "libgstreamer-1.0.so.0 is in the image without its plugins: what these are for does not work there"
        ]

    def test_data(self, build: Build) -> None:
        """It goes where the library is told to look for it."""
        magic = build.compile(build.root / "machine" / "lib" / "libmagic.so.1")
        data = build.root / "machine" / "share" / "misc" / "magic.mgc"
        data.parent.mkdir(parents=True)
        data.write_bytes(b"magic")
        build.compile(build.python.site_packages[0] / "a.so", magic)
        build.bundle()
        assert (build.appdir.lib / "file" / "magic.mgc").read_bytes() == b"magic"

    def test_one_of_each_name(self, build: Build) -> None:
        """A library that the AppDir has already is not replaced."""
        own = library("libfoo.so.1").write(build.appdir.lib / "libfoo.so.1")
        library("", "libfoo.so.1").write(build.python.site_packages[0] / "p" / "a.so")
        library("libfoo.so.1", "libx.so").write(build.root / "machine" / "lib" / "libfoo.so.1")
        before = own.read_bytes()
        build.compile(build.python.site_packages[0] / "p" / "a.so", "-Wl,--as-needed")
        build.bundle()
        assert own.read_bytes() == before


class TestMissing:
    """What nothing is known to need at a start does not end a build: a virtual environment would work, too."""

    def test_is_warned_of(
        self, build: Build, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr("hatch_appimage.libraries.bundle.suggest_packages", lambda _: {"libtbb.so.12": "libtbb12"})
        site = build.python.site_packages[0]
        for name in ("omppool", "tbbpool"):
            library("", "libtbb.so.12").write(site / "numba" / f"{name}.so")
        library("", "libc.so.6").write(site / "numba" / "needed.so")
        libraries = build.bundle(required=(site / "numba" / "needed.so",))
        files = tuple(f"usr/lib/python3.12/site-packages/numba/{name}.so" for name in ("omppool", "tbbpool"))
        assert libraries.missing == (MissingLibrary("libtbb.so.12", files, "libtbb12"),)
        assert caplog.messages == [
            (
                f"libtbb.so.12 (Debian's package libtbb12), needed by {files[0]} and 1 more, is not in the sysroot "
                f"{build.root / 'machine'}: what loads that file fails. Install it, or allow that: "
                'ignore-missing = ["libtbb.so.12"]'
            )
        ]

    def test_what_would_get_it(self, build: Build, caplog: pytest.LogCaptureFixture) -> None:
        library("", "libtbb.so.12").write(build.python.site_packages[0] / "pool.so")
        libraries = build.bundle(system=System(Path("/"), ()), remedy="remove `this`")
        (message,) = (message for message in caplog.messages if "libtbb.so.12" in message)
        where = "is not on this machine (remove `this` to have apt get what it lacks)"
        assert where in message
        assert where in explain_missing(libraries.missing)

    def test_in_a_release(self, build: Build, caplog: pytest.LogCaptureFixture) -> None:
        """Nothing can be installed there."""
        library("", "libtbb.so.12").write(build.python.site_packages[0] / "pool.so")
        libraries = build.bundle(system=System(build.root / "machine", (), release="debian:12"))
        for text in (caplog.text, explain_missing(libraries.missing)):
            assert "not in debian:12" in text
            assert "Require a package that was built for that release or an older one, set another `sysroot`" in text

    def test_of_a_bundled_library(self, build: Build) -> None:
        nowhere = build.compile(build.root / "machine" / "lib" / "nowhere.so")
        foo = build.compile(nowhere.with_name("foo.so.1"), nowhere)
        build.compile(build.python.site_packages[0] / "a.so", foo)
        nowhere.unlink()
        libraries = build.bundle()
        assert [(missing.soname, missing.files) for missing in libraries.missing] == [
            ("nowhere.so", ("usr/lib/foo.so.1",))
        ]
        assert [bundled.soname for bundled in libraries.bundled] == ["foo.so.1"]


class TestExecutableStack:
    def test_is_warned_of(self, build: Build, caplog: pytest.LogCaptureFixture) -> None:
        site = build.python.site_packages[0]
        build.compile(site / "a.so", "-z", "execstack")
        build.compile(site / "b.so", "-z", "noexecstack")
        libraries = build.bundle()
        assert libraries.executable_stacks == ("usr/lib/python3.12/site-packages/a.so",)
        (message,) = caplog.messages
        assert message.startswith("usr/lib/python3.12/site-packages/a.so wants an executable stack, with which glibc")

    def test_where_nothing_is_said(self, build: Build) -> None:
        """Architectures differ; programs are not meant."""
        site = build.python.site_packages[0]
        library("", stack=None).write(site / "a.so")
        program(stack=None).write(site / "b")
        assert build.bundle().executable_stacks == ("usr/lib/python3.12/site-packages/a.so",)


class TestIsaLevels:
    """One warning for each level, as some distributions compile everything for one."""

    def test_are_warned_of(self, build: Build, caplog: pytest.LogCaptureFixture) -> None:
        site = build.python.site_packages[0]
        for name, level in (("a", 3), ("b", 1), ("c", 2), ("d", 3), ("e", 0), ("f", 3)):
            library("", note=isa_level(level) if level else b"").write(site / f"{name}.so")
        libraries = build.bundle()
        assert libraries.isa_levels == {f"{SITE}/a.so": 3, f"{SITE}/c.so": 2, f"{SITE}/d.so": 3, f"{SITE}/f.so": 3}
        compiled = "to run there, too, it takes files that were compiled for every x86-64 (`-march=x86-64`)"
        assert caplog.messages == [
            f"{SITE}/c.so needs a processor with x86-64-v2, which those before 2008 lack: {compiled}",
            f"{SITE}/a.so and 2 more need a processor with x86-64-v3, which those before 2013 lack: {compiled}",
        ]

    def test_of_the_machines_libraries_and_of_programs(self, build: Build) -> None:
        if native_architecture().name != "x86_64":
            pytest.skip("other processors have no such levels")
        site = build.python.site_packages[0]
        needed = build.compile(build.root / "machine" / "lib" / "needed.so.1", "-Wl,-z,x86-64-v2")
        build.compile(site / "a.so", needed)
        program(note=isa_level(4)).write(site / "b")
        assert build.bundle().isa_levels == {"usr/lib/needed.so.1": 2, f"{SITE}/b": 4}

    def test_what_the_loader_chooses_is_no_limit(self, build: Build, caplog: pytest.LogCaptureFixture) -> None:
        site = build.python.site_packages[0]
        library("a.so", note=isa_level(3)).write(site / "lib" / "glibc-hwcaps" / "x86-64-v3" / "a.so")
        library("a.so").write(site / "lib" / "a.so")
        assert build.bundle().isa_levels == {}
        assert caplog.messages == []


class TestOwnLoaders:
    def test_are_warned_of(self, build: Build, caplog: pytest.LogCaptureFixture) -> None:
        native = native_architecture()
        store = "/nix/store/0c7c96gikmzv87i7lv3vq5s1cmfjd6zf-glibc-2.40/lib/ld-linux-x86-64.so.2"
        site = build.python.site_packages[0]
        for name, loader in (("nix", store), ("glibc", native.loader), ("musl", native.musl_loader), ("static", "")):
            program(interpreter=loader).write(site / name)
        libraries = build.bundle()
        assert libraries.own_loaders == {f"{SITE}/nix": store}
        (message,) = caplog.messages
        assert message == (
            f"{SITE}/nix starts by the loader {store}, which only machines with that path have: link it with "
            f"`-Wl,--dynamic-linker={native.loader}`, or change that with `patchelf --set-interpreter`"
        )


class TestErrors:
    def test_missing(self, build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
        packages = {"libxcb-cursor.so.0": "libxcb-cursor0"}
        monkeypatch.setattr("hatch_appimage.libraries.bundle.suggest_packages", lambda _: packages)
        site = build.python.site_packages[0]
        modules = tuple(
            library("", f"lib{soname}").write(site / f"{name}.so")
            for name, soname in (("a", "xcb-cursor.so.0"), ("b", "xcb-cursor.so.0"), ("c", "other.so.1"))
        )
        with pytest.raises(AppImageError) as caught:
            build.bundle(required=modules)
        site_name = "usr/lib/python3.12/site-packages"
        assert str(caught.value) == (
            f"2 shared libraries that the image needs are not in the sysroot {build.root / 'machine'}:\n"
            f"  libother.so.1, needed by {site_name}/c.so\n"
            f"  libxcb-cursor.so.0 (Debian's package libxcb-cursor0), needed by {site_name}/a.so and 1 more\n"
            "Please install what provides them (apt-get install libxcb-cursor0), or allow their absence where the "
            "application does not use those files:\n"
            '  ignore-missing = ["libother.so.1", "libxcb-cursor.so.0"]'
        )

    @pytest.mark.parametrize("place", ["bin/python3.12", "lib/libpython3.12.so.1.0"])
    def test_the_interpreter_lacks_one(self, build: Build, place: str) -> None:
        needed = () if place.startswith("bin") else ("libpython3.12.so.1.0",)
        program("libnowhere.so", *needed).write(build.python.executable)
        library("libpython3.12.so.1.0", "libnowhere.so").write(build.appdir.usr / place)
        program(*(needed or ("libnowhere.so",))).write(build.python.executable)
        with pytest.raises(AppImageError, match=r"libnowhere\.so, needed by usr/"):
            build.bundle()

    def test_no_window_of_qt_could_be_shown(self, build: Build) -> None:
        plugins = build.python.site_packages[0] / "PySide6" / "Qt" / "plugins" / "platforms"
        library("", "libxcb-cursor.so.0").write(plugins / "libqxcb.so")
        with pytest.raises(AppImageError, match=r"libxcb-cursor\.so\.0.*libqxcb\.so"):
            build.bundle()

    def test_an_opened_library_lacks_one(self, build: Build) -> None:
        library("libfoo.so.1", "libnowhere.so").write(build.root / "machine" / "lib" / "libfoo.so.1")
        with pytest.raises(AppImageError, match=r"libnowhere\.so, needed by usr/lib/libfoo\.so\.1"):
            build.bundle(libraries=("libfoo.so.1",))

    def test_needed_by_its_path(self, build: Build) -> None:
        file = library("libfoo.so").write(build.root / "machine" / "lib" / "libfoo.so")
        library("", str(file)).write(build.python.site_packages[0] / "a.so")
        before = file.read_bytes()
        with pytest.raises(AppImageError, match=rf"\n  {file} \(a path of the machine that linked it: .*a\.so\n"):
            build.bundle(required=(build.python.site_packages[0] / "a.so",))
        assert file.read_bytes() == before

    def test_nothing_is_changed_before(self, build: Build) -> None:
        needing = library("", "libnowhere.so", rpath="/build").write(build.python.site_packages[0] / "a.so")
        module = library("", "libnowhere.so").write(build.python.stdlib / "lib-dynload" / "_foo.so")
        with pytest.raises(AppImageError):
            build.bundle(required=(needing,))
        assert module.exists()

    def test_the_result_is_checked(self, build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
        """Whatever the plan thought: here nothing of it is done."""
        library("libfoo.so.1").write(build.root / "machine" / "lib" / "libfoo.so.1")
        file = library("", "libfoo.so.1").write(build.python.site_packages[0] / "a.so")
        monkeypatch.setattr("hatch_appimage.libraries.bundle._apply", lambda *_, **__: Stripped())
        with pytest.raises(AppImageError, match=rf"^{file} does not find libfoo\.so\.1 in the image: please report"):
            build.bundle()

    def test_opened_library_is_not_there(self, build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("hatch_appimage.libraries.bundle.suggest_packages", lambda _: {"libfoo.so.1": "libfoo1"})
        with pytest.raises(AppImageError) as caught:
            build.bundle(libraries=("libfoo.so.1",))
        assert str(caught.value) == (
            "`libraries` names libfoo.so.1, which this machine does not have: install the package libfoo1"
        )

    def test_opened_file_is_no_library(self, build: Build) -> None:
        (build.root / "project").mkdir()
        (build.root / "project" / "x.so").write_text("text")
        with pytest.raises(AppImageError, match=r"^`libraries` names \./x\.so, which is no library for "):
            build.bundle(libraries=("./x.so",))

    def test_opened_library_of_a_copy_of_a_machine(self, build: Build) -> None:
        library("libfoo.so.1").write(build.root / "machine" / "opt" / "real.so")
        (build.root / "machine" / "lib").mkdir()
        (build.root / "machine" / "lib" / "libfoo.so.1").symlink_to("/opt/real.so")
        libraries = build.bundle(libraries=("libfoo.so.1",))
        assert [(library.soname, library.source) for library in libraries.bundled] == [("libfoo.so.1", "/opt/real.so")]

    def test_opened_file_of_the_project(self, build: Build) -> None:
        library("libmine.so.1").write(build.root / "project" / "libs" / "libmine.so")
        libraries = build.bundle(libraries=("libs/libmine.so",))
        assert [library.soname for library in libraries.bundled] == ["libmine.so.1"]
        assert (build.appdir.lib / "libmine.so").samefile(build.appdir.lib / "libmine.so.1")


class TestLimit:
    """Every culprit is named with what to do about it."""

    def test_owners(self, build: Build) -> None:
        versions = {"libc.so.6": ("GLIBC_2.30",)}
        needs = ("libc.so.6",)
        program(*needs, versions=versions).write(build.python.executable)
        library("libfoo.so.1", *needs, versions=versions).write(build.root / "machine" / "lib" / "libfoo.so.1")
        site = build.python.site_packages[0]
        for name, tag in (("wheely", "manylinux_2_28_x86_64.manylinux_2_27_x86_64"), ("compiled", "linux_x86_64")):
            library("", *needs, "libfoo.so.1", versions=versions, runpath="$ORIGIN/../../../..").write(
                site / name / "a.so"
            )
            info = site / f"{name}-1.0.dist-info"
            info.mkdir()
            (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
            (info / "WHEEL").write_text(f"Wheel-Version: 1.0\nTag: cp312-cp312-{tag}\n")
            (info / "RECORD").write_text(f"{name}/a.so,,\n{name}-1.0.dist-info/METADATA,,\n")
        with pytest.raises(AppImageError) as caught:
            build.bundle(max_glibc=(2, 17))
        lines = str(caught.value).splitlines()
        assert lines[0] == "The image needs glibc 2.30, and `max-glibc` allows 2.17. What needs more:"
        assert sorted(line.split(":")[0] for line in lines[1:]) == [
            f"  Python 3.12.0 from {build.python.interpreter}",
            "  compiled 1.0",
            "  libfoo.so.1",
            "  wheely 1.0, a wheel for manylinux_2_28_x86_64, manylinux_2_27_x86_64",
        ]
        remedies = "\n".join(lines)
        assert "(glibc 2.30): set `python` to one that was built for an older glibc" in remedies
        assert "(glibc 2.30): it was compiled on this machine: build on an older distribution" in remedies
        assert "(glibc 2.30): it is this machine's: build on an older distribution, or set `sysroot`" in remedies
        assert "(glibc 2.30): require a release with an older wheel" in remedies

    def test_fits(self, build: Build) -> None:
        module = library("", "libc.so.6", versions={"libc.so.6": ("GLIBC_2.17",)})
        module.write(build.python.site_packages[0] / "a.so")
        graph = build.bundle(max_glibc=(2, 17)).graph
        assert str(find_requirements(graph, graph.files, limited=True).glibc) == "2.17"
