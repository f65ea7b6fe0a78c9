# SPDX-License-Identifier: MIT
"""What is planned so that everything in an AppDir finds its libraries."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import pytest

from hatch_appimage.architecture import ARCHITECTURES
from hatch_appimage.elf import from_origin
from hatch_appimage.libraries.collected import NOTHING, Collected
from hatch_appimage.libraries.dependencies import Tree, read_directory
from hatch_appimage.libraries.plan import BundleLayout, is_optional, is_qt_plugin, make_plan
from hatch_appimage.libraries.policy import LibraryPolicy
from hatch_appimage.system import System
from support.elf_fixtures import AARCH64, Fixture, library, program

if TYPE_CHECKING:
    from pathlib import Path

    from hatch_appimage.libraries.plan import BundlePlan

X86_64 = ARCHITECTURES["x86_64"]
DYNLOAD = "usr/lib/python3.12/lib-dynload"
SITE = "usr/lib/python3.12/site-packages"


@dataclass
class Scene:
    """An AppDir and the machine that it is built on."""

    root: Path
    origins: dict[Path, Path] = field(default_factory=dict)

    @property
    def appdir(self) -> Path:
        return self.root / "App Dir"

    def add(self, name: str, fixture: Fixture) -> Path:
        """Put a file into the AppDir."""
        return fixture.write(self.appdir / name)

    def install(self, name: str, *needed: str, soname: str | None = None, **more: Any) -> Path:
        """Put a library into the machine's directory for libraries, or another place of it."""
        place = name if "/" in name else f"lib/{name}"
        own = name.rpartition("/")[2] if soname is None else soname
        return library(own, *needed, **more).write(self.root / "machine" / place)

    def plan(
        self,
        opened: dict[str, Path] | None = None,
        *,
        openers: dict[Path, dict[str, Path]] | None = None,
        collected: Collected = NOTHING,
        **policy: Any,
    ) -> BundlePlan:
        place = BundleLayout(self.appdir / "usr" / "lib", (self.appdir / SITE,), self.origins)
        system = System(self.root / "machine", (self.root / "machine" / "lib",))
        tree = Tree(self.appdir, X86_64, read_directory(self.appdir))
        return make_plan(
            tree,
            place,
            system=system,
            policy=LibraryPolicy(**policy),
            opened=opened or {},
            openers=openers,
            collected=collected,
        )

    def copies(self, plan: BundlePlan) -> dict[str, str]:
        return {self.inside(target): str(source.relative_to(self.root)) for target, source in plan.copies.items()}

    def rpaths(self, plan: BundlePlan) -> dict[str, tuple[str, ...]]:
        """Return the new search paths; all are RPATHs."""
        return {self.inside(path): rpath for path, rpath in plan.rpaths.items()}

    def links(self, plan: BundlePlan) -> dict[str, str]:
        return {self.inside(path): self.inside(target) for path, target in plan.links.items()}

    def inside(self, path: Path) -> str:
        return str(path.relative_to(self.appdir))


def rpath(*directories: str) -> tuple[str, ...]:
    return directories


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """Return an AppDir with a Python in it."""
    scene = Scene(tmp_path)
    scene.add("usr/bin/python3.12", program("libc.so.6"))
    return scene


class TestBundle:
    def test_what_is_needed_with_what_that_needs(self, scene: Scene) -> None:
        scene.add(f"{DYNLOAD}/_ssl.so", library("", "libssl.so.3", "libc.so.6"))
        scene.install("libssl.so.3", "libcrypto.so.3", "libc.so.6")
        scene.install("libcrypto.so.3", "libz.so.1")
        scene.install("libunneeded.so.1")
        plan = scene.plan()
        assert scene.copies(plan) == {
            "usr/lib/libssl.so.3": "machine/lib/libssl.so.3",
            "usr/lib/libcrypto.so.3": "machine/lib/libcrypto.so.3",
        }
        assert scene.rpaths(plan) == {
            f"{DYNLOAD}/_ssl.so": rpath("$ORIGIN/../.."),
            "usr/lib/libssl.so.3": rpath("$ORIGIN"),
        }
        assert sorted(plan.from_system) == ["libc.so.6", "libz.so.1"]
        assert (plan.links, plan.missing, plan.dropped, plan.by_name) == ({}, [], {}, [])

    def test_is_added_to_what_a_file_has(self, scene: Scene) -> None:
        scene.add(f"{DYNLOAD}/a.so", library("", "libfoo.so.1", runpath="$ORIGIN/x"))
        scene.add(f"{DYNLOAD}/b.so", library("", "libfoo.so.1", rpath="$ORIGIN/x"))
        scene.install("libfoo.so.1")
        assert scene.rpaths(scene.plan()) == {
            f"{DYNLOAD}/a.so": rpath("$ORIGIN/x", "$ORIGIN/../.."),
            f"{DYNLOAD}/b.so": ("$ORIGIN/x", "$ORIGIN/../.."),
        }

    @pytest.mark.parametrize("rpath", ["$ORIGIN/../..", "$ORIGIN/../../../lib64"])
    def test_what_finds_it_is_not_touched(self, scene: Scene, rpath: str) -> None:
        scene.add(f"{DYNLOAD}/a.so", library("", "libfoo.so.1", rpath=rpath))
        (scene.appdir / "usr" / "lib64").symlink_to("lib")
        scene.install("libfoo.so.1")
        plan = scene.plan()
        assert scene.copies(plan) == {"usr/lib/libfoo.so.1": "machine/lib/libfoo.so.1"}
        assert plan.rpaths == {}

    def test_what_is_in_the_image_is_not_bundled(self, scene: Scene) -> None:
        scene.add(f"{DYNLOAD}/a.so", library("", "libfoo.so.1", rpath="$ORIGIN/own"))
        scene.add(f"{DYNLOAD}/own/libfoo.so.1", library("libfoo.so.1"))
        scene.install("libfoo.so.1")
        plan = scene.plan()
        assert (plan.copies, plan.rpaths, plan.missing) == ({}, {}, [])

    def test_what_is_in_usr_lib_only_gets_to_be_found(self, scene: Scene) -> None:
        scene.add(f"{DYNLOAD}/a.so", library("", "libfoo.so.1"))
        scene.add("usr/lib/libfoo.so.1", library("libfoo.so.1"))
        plan = scene.plan()
        assert plan.copies == {}
        assert scene.rpaths(plan) == {f"{DYNLOAD}/a.so": rpath("$ORIGIN/../..")}

    def test_directories_behind_links(self, scene: Scene) -> None:
        """As of `lib64`; what is bundled is found there, too."""
        scene.add(f"{DYNLOAD}/a.so", library("", "libown.so.1", "libfoo.so.1", rpath="$ORIGIN/../../../lib64"))
        scene.add("usr/lib/libown.so.1", library("libown.so.1"))
        (scene.appdir / "usr" / "lib64").symlink_to("lib")
        scene.install("libfoo.so.1")
        plan = scene.plan()
        assert scene.copies(plan) == {"usr/lib/libfoo.so.1": "machine/lib/libfoo.so.1"}
        assert (plan.rpaths, plan.missing) == ({}, [])

    def test_directories_behind_links_out_of_the_image(self, scene: Scene) -> None:
        scene.add(f"{DYNLOAD}/a.so", library("", "libfoo.so.1", runpath="$ORIGIN/../../../lib64"))
        scene.install("libfoo.so.1")
        (scene.appdir / "usr" / "lib64").symlink_to(scene.root / "machine" / "lib")
        assert scene.rpaths(scene.plan()) == {f"{DYNLOAD}/a.so": rpath("$ORIGIN/../../../lib64", "$ORIGIN/../..")}

    def test_what_python_has_loaded_is_there(self, scene: Scene) -> None:
        scene.add("usr/bin/python3.12", program("libpython3.12.so.1.0", runpath="$ORIGIN/../lib"))
        scene.add("usr/lib/libpython3.12.so.1.0", library("libpython3.12.so.1.0"))
        scene.add(f"{SITE}/a.so", library("", "libpython3.12.so.1.0"))
        scene.install("libpython3.12.so.1.0")
        plan = scene.plan()
        assert (plan.copies, list(plan.rpaths)) == ({}, [scene.appdir / "usr" / "bin" / "python3.12"])

    def test_under_the_name_that_is_needed(self, scene: Scene) -> None:
        scene.add(f"{DYNLOAD}/a.so", library("", "libfoo.so"))
        scene.install("libfoo.so", soname="libfoo.so.1")
        assert scene.copies(scene.plan()) == {"usr/lib/libfoo.so": "machine/lib/libfoo.so"}

    def test_other_architectures_are_left_alone(self, scene: Scene) -> None:
        scene.add(f"{SITE}/arm/a.so", library("", "libfoo.so.1", "libnowhere.so", rpath="/evil", machine=AARCH64))
        scene.add(f"{SITE}/a.o", Fixture(dynamic=False))
        (scene.appdir / SITE / "damaged.so").write_bytes(b"\x7fELF and no more")
        scene.install("libfoo.so.1")
        plan = scene.plan()
        assert (plan.copies, plan.rpaths, plan.missing) == ({}, {}, [])

    def test_programs_of_packages(self, scene: Scene) -> None:
        """They are processes of their own, in which nothing of Python's is loaded."""
        scene.add("usr/bin/tool", program("libfoo.so.1"))
        scene.add(f"{DYNLOAD}/a.so", library("", "libfoo.so.1"))
        scene.install("libfoo.so.1")
        plan = scene.plan()
        assert scene.rpaths(plan)["usr/bin/tool"] == rpath("$ORIGIN/../lib/selected/libfoo.so.1")
        assert scene.links(plan) == {"usr/lib/selected/libfoo.so.1/libfoo.so.1": "usr/lib/libfoo.so.1"}

    def test_libraries_that_others_have_loaded(self, scene: Scene) -> None:
        """Each of them may be opened by itself, too."""
        scene.add(f"{DYNLOAD}/_ssl.so", library("", "libssl.so.3", "libcrypto.so.3"))
        scene.install("libssl.so.3", "libcrypto.so.3")
        scene.install("libcrypto.so.3")
        assert scene.rpaths(scene.plan())["usr/lib/libssl.so.3"] == rpath("$ORIGIN")

    def test_one_file_by_two_names(self, scene: Scene) -> None:
        """As libcurl-gnutls.so.3 and .4 of Debian: two copies in one process would each have a state."""
        file = scene.install("libfoo.so.4", "libbar.so.1")
        scene.install("libbar.so.1")
        file.with_name("libfoo.so.3").symlink_to("libfoo.so.4")
        scene.add(f"{DYNLOAD}/a.so", library("", "libfoo.so.4", "libfoo.so.3"))
        scene.add(f"{DYNLOAD}/b.so", library("", "libfoo.so.3"))
        plan = scene.plan()
        assert sorted(scene.copies(plan)) == ["usr/lib/libbar.so.1", "usr/lib/libfoo.so.4"]
        assert scene.links(plan) == {"usr/lib/libfoo.so.3": "usr/lib/libfoo.so.4"}
        assert plan.missing == []

    def test_left_to_the_host_even_if_it_is_there(self, scene: Scene) -> None:
        scene.add("usr/lib/libfoo.so.1", library("libfoo.so.1"))
        scene.add(f"{DYNLOAD}/a.so", library("", "libfoo.so.1"))
        plan = scene.plan(exclude_libraries=("libfoo.so.1",))
        assert (plan.copies, plan.rpaths) == ({}, {})
        assert "libfoo.so.1" in plan.from_system

    def test_circles(self, scene: Scene) -> None:
        scene.add(f"{DYNLOAD}/a.so", library("", "libfoo.so.1"))
        scene.install("libfoo.so.1", "libbar.so.1")
        scene.install("libbar.so.1", "libfoo.so.1")
        plan = scene.plan()
        assert sorted(scene.copies(plan)) == ["usr/lib/libbar.so.1", "usr/lib/libfoo.so.1"]
        assert scene.rpaths(plan)["usr/lib/libbar.so.1"] == rpath("$ORIGIN")


class TestConfined:
    """A DT_RPATH counts for what a file loads of the machine, too: that must not come upon the image's libraries."""

    def test_a_file_that_loads_of_the_machine(self, scene: Scene) -> None:
        """It finds what it needs itself, and nothing else; so does what loads it."""
        scene.add(f"{DYNLOAD}/_tk.so", library("", "libtk.so", "libfoo.so.1"))
        scene.add(f"{DYNLOAD}/_foo.so", library("", "libfoo.so.1"))
        scene.install("libtk.so", "libX11.so.6", "libbar.so.1", "libfoo.so.1")
        scene.install("libfoo.so.1")
        scene.install("libbar.so.1")
        plan = scene.plan()
        assert scene.rpaths(plan) == {
            f"{DYNLOAD}/_tk.so": rpath("$ORIGIN/../../selected/libfoo.so.1+libtk.so"),
            f"{DYNLOAD}/_foo.so": rpath("$ORIGIN/../.."),
            # As it may be opened by its own path, or by the link to it.
            "usr/lib/libtk.so": rpath("$ORIGIN/selected/libbar.so.1+libfoo.so.1", "$ORIGIN/../libbar.so.1+libfoo.so.1"),
        }
        assert scene.links(plan) == {
            "usr/lib/selected/libfoo.so.1+libtk.so/libfoo.so.1": "usr/lib/libfoo.so.1",
            "usr/lib/selected/libfoo.so.1+libtk.so/libtk.so": "usr/lib/libtk.so",
            "usr/lib/selected/libbar.so.1+libfoo.so.1/libbar.so.1": "usr/lib/libbar.so.1",
            "usr/lib/selected/libbar.so.1+libfoo.so.1/libfoo.so.1": "usr/lib/libfoo.so.1",
        }

    @pytest.mark.parametrize("soname", ["libc.so.6", "libstdc++.so.6", "libz.so.1"])
    def test_what_needs_nothing_more_of_the_machine(self, scene: Scene, soname: str) -> None:
        scene.add(f"{DYNLOAD}/_foo.so", library("", "libfoo.so.1", soname))
        scene.install("libfoo.so.1")
        assert scene.rpaths(scene.plan()) == {f"{DYNLOAD}/_foo.so": rpath("$ORIGIN/../..")}

    @pytest.mark.parametrize("place", ["usr/bin", "usr/libexec", "usr/libexec/python"])
    def test_the_interpreter_wherever_it_is(self, scene: Scene, place: str) -> None:
        """Its search path counts for everything in the process."""
        up = "/".join(".." for _ in place.split("/")[1:])
        scene.add(f"{place}/python3.13", program("libpython3.13.so.1.0", rpath=f"$ORIGIN/{up}/lib"))
        scene.add("usr/lib/libpython3.13.so.1.0", library("libpython3.13.so.1.0"))
        plan = scene.plan()
        path = f"$ORIGIN/{up}/lib/selected/libpython3.13.so.1.0"
        assert scene.rpaths(plan)[f"{place}/python3.13"] == rpath(path)
        assert plan.missing == []

    def test_no_link_where_a_confined_file_searches(self, scene: Scene) -> None:
        scene.add(f"{SITE}/qt/lib/libQtCore.so.6", library("libQtCore.so.6", "libglib.so.0", rpath="$ORIGIN"))
        scene.add(
            f"{SITE}/qt/lib/libQtGui.so.6", library("libQtGui.so.6", "libQtCore.so.6", "libGL.so.1", rpath="$ORIGIN")
        )
        scene.install("libglib.so.0", "libpcre.so.3")
        scene.install("libpcre.so.3")
        plan = scene.plan()
        assert scene.links(plan) == {}
        assert scene.rpaths(plan) == {
            f"{SITE}/qt/lib/libQtCore.so.6": rpath("$ORIGIN", "$ORIGIN/../../../.."),
            "usr/lib/libglib.so.0": rpath("$ORIGIN"),
        }
        assert plan.missing == []

    def test_one_directory_for_all_that_a_file_needs(self, scene: Scene) -> None:
        """Also for what was to be found by links among a package's own libraries."""
        scene.add(
            f"{SITE}/qt/lib/libXcb.so", library("libXcb.so", "libxcb.so.1", "libb.so.1", "liba.so.1", rpath="$ORIGIN")
        )
        scene.install("liba.so.1", "libb.so.1")
        scene.install("libb.so.1")
        plan = scene.plan()
        directory = "usr/lib/selected/liba.so.1+libb.so.1"
        assert scene.links(plan) == {f"{directory}/lib{name}.so.1": f"usr/lib/lib{name}.so.1" for name in "ab"}
        assert scene.rpaths(plan) == {
            f"{SITE}/qt/lib/libXcb.so": rpath("$ORIGIN", "$ORIGIN/../../../../selected/liba.so.1+libb.so.1"),
            "usr/lib/liba.so.1": rpath("$ORIGIN"),
        }
        assert plan.missing == []

    def test_many_libraries(self, scene: Scene) -> None:
        """The name of a directory has its limits."""
        names = [f"lib{letter * 40}.so" for letter in "abcdefg"]
        scene.add(f"{DYNLOAD}/_x.so", library("", "libX11.so.6", *names))
        for name in names:
            scene.install(name)
        plan = scene.plan()
        (directory,) = {path.parent for path in plan.links}
        assert len(directory.name) < 100
        assert plan.missing == []

    def test_a_runpath_becomes_an_rpath(self, scene: Scene) -> None:
        """LD_LIBRARY_PATH comes before a RUNPATH. One that leads nowhere stays."""
        scene.add(f"{SITE}/p/a.so", library("", "libown.so", runpath="$ORIGIN/libs"))
        scene.add(f"{SITE}/p/libs/libown.so", library("libown.so", runpath="$ORIGIN/not/there"))
        assert scene.rpaths(scene.plan()) == {f"{SITE}/p/a.so": rpath("$ORIGIN/libs")}


class TestMachines:
    """What must fit hardware or cluster stays there, however it is found on the build machine."""

    @pytest.mark.parametrize(
        "soname",
        ["libmpi.so.40", "libibverbs.so.1", "libcuda.so.1", "libnvidia-ml.so.1", "libOpenCL.so.1", "libucp.so.0"],
    )
    def test_is_never_taken(self, scene: Scene, soname: str) -> None:
        directory = scene.install(f"opt/{soname}").parent
        scene.install(soname)
        scene.add(f"{SITE}/p/a.so", library("", soname, rpath=str(directory)))
        plan = scene.plan()
        assert plan.copies == {}
        assert soname in plan.from_system

    def test_what_a_wheel_brings_stays(self, scene: Scene) -> None:
        scene.add(f"{SITE}/p/a.so", library("", "libmpi.so.12", rpath="$ORIGIN/libs"))
        scene.add(f"{SITE}/p/libs/libmpi.so.12", library("libmpi.so.12"))
        plan = scene.plan()
        assert "libmpi.so.12" not in plan.from_system
        assert plan.rpaths == {}


class TestCarried:
    """Libraries that the search path of a file leads to on the build machine came with that file."""

    def test_by_an_absolute_path(self, scene: Scene) -> None:
        directory = scene.install("opt/libfoo.so.1", "libbar.so.1", runpath="$ORIGIN/private").parent
        scene.install("opt/private/libbar.so.1")
        scene.add(f"{DYNLOAD}/a.so", library("", "libfoo.so.1", runpath=str(directory)))
        plan = scene.plan()
        assert scene.copies(plan) == {
            "usr/lib/libfoo.so.1": "machine/opt/libfoo.so.1",
            "usr/lib/libbar.so.1": "machine/opt/private/libbar.so.1",
        }
        assert scene.rpaths(plan) == {
            f"{DYNLOAD}/a.so": rpath("$ORIGIN/../.."),
            "usr/lib/libfoo.so.1": rpath("$ORIGIN"),
        }

    def test_by_what_a_library_inherits(self, scene: Scene) -> None:
        """An RPATH of the build machine counts for what the module loads there, too; so does that of the program."""
        directory = scene.install("opt/libfoo.so.1", "libbar.so.1").parent
        scene.install("opt/libbar.so.1")
        scene.install("prefix/libown.so.1")
        scene.add("usr/bin/python3.12", program("libc.so.6", rpath=str(scene.root / "machine" / "prefix")))
        scene.add(f"{DYNLOAD}/a.so", library("", "libfoo.so.1", "libown.so.1", rpath=str(directory)))
        plan = scene.plan()
        assert scene.copies(plan) == {
            "usr/lib/libfoo.so.1": "machine/opt/libfoo.so.1",
            "usr/lib/libbar.so.1": "machine/opt/libbar.so.1",
            "usr/lib/libown.so.1": "machine/prefix/libown.so.1",
        }
        assert (plan.dropped, plan.missing) == ({}, [])

    def test_beside_the_original(self, scene: Scene) -> None:
        scene.origins[scene.appdir / "usr"] = scene.root / "machine" / "python"
        scene.add(f"{DYNLOAD}/a.so", library("", "libfoo.so.1", runpath="$ORIGIN/../../../own"))
        scene.install("python/own/libfoo.so.1")
        assert scene.copies(scene.plan()) == {"usr/lib/libfoo.so.1": "machine/python/own/libfoo.so.1"}

    def test_packages_have_no_original(self, scene: Scene) -> None:
        """What lies beside the build machine's own packages has nothing to do with the image."""
        scene.origins[scene.appdir / "usr"] = scene.root / "machine" / "python"
        scene.add(f"{SITE}/a/a.so", library("", "libfoo.so.1", runpath="$ORIGIN/../b.libs"))
        scene.install(f"python/{SITE.removeprefix('usr/')}/b.libs/libfoo.so.1")
        assert [need.soname for need in scene.plan().missing] == ["libfoo.so.1"]

    def test_even_if_hosts_have_one(self, scene: Scene) -> None:
        directory = scene.install("opt/libz.so.1").parent
        scene.add(f"{DYNLOAD}/a.so", library("", "libz.so.1", runpath=str(directory)))
        assert scene.copies(scene.plan()) == {"usr/lib/libz.so.1": "machine/opt/libz.so.1"}
        assert scene.plan(exclude_libraries=("libz.so.1",)).copies == {}

    def test_the_systems_directory_carries_nothing(self, scene: Scene) -> None:
        directory = scene.install("libz.so.1").parent
        scene.add(f"{DYNLOAD}/a.so", library("", "libz.so.1", runpath=str(directory)))
        plan = scene.plan()
        assert plan.copies == {}
        assert scene.rpaths(plan) == {f"{DYNLOAD}/a.so": rpath()}

    def test_never_a_c_library(self, scene: Scene) -> None:
        directory = scene.install("opt/libc.so.6").parent
        scene.add(f"{DYNLOAD}/a.so", library("", "libc.so.6", runpath=str(directory)))
        assert scene.plan().copies == {}


class TestSysroot:
    """The directory ``machine`` is a copy of another machine: what paths and links in it mean is in it, too."""

    def test_absolute_links(self, scene: Scene) -> None:
        """As Debian's alternatives."""
        scene.install("blas/libblas.so.3", "libfoo.so.1")
        scene.install("libfoo.so.1")
        (scene.root / "machine" / "lib" / "libblas.so.3").symlink_to("/blas/libblas.so.3")
        scene.add(f"{DYNLOAD}/a.so", library("", "libblas.so.3"))
        assert scene.copies(scene.plan()) == {
            "usr/lib/libblas.so.3": "machine/blas/libblas.so.3",
            "usr/lib/libfoo.so.1": "machine/lib/libfoo.so.1",
        }

    def test_absolute_search_paths(self, scene: Scene) -> None:
        """As that of libpulse."""
        scene.install("libfoo.so.1", "libbar.so.1", runpath="/lib/private")
        scene.install("lib/private/libbar.so.1")
        scene.add(f"{DYNLOAD}/a.so", library("", "libfoo.so.1"))
        assert scene.copies(scene.plan()) == {
            "usr/lib/libfoo.so.1": "machine/lib/libfoo.so.1",
            "usr/lib/libbar.so.1": "machine/lib/private/libbar.so.1",
        }


class TestSearchPaths:
    @pytest.mark.parametrize(
        ("before", "after"),
        [
            ("/usr/local/lib:$ORIGIN/a", ("$ORIGIN/a",)),
            ("lib:$ORIGIN/a:", ("$ORIGIN/a",)),
            ("$ORIGIN/a:$ORIGIN/../../../../../../lib", ("$ORIGIN/a",)),
            ("$ORIGIN/a:${ORIGIN}/b:$ORIGIN/a", ("$ORIGIN/a", "${ORIGIN}/b")),
            ("/build/lib", ()),
        ],
    )
    def test_what_leads_out_of_the_image_is_dropped(self, scene: Scene, before: str, after: tuple[str, ...]) -> None:
        scene.add(f"{SITE}/a/a.so", library("", runpath=before))
        assert scene.rpaths(scene.plan()) == {f"{SITE}/a/a.so": rpath(*after)}

    def test_an_rpath_beside_a_runpath_goes(self, scene: Scene) -> None:
        """It counts for nothing, but no path of the build machine is to stay."""
        scene.add(f"{SITE}/a/a.so", library("", rpath="/build/lib", runpath="$ORIGIN"))
        assert scene.rpaths(scene.plan()) == {f"{SITE}/a/a.so": rpath("$ORIGIN")}

    def test_the_kind_stays(self, scene: Scene) -> None:
        scene.add(f"{SITE}/a/a.so", library("", rpath="/build/lib:$ORIGIN"))
        assert scene.rpaths(scene.plan()) == {f"{SITE}/a/a.so": ("$ORIGIN",)}


class TestPackages:
    """Libraries of packages keep their bytes where that is possible."""

    def test_a_link_where_it_is_searched(self, scene: Scene) -> None:
        scene.add(f"{SITE}/qt/QtGui.so", library("", "libQtGui.so.6", rpath="$ORIGIN/lib"))
        scene.add(f"{SITE}/qt/lib/libQtGui.so.6", library("libQtGui.so.6", "libglib.so.0", rpath="$ORIGIN"))
        scene.install("libglib.so.0", "libpcre.so.3", "libc.so.6")
        scene.install("libpcre.so.3")
        plan = scene.plan()
        assert scene.links(plan) == {
            f"{SITE}/qt/lib/libglib.so.0": "usr/lib/libglib.so.0",
            f"{SITE}/qt/lib/libpcre.so.3": "usr/lib/libpcre.so.3",
        }
        assert scene.rpaths(plan) == {"usr/lib/libglib.so.0": rpath("$ORIGIN")}

    def test_two_files_of_one_directory(self, scene: Scene) -> None:
        for name in "ab":
            scene.add(f"{SITE}/p/{name}.so", library("", "libfoo.so.1", rpath="$ORIGIN"))
        scene.install("libfoo.so.1")
        plan = scene.plan()
        assert scene.links(plan) == {f"{SITE}/p/libfoo.so.1": "usr/lib/libfoo.so.1"}
        assert plan.rpaths == {}

    @pytest.mark.parametrize("search_path", ["$ORIGIN/../../..", "$ORIGIN:$ORIGIN/../../.."])
    def test_the_search_path_leads_to_the_bundled_ones(self, scene: Scene, search_path: str) -> None:
        scene.add(f"{SITE}/p/a.so", library("", "libfoo.so.1", rpath=search_path))
        scene.install("libfoo.so.1", "libbar.so.1")
        scene.install("libbar.so.1")
        plan = scene.plan()
        assert sorted(scene.copies(plan)) == ["usr/lib/libbar.so.1", "usr/lib/libfoo.so.1"]
        assert scene.rpaths(plan) == {"usr/lib/libfoo.so.1": rpath("$ORIGIN")}
        assert (plan.links, plan.missing, plan.by_name) == ({}, [], [])

    def test_without_a_search_path(self, scene: Scene) -> None:
        scene.add(f"{SITE}/p/a.so", library("", "libfoo.so.1"))
        scene.add(f"{SITE}/q/a.so", library("", "libfoo.so.1", runpath="$ORIGIN/not/there"))
        scene.install("libfoo.so.1")
        plan = scene.plan()
        assert plan.links == {}
        assert scene.rpaths(plan) == {
            f"{SITE}/p/a.so": rpath("$ORIGIN/../../.."),
            f"{SITE}/q/a.so": rpath("$ORIGIN/not/there", "$ORIGIN/../../.."),
        }

    def test_something_else_has_the_name(self, scene: Scene) -> None:
        scene.add(f"{SITE}/p/a.so", library("", "libfoo.so.1", runpath="$ORIGIN"))
        # Links in wheels become such files; the loader gives up at them.
        (scene.appdir / SITE / "p" / "libfoo.so.1").write_text("INPUT(libfoo.so.1.2)")
        scene.install("libfoo.so.1")
        plan = scene.plan()
        assert (plan.links, plan.missing) == ({}, [])
        assert scene.rpaths(plan) == {f"{SITE}/p/a.so": rpath("$ORIGIN/../../..", "$ORIGIN")}

    def test_what_a_library_inherits_stays(self, scene: Scene) -> None:
        """A RUNPATH of its own would switch off the RPATH of the module that loads it."""
        scene.add(f"{SITE}/p/a.so", library("", "libx.so", rpath="$ORIGIN/libs"))
        scene.add(f"{SITE}/p/libs/libx.so", library("libx.so", "liby.so", "libfoo.so.1"))
        scene.add(f"{SITE}/p/libs/liby.so", library("liby.so"))
        scene.install("libfoo.so.1")
        plan = scene.plan()
        assert scene.rpaths(plan) == {f"{SITE}/p/libs/libx.so": ("$ORIGIN/../../../..",)}
        assert plan.missing == []

    def test_what_a_copy_inherits_stays(self, scene: Scene) -> None:
        scene.add(f"{SITE}/p/a.so", library("", "libfoo.so.1", "libbar.so.1", rpath="$ORIGIN/../../..:$ORIGIN/libs"))
        scene.add(f"{SITE}/p/libs/libown.so", library("libown.so"))
        scene.install("libfoo.so.1", "libbar.so.1", "libown.so")
        scene.install("libbar.so.1")
        plan = scene.plan()
        assert scene.rpaths(plan) == {"usr/lib/libfoo.so.1": ("$ORIGIN",)}
        assert plan.missing == []

    def test_loaded_before_by_the_package_itself(self, scene: Scene) -> None:
        """The machine's library of the same name is another one."""
        scene.add(f"{SITE}/p/a.so", library("", "libown.so.1"))
        scene.add(f"{SITE}/p/lib/libown.so.1", library("libown.so.1"))
        scene.install("libown.so.1")
        plan = scene.plan()
        assert (plan.copies, plan.rpaths, plan.missing) == ({}, {}, [])
        assert [need.soname for need in plan.by_name] == ["libown.so.1"]

    def test_another_packages_library_is_the_last_resort(self, scene: Scene) -> None:
        scene.add(f"{SITE}/p/a.so", library("", "libfoo.so.1", "libbar.so.1"))
        scene.add(f"{SITE}/q/libfoo.so.1", library("libfoo.so.1"))
        scene.add(f"{SITE}/q/libbar.so.1", library("libbar.so.1"))
        scene.install("libfoo.so.1")
        plan = scene.plan()
        assert scene.copies(plan) == {"usr/lib/libfoo.so.1": "machine/lib/libfoo.so.1"}
        assert [need.soname for need in plan.by_name] == ["libbar.so.1"]

    def test_a_link_in_another_directory(self, scene: Scene) -> None:
        """Found by a link, a library has the link's directory as its origin; there is an end to what can be done."""
        scene.add(f"{SITE}/p/a.so", library("", "libx.so", runpath="$ORIGIN/links"))
        scene.add(f"{SITE}/p/real/libx.so", library("libx.so", "libfoo.so.1"))
        (scene.appdir / SITE / "p" / "links").mkdir()
        (scene.appdir / SITE / "p" / "links" / "libx.so").symlink_to("../real/libx.so")
        scene.install("libfoo.so.1")
        plan = scene.plan()
        assert scene.copies(plan) == {"usr/lib/libfoo.so.1": "machine/lib/libfoo.so.1"}
        assert plan.missing == []


class TestMissing:
    def test_names_file_and_library(self, scene: Scene) -> None:
        scene.add(f"{SITE}/p/a.so", library("", "libfoo.so.1"))
        (need,) = scene.plan().missing
        assert (scene.inside(need.file), need.soname) == (f"{SITE}/p/a.so", "libfoo.so.1")

    def test_of_a_bundled_library(self, scene: Scene) -> None:
        scene.add(f"{SITE}/p/a.so", library("", "libfoo.so.1"))
        scene.install("libfoo.so.1", "libbar.so.1")
        (need,) = scene.plan().missing
        assert (scene.inside(need.file), need.soname) == ("usr/lib/libfoo.so.1", "libbar.so.1")

    def test_names_that_are_paths(self, scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
        """The loader opens just these, so that a copy would not be found; and one must never replace its source."""
        file = scene.install("libfoo.so")
        monkeypatch.chdir(file.parent)
        names = (str(file), "./libfoo.so", "$ORIGIN/../x/libfoo.so")
        scene.add(f"{SITE}/p/a.so", library("", *names))
        plan = scene.plan()
        assert (plan.copies, plan.rpaths, plan.links) == ({}, {}, {})
        assert [need.soname for need in plan.missing] == list(names)

    def test_ignored(self, scene: Scene) -> None:
        scene.add(f"{SITE}/p/a.so", library("", "libfoo.so.1", "libbar.so.1"))
        plan = scene.plan(ignore_missing=("libfoo*",))
        assert [need.soname for need in plan.ignored] == ["libfoo.so.1"]
        assert [need.soname for need in plan.missing] == ["libbar.so.1"]

    def test_modules_of_the_standard_library_are_dropped(self, scene: Scene) -> None:
        """With what was there for them only."""
        scene.add(f"{DYNLOAD}/_tkinter.so", library("", "libtk.so", "libtcl.so"))
        scene.add(f"{DYNLOAD}/_ssl.so", library("", "libssl.so.3"))
        scene.install("libtcl.so")
        scene.install("libtk.so", "libXft.so.2")
        scene.install("libssl.so.3")
        plan = scene.plan()
        assert {scene.inside(path): soname for path, soname in plan.dropped.items()} == {
            f"{DYNLOAD}/_tkinter.so": "libXft.so.2"
        }
        assert scene.copies(plan) == {"usr/lib/libssl.so.3": "machine/lib/libssl.so.3"}
        assert plan.missing == []

    def test_and_libraries_that_only_they_need(self, scene: Scene) -> None:
        scene.add(f"{DYNLOAD}/_tkinter.so", library("", "libtk.so", "libtcl.so"))
        scene.add("usr/lib/libtk.so", library("libtk.so", "libtkimg.so"))
        scene.add("usr/lib/libtkimg.so", library("libtkimg.so", "libXft.so.2"))
        scene.add("usr/lib/libtcl.so", library("libtcl.so"))
        plan = scene.plan()
        assert {scene.inside(path): soname for path, soname in plan.dropped.items()} == {
            f"{DYNLOAD}/_tkinter.so": "libXft.so.2",
            "usr/lib/libtk.so": "libXft.so.2",
            "usr/lib/libtkimg.so": "libXft.so.2",
        }
        assert plan.missing == []

    def test_what_others_need_too_is_missing(self, scene: Scene) -> None:
        scene.add(f"{DYNLOAD}/_x.so", library("", "libfoo.so.1"))
        scene.add(f"{SITE}/p/a.so", library("", "libfoo.so.1"))
        plan = scene.plan()
        assert [scene.inside(need.file) for need in plan.missing] == [f"{SITE}/p/a.so"]
        assert [scene.inside(path) for path in plan.dropped] == [f"{DYNLOAD}/_x.so"]


class TestQt:
    PLUGINS = f"{SITE}/PySide6/Qt/plugins"

    @pytest.mark.parametrize(
        ("path", "optional"),
        [
            ("/s/PySide6/Qt/plugins/sqldrivers/libqsqlpsql.so", True),
            ("/s/PyQt6/Qt6/plugins/platformthemes/libqgtk3.so", True),
            ("/s/PySide6/Qt/qml/QtQuick/Scene3D/libx.so", True),
            ("/s/PySide6/Qt/plugins/platforms/libqeglfs.so", True),
            ("/s/PySide6/Qt/plugins/platforms/libqxcb.so", False),
            ("/s/PySide6/Qt/plugins/platforms/libqwayland-generic.so", False),
            ("/s/PySide6/Qt/plugins/platforms/libqwayland.so", False),
            ("/s/PySide6/Qt/plugins/wayland-shell-integration/libxdg-shell.so", False),
            ("/s/PySide6/Qt/plugins/xcbglintegrations/libqxcb-glx-integration.so", False),
            ("/s/PySide6/Qt/lib/libQt6Core.so.6", False),
            ("/s/other/plugins/libx.so", False),
        ],
    )
    def test_plugins(self, scene: Scene, path: str, *, optional: bool) -> None:
        assert is_qt_plugin(scene.root / path[1:]) is optional
        assert is_optional(scene.root / path[1:]) is optional

    def optional(self, scene: Scene, **policy: Any) -> dict[str, list[str]]:
        plan = scene.plan(**policy)
        assert (plan.missing, plan.dropped) == ([], {})
        assert plan.from_system.isdisjoint(plan.optional)
        return {soname: [path.name for path in files] for soname, files in plan.optional.items()}

    def add_glib(self, scene: Scene) -> None:
        scene.add(f"{SITE}/PySide6/Qt/lib/libQt6Core.so.6", library("libQt6Core.so.6", "libglib-2.0.so.0"))
        scene.install("libglib-2.0.so.0")

    @pytest.mark.parametrize("there", [True, False])
    @pytest.mark.parametrize(
        ("plugin", "soname"),
        [
            ("printsupport/libcups.so", "libcups.so.2"),
            ("multimedia/libffmpegmediaplugin.so", "libpulse.so.0"),
            ("sqldrivers/libqsqlodbc.so", "libodbc.so.2"),
            ("egldeviceintegrations/libqeglfs-kms.so", "libgbm.so.1"),
        ],
    )
    def test_what_must_fit_the_target(self, scene: Scene, plugin: str, soname: str, *, there: bool) -> None:
        """It is used where that has it, and never counts as a need."""
        scene.add(f"{self.PLUGINS}/{plugin}", library("", soname, "libc.so.6", runpath="$ORIGIN"))
        if there:
            scene.install(soname)
        assert self.optional(scene) == {soname: [plugin.rpartition("/")[2]]}
        assert scene.plan().copies == {}

    def test_what_modules_need_too_is_needed(self, scene: Scene) -> None:
        scene.add(f"{self.PLUGINS}/a/liba.so", library("", "libgbm.so.1"))
        scene.add(f"{SITE}/b.so", library("", "libgbm.so.1"))
        plan = scene.plan()
        assert ("libgbm.so.1" in plan.from_system, plan.optional) == (True, {})

    def test_client_of_a_service_that_a_module_needs(self, scene: Scene) -> None:
        """It comes along where the build machine has it: libQt6Multimedia is not even loaded without libpulse."""
        scene.add(f"{SITE}/PySide6/Qt/lib/libQt6Multimedia.so.6", library("libQt6Multimedia.so.6", "libpulse.so.0"))
        assert self.optional(scene) == {"libpulse.so.0": ["libQt6Multimedia.so.6"]}
        assert [need.soname for need in scene.plan().unbundled] == ["libpulse.so.0"]
        assert scene.plan(exclude_libraries=("libpulse*",)).unbundled == []
        scene.install("libpulse.so.0", "libpulsecommon.so", runpath="/lib/pulse")
        scene.install("lib/pulse/libpulsecommon.so")
        plan = scene.plan()
        assert [path.name for path in plan.copies] == ["libpulse.so.0", "libpulsecommon.so"]
        assert (plan.missing, plan.optional) == ([], {})

    def test_what_goes_with_drivers_is_never_taken(self, scene: Scene) -> None:
        scene.add(f"{SITE}/nfc.so", library("", "libpcsclite.so.1"))
        scene.install("libpcsclite.so.1")
        assert self.optional(scene) == {"libpcsclite.so.1": ["nfc.so"]}
        assert scene.plan().copies == {}

    def test_missing_on_the_build_machine(self, scene: Scene) -> None:
        """A target system may have it, and Qt passes over a plugin that cannot be loaded."""
        scene.add(f"{self.PLUGINS}/texttospeech/libspeechd.so", library("", "libspeechd.so.2", runpath="$ORIGIN"))
        assert self.optional(scene) == {"libspeechd.so.2": ["libspeechd.so"]}

    def test_what_is_small_is_taken(self, scene: Scene) -> None:
        scene.add(f"{self.PLUGINS}/multimedia/libffmpegmediaplugin.so", library("", "libXrandr.so.2", "libX11.so.6"))
        scene.install("libXrandr.so.2", "libXrender.so.1", "libX11.so.6")
        scene.install("libXrender.so.1")
        assert self.optional(scene) == {"libX11.so.6": ["libXrandr.so.2", "libffmpegmediaplugin.so"]}
        assert scene.plan().unbundled == []
        assert sorted(path.name for path in scene.plan().copies) == ["libXrandr.so.2", "libXrender.so.1"]

    def test_what_is_large_with_all_that_it_needs_is_not(self, scene: Scene) -> None:
        scene.add(f"{self.PLUGINS}/sqldrivers/libqsqlpsql.so", library("", "libpq.so.5"))
        scene.install("libpq.so.5", "libldap.so.2")
        large = scene.install("libldap.so.2")
        large.write_bytes(large.read_bytes() + bytes(2_000_000))
        assert self.optional(scene) == {"libpq.so.5": ["libqsqlpsql.so"]}
        assert scene.plan().copies == {}

    def test_modules_of_qt_fit_their_own_wheel_only(self, scene: Scene) -> None:
        scene.add(f"{self.PLUGINS}/geometryloaders/libgltf.so", library("", "libQt63DCore.so.6", "libcups.so.2"))
        plan = scene.plan()
        assert [path.name for path in plan.dropped] == ["libgltf.so"]
        assert (plan.missing, plan.optional) == ([], {})

    @pytest.mark.parametrize("there", [True, False])
    def test_what_goes_with_the_targets_glib(self, scene: Scene, *, there: bool) -> None:
        """A newer GTK calls functions that the image's GLib has not."""
        scene.add(f"{self.PLUGINS}/platformthemes/libqgtk3.so", library("", "libgtk-3.so.0", runpath="$ORIGIN"))
        if there:
            scene.install("libgtk-3.so.0")
        assert self.optional(scene) == {"libgtk-3.so.0": ["libqgtk3.so"]}
        self.add_glib(scene)
        plan = scene.plan()
        assert [path.name for path in plan.dropped] == ["libqgtk3.so"]
        assert [path.name for path in plan.copies] == ["libglib-2.0.so.0"]

    def test_links_to_links(self, scene: Scene) -> None:
        """As `libbz2.so.1` of Debian leads to `libbz2.so.1.0`, and that to the file; Python needs the latter name."""
        scene.install("libbz2.so.1.0.4", soname="libbz2.so.1.0")
        for name, target in (("libbz2.so.1.0", "libbz2.so.1.0.4"), ("libbz2.so.1", "libbz2.so.1.0")):
            (scene.root / "machine" / "lib" / name).symlink_to(target)
        scene.add(f"{DYNLOAD}/_bz2.so", library("", "libbz2.so.1.0"))
        scene.add(f"{SITE}/qt/lib/libavformat.so", library("libavformat.so", "libbz2.so.1", runpath="$ORIGIN"))
        scene.add(f"{SITE}/other/a.so", library("", "libbz2.so.1", runpath="$ORIGIN"))
        plan = scene.plan()
        assert (plan.missing, plan.dropped) == ([], {})
        assert len(plan.copies) == 1

    def test_unless_it_is_asked_for(self, scene: Scene) -> None:
        scene.add(f"{self.PLUGINS}/platformthemes/libqgtk3.so", library("", "libgtk-3.so.0", runpath="$ORIGIN"))
        scene.install("libgtk-3.so.0")
        plan = scene.plan(include_libraries=("libgtk-3.so.*",))
        assert scene.copies(plan) == {"usr/lib/libgtk-3.so.0": "machine/lib/libgtk-3.so.0"}
        assert plan.dropped == {}

    def test_with_all_that_it_needs(self, scene: Scene) -> None:
        """As Debian's libpq wants Kerberos and LDAP."""
        scene.add(f"{self.PLUGINS}/sqldrivers/libqsqlpsql.so", library("", "libpq.so.5", runpath="$ORIGIN"))
        scene.add(f"{self.PLUGINS}/sqldrivers/libqsqlmysql.so", library("", "libmysql.so.5", runpath="$ORIGIN"))
        scene.install("libpq.so.5", "libldap-2.5.so.0")
        scene.install("libldap-2.5.so.0", "liblber-2.5.so.0")
        scene.install("liblber-2.5.so.0")
        large = scene.install("libmysql.so.5")
        large.write_bytes(large.read_bytes() + bytes(2_000_000))
        plan = scene.plan(include_libraries=("libpq.so.5",))
        names = ["liblber-2.5.so.0", "libldap-2.5.so.0", "libpq.so.5"]
        assert sorted(path.name for path in plan.copies) == names
        assert (list(plan.optional), plan.dropped) == (["libmysql.so.5"], {})

    @pytest.mark.parametrize("other", ["platforms/libqxcb.so", "../../QtAfter.so"])
    def test_what_others_bring_is_there_for_all(self, scene: Scene, other: str) -> None:
        """Whichever is looked at first, and even if it comes with another library only."""
        plugin = f"{self.PLUGINS}/platforminputcontexts/libcompose.so"
        scene.add(plugin, library("", "libxkbcommon.so.0", runpath="$ORIGIN"))
        scene.add(f"{self.PLUGINS}/{other}", library("", "libxkbcommon-x11.so.0", runpath="$ORIGIN"))
        scene.install("libxkbcommon-x11.so.0", "libxkbcommon.so.0")
        scene.install("libxkbcommon.so.0")
        plan = scene.plan()
        assert (plan.dropped, plan.missing) == ({}, [])
        assert f"{self.PLUGINS}/platforminputcontexts/libxkbcommon.so.0" in scene.links(plan)

    def test_what_only_dropped_ones_bring_is_not_there(self, scene: Scene) -> None:
        scene.add(f"{DYNLOAD}/_dropped.so", library("", "libgone.so.1", "libgtk-3.so.0"))
        scene.add(f"{self.PLUGINS}/a/libtheme.so", library("", "libgtk-3.so.0", runpath="$ORIGIN"))
        scene.install("libgtk-3.so.0")
        plan = scene.plan()
        assert [path.name for path in plan.dropped] == ["_dropped.so"]
        assert (plan.copies, list(plan.optional)) == ({}, ["libgtk-3.so.0"])

    def test_plugins_that_have_all_stay(self, scene: Scene) -> None:
        scene.add(f"{self.PLUGINS}/imageformats/libqjpeg.so", library("", "libz.so.1", "libc.so.6"))
        plan = scene.plan()
        assert (plan.dropped, plan.missing, plan.copies) == ({}, [], {})

    def test_what_shows_windows_is_taken(self, scene: Scene) -> None:
        scene.add(f"{self.PLUGINS}/platforms/libqxcb.so", library("", "libxcb-cursor.so.0", runpath="$ORIGIN"))
        assert [need.soname for need in scene.plan().missing] == ["libxcb-cursor.so.0"]
        scene.install("libxcb-cursor.so.0")
        assert scene.copies(scene.plan()) == {"usr/lib/libxcb-cursor.so.0": "machine/lib/libxcb-cursor.so.0"}


class TestCompanions:
    """What libraries of the machine open by name, so that nothing in a file says it."""

    @pytest.mark.parametrize("place", ["", "nss/"])
    def test_of_nss(self, scene: Scene, place: str) -> None:
        scene.add(f"{SITE}/qt/a.so", library("", "libnss3.so"))
        scene.install("libnss3.so", "libnssutil3.so")
        scene.install("libnssutil3.so")
        scene.install(f"lib/{place}libsoftokn3.so", "libsqlite3.so.0", "libnssutil3.so")
        scene.install(f"lib/{place}libfreeblpriv3.so")
        scene.install("libsqlite3.so.0")
        signature = scene.root / "machine" / "lib" / f"{place}libsoftokn3.chk"
        signature.touch()
        plan = scene.plan()
        assert set(scene.copies(plan)) == {
            "usr/lib/libnss3.so",
            "usr/lib/libnssutil3.so",
            f"usr/lib/{place}libsoftokn3.so",
            f"usr/lib/{place}libfreeblpriv3.so",
            "usr/lib/libsqlite3.so.0",
        }
        assert plan.data == {scene.appdir / "usr" / "lib" / f"{place}libsoftokn3.chk": signature}
        assert scene.rpaths(plan)[f"usr/lib/{place}libsoftokn3.so"] == ("$ORIGIN/.." if place else "$ORIGIN",)
        assert plan.missing == []

    @pytest.mark.parametrize(("place", "entry"), [("", "$ORIGIN/../.."), ("nss/", "$ORIGIN/../../..")])
    def test_of_what_is_found_by_a_link(self, scene: Scene, place: str, entry: str) -> None:
        """NSS looks beside the link, which it does not follow."""
        scene.add(f"{SITE}/qt/libWeb.so", library("libWeb.so", "libnss3.so", "libX11.so.6", rpath="$ORIGIN"))
        scene.install("libnss3.so")
        scene.install(f"lib/{place}libsoftokn3.so", "libsqlite3.so.0")
        scene.install("libsqlite3.so.0")
        plan = scene.plan()
        selected = "usr/lib/selected/libnss3.so"
        assert scene.links(plan) == {
            f"{selected}/libnss3.so": "usr/lib/libnss3.so",
            f"{selected}/{place}libsoftokn3.so": f"usr/lib/{place}libsoftokn3.so",
        }
        assert entry in scene.rpaths(plan)[f"usr/lib/{place}libsoftokn3.so"]

    @pytest.mark.parametrize(
        ("soname", "file", "place"),
        [
            ("libcrypto.so.3", "lib/ossl-modules/legacy.so", "ossl-modules/legacy.so"),
            ("libsasl2.so.2", "lib/sasl2/libscram.so", "sasl2/libscram.so"),
            ("libmagic.so.1", "share/misc/magic.mgc", "file/magic.mgc"),
        ],
    )
    def test_found_by_variables(self, scene: Scene, soname: str, file: str, place: str) -> None:
        """By the soname, as the file itself has a longer name."""
        scene.install(f"{soname}.0.25", soname=soname)
        (scene.root / "machine" / "lib" / soname).symlink_to(f"{soname}.0.25")
        scene.add(f"{SITE}/a.so", library("", soname))
        if file.endswith(".so"):
            scene.install(file, soname)
            scene.install(str(PurePath(file).with_name("libsasldb.so")))
        else:
            (scene.root / "machine" / file).parent.mkdir(parents=True)
            (scene.root / "machine" / file).touch()
        plan = scene.plan()
        found = {scene.inside(path) for path in (*plan.copies, *plan.data)}
        assert found == {f"usr/lib/{soname}", f"usr/lib/{place}"}
        assert plan.missing == []

    def test_none_of_what_a_package_brings(self, scene: Scene) -> None:
        scene.add(f"{SITE}/qt/a.so", library("", "libnss3.so", rpath="$ORIGIN"))
        scene.add(f"{SITE}/qt/libnss3.so", library("libnss3.so"))
        scene.install("libnss3.so")
        scene.install("libsoftokn3.so")
        assert scene.plan().copies == {}


class TestOpened:
    """Libraries that are opened at run time only."""

    def test_is_bundled_and_found_by_what_opens_it(self, scene: Scene) -> None:
        scene.add(f"{DYNLOAD}/_ctypes.cpython-312.so", library(""))
        scene.add(f"{SITE}/_cffi_backend.cpython-312.so", library(""))
        scene.add(f"{DYNLOAD}/other.so", library(""))
        file = scene.install("libsodium.so.23", "libdep.so.1")
        scene.install("libdep.so.1")
        plan = scene.plan({"libsodium.so.23": file})
        assert sorted(scene.copies(plan)) == ["usr/lib/libdep.so.1", "usr/lib/libsodium.so.23"]
        assert scene.rpaths(plan) == {
            f"{DYNLOAD}/_ctypes.cpython-312.so": rpath("$ORIGIN/../.."),
            f"{SITE}/_cffi_backend.cpython-312.so": rpath("$ORIGIN/../.."),
            "usr/lib/libsodium.so.23": rpath("$ORIGIN"),
        }

    def test_what_opens_it_keeps_what_it_inherits(self, scene: Scene) -> None:
        scene.add("usr/bin/python3.12", program(rpath="$ORIGIN/../own"))
        scene.add("usr/own/libffi.so", library("libffi.so"))
        scene.add(f"{DYNLOAD}/_ctypes.cpython-312.so", library("", "libffi.so"))
        plan = scene.plan({"libfoo.so.1": scene.install("libfoo.so.1")})
        assert scene.rpaths(plan)[f"{DYNLOAD}/_ctypes.cpython-312.so"] == ("$ORIGIN/../..",)
        assert plan.by_name == []

    def test_takes_no_longer_in_large_trees(self, scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
        """Python is looked for once, not once a file."""
        calls: list[Tree] = []
        interpreter = Tree.interpreter

        def count(tree: Tree) -> Path | None:
            calls.append(tree)
            return interpreter(tree)

        monkeypatch.setattr(Tree, "interpreter", count)
        file = scene.install("libfoo.so.1")
        scene.plan({"libfoo.so.1": file})
        before = len(calls)
        for number in range(20):
            scene.add(f"{SITE}/p/{number}.so", library(""))
        calls.clear()
        scene.plan({"libfoo.so.1": file})
        assert len(calls) == before

    def test_by_another_name(self, scene: Scene) -> None:
        file = scene.install("libfoo.so", soname="libfoo.so.1")
        plan = scene.plan({"libfoo.so": file})
        assert scene.copies(plan) == {"usr/lib/libfoo.so.1": "machine/lib/libfoo.so"}
        assert scene.links(plan) == {
            "usr/lib/libfoo.so": "usr/lib/libfoo.so.1",
            "usr/lib/selected/libfoo.so/libfoo.so": "usr/lib/libfoo.so.1",
        }

    def test_by_a_name_that_something_needs(self, scene: Scene) -> None:
        """What is found by a link beside the bundled libraries gets no link to itself."""
        file = scene.install("libfoo.so", "libbar.so.1", soname="libfoo.so.1")
        scene.install("libbar.so.1")
        scene.add(f"{DYNLOAD}/_ctypes.a.so", library("", "libfoo.so", rpath="$ORIGIN/../.."))
        plan = scene.plan({"libfoo.so": file})
        assert scene.links(plan) == {"usr/lib/libfoo.so": "usr/lib/libfoo.so.1"}
        assert scene.rpaths(plan) == {"usr/lib/libfoo.so.1": rpath("$ORIGIN")}
        assert plan.missing == []

    def test_a_soname_that_is_a_path(self, scene: Scene) -> None:
        file = scene.install("libfoo.so", soname=str(scene.root / "machine" / "lib" / "libfoo.so"))
        assert scene.copies(scene.plan({"libfoo.so": file})) == {"usr/lib/libfoo.so": "machine/lib/libfoo.so"}

    def test_without_a_soname(self, scene: Scene) -> None:
        file = scene.install("libfoo.so", soname="")
        assert scene.copies(scene.plan({"libfoo.so": file})) == {"usr/lib/libfoo.so": "machine/lib/libfoo.so"}


class TestOpeners:
    """Libraries that open others by themselves."""

    def test_find_what_they_open_and_nothing_else(self, scene: Scene) -> None:
        sdl = scene.add(f"{SITE}/game.libs/libSDL2.so.0", library("libSDL2.so.0", "libother.so.1", rpath="$ORIGIN"))
        scene.add(f"{SITE}/game/_game.so", library("", "libSDL2.so.0", rpath="$ORIGIN/../game.libs"))
        scene.install("libother.so.1")
        cursor = scene.install("libXcursor.so.1", "libXfixes.so.3", "libX11.so.6")
        scene.install("libXfixes.so.3", "libX11.so.6")
        plan = scene.plan(openers={sdl: {"libXcursor.so.1": cursor}})
        assert scene.copies(plan).keys() == {
            "usr/lib/libother.so.1",
            "usr/lib/libXcursor.so.1",
            "usr/lib/libXfixes.so.3",
        }
        lib = "$ORIGIN/../../../selected"
        assert scene.rpaths(plan)[scene.inside(sdl)] == ("$ORIGIN", f"{lib}/libother.so.1", f"{lib}/libXcursor.so.1")
        assert scene.links(plan)["usr/lib/selected/libXcursor.so.1/libXcursor.so.1"] == "usr/lib/libXcursor.so.1"
        assert plan.from_system == {"libc.so.6", "libX11.so.6"}

    def test_one_file_for_all(self, scene: Scene) -> None:
        """What Python code opens, too, is there once."""
        scene.add(f"{DYNLOAD}/_ctypes.a.so", library(""))
        paths = [scene.add(f"{SITE}/{name}/libSDL2.so.0", library("libSDL2.so.0")) for name in "ab"]
        file = scene.install("libXi.so.6")
        plan = scene.plan({"libXi.so.6": file}, openers={path: {"libXi.so.6": file} for path in paths})
        assert scene.copies(plan) == {"usr/lib/libXi.so.6": "machine/lib/libXi.so.6"}
        entry = "$ORIGIN/../../../selected/libXi.so.6"
        assert scene.rpaths(plan) == {
            f"{DYNLOAD}/_ctypes.a.so": rpath("$ORIGIN/../.."),
            **dict.fromkeys(map(scene.inside, paths), (entry,)),
        }


def test_from_origin(tmp_path: Path) -> None:
    assert from_origin(tmp_path / "a" / "b.so", tmp_path / "a") == "$ORIGIN"
    assert from_origin(tmp_path / "a" / "b.so", tmp_path / "c" / "d") == "$ORIGIN/../c/d"


class TestCollected:
    def test_files_get_their_places(self, scene: Scene) -> None:
        module = scene.install("gio/modules/libtls.so", "libtls.so.1")
        scene.install("libtls.so.1")
        data = scene.root / "Gtk-4.0.typelib"
        data.touch()
        collected = Collected({"gio/modules/libtls.so": module, "girepository-1.0/Gtk-4.0.typelib": data})
        plan = scene.plan(collected=collected)
        assert set(scene.copies(plan)) == {"usr/lib/gio/modules/libtls.so", "usr/lib/libtls.so.1"}
        assert scene.rpaths(plan)["usr/lib/gio/modules/libtls.so"] == ("$ORIGIN/../..",)
        assert {scene.inside(path) for path in plan.data} == {"usr/lib/girepository-1.0/Gtk-4.0.typelib"}

    def test_what_glib_opens_by_name(self, scene: Scene) -> None:
        """Libraries of the machine that come with it find nothing of the image but that."""
        scene.add(f"{SITE}/gi/_gi.so", library("", "libgmodule-2.0.so.0"))
        scene.install("libgmodule-2.0.so.0")
        files = {name: scene.install(name, *needed) for name, *needed in (
            ("libgtk-4.so.1", "libX11.so.6", "libpango-1.0.so.0"),
            ("libpango-1.0.so.0", "libfribidi.so.9"),
        )}  # fmt: skip
        scene.install("libfribidi.so.9")
        plan = scene.plan(collected=Collected(files))
        rpaths = scene.rpaths(plan)
        chosen = "libgtk-4.so.1+libpango-1.0.so.0"
        assert rpaths["usr/lib/libgmodule-2.0.so.0"][0] == f"$ORIGIN/selected/{chosen}"
        assert scene.links(plan)[f"usr/lib/selected/{chosen}/libpango-1.0.so.0"] == "usr/lib/libpango-1.0.so.0"
        # Opened by the link, it finds its own from there.
        assert rpaths["usr/lib/libpango-1.0.so.0"] == ("$ORIGIN", "$ORIGIN/../..")
        assert "$ORIGIN" not in rpaths["usr/lib/libgtk-4.so.1"]
