# SPDX-License-Identifier: MIT
"""Where a machine keeps its libraries."""

from __future__ import annotations

from pathlib import Path

import pytest

from hatch_appimage.architecture import ARCHITECTURES
from hatch_appimage.system import AddedPackage, System

X86_64 = ARCHITECTURES["x86_64"]


def names(system: System) -> list[str]:
    return [system.name_of(directory) for directory in system.directories]


def make(root: Path, *directories: str, **files: str) -> None:
    for directory in directories:
        (root / directory).mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        file = root / "etc" / name.replace("__", "/").replace("_", ".")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def test_default_directories(tmp_path: Path) -> None:
    make(tmp_path, "usr/lib/x86_64-linux-gnu", "lib64", "usr/lib", "usr/lib/i386-linux-gnu")
    assert names(System.read(tmp_path, X86_64)) == ["/usr/lib/x86_64-linux-gnu", "/lib64", "/usr/lib"]


@pytest.mark.parametrize("architecture", list(ARCHITECTURES))
def test_every_architecture(tmp_path: Path, architecture: str) -> None:
    make(tmp_path, "usr/lib")
    assert names(System.read(tmp_path, ARCHITECTURES[architecture])) == ["/usr/lib"]


def test_configuration(tmp_path: Path) -> None:
    make(
        tmp_path,
        *("opt/a", "opt/b", "opt/c", "opt/d", "opt/e", "usr/lib"),
        ld_so_conf=(
            "# a comment\n"
            "/opt/a  # another\n"
            "include ld.so.conf.d/*.conf\n"
            "include /etc/nothing/*.conf\n"
            "include /etc/\n"
            "hwcap 1 nosegneg\n"
            "relative/directory\n"
            "/opt/d,/opt/e /not/there\n"
        ),
        ld_so_conf_d__2_conf="/opt/c\n",
        ld_so_conf_d__1_conf="/opt/b=libc6\n/opt/a\n",
    )
    assert names(System.read(tmp_path, X86_64)) == ["/opt/a", "/opt/b", "/opt/c", "/opt/d", "/opt/e", "/usr/lib"]


class TestMusl:
    """Its loader reads another file than glibc's, and has other directories without one."""

    @pytest.mark.parametrize(
        ("text", "directories"),
        [
            (None, ["/lib", "/usr/lib"]),
            ("/opt/a\n/opt/b\n", ["/opt/a", "/opt/b"]),
            ("/opt/b:/opt/a:relative:/not/there", ["/opt/b", "/opt/a"]),
            ("", []),
        ],
    )
    def test_directories(self, tmp_path: Path, text: str | None, directories: list[str]) -> None:
        make(tmp_path, "lib", "usr/lib", "usr/lib/x86_64-linux-gnu", "opt/a", "opt/b", ld_so_conf="/opt/a\n")
        if text is not None:
            (tmp_path / "etc" / "ld-musl-x86_64.path").write_text(text)
        assert names(System.read(tmp_path, X86_64, musl=True)) == directories

    def test_variable(self, tmp_path: Path) -> None:
        make(tmp_path, "lib", "opt/a")
        assert names(System.read(tmp_path, X86_64, "/opt/a", musl=True)) == ["/opt/a", "/lib"]


def test_configuration_that_includes_itself(tmp_path: Path) -> None:
    make(tmp_path, "opt/a", ld_so_conf="/opt/a\ninclude ld.so.conf\n")
    assert names(System.read(tmp_path, X86_64)) == ["/opt/a"]


def test_library_path(tmp_path: Path) -> None:
    make(tmp_path, "opt/a", "opt/b", "usr/lib", "cwd")
    system = System.read(tmp_path, X86_64, "/opt/b:cwd::/opt/a;/not/there")
    assert names(system) == ["/opt/b", "/opt/a", "/usr/lib"]


def test_this_machine() -> None:
    system = System.read(Path("/"), X86_64)
    assert all(directory.is_dir() for directory in system.directories)
    assert system.locate("/usr/lib") == Path("/usr/lib")
    assert system.name_of(Path("/usr/lib/x")) == "/usr/lib/x"


class TestLocate:
    """Links of another machine lead to its own files."""

    def test_absolute_link(self, tmp_path: Path) -> None:
        make(tmp_path, "usr/lib", "etc/alternatives")
        (tmp_path / "usr" / "lib" / "libblas.so.3").symlink_to("/etc/alternatives/libblas.so.3")
        (tmp_path / "etc" / "alternatives" / "libblas.so.3").symlink_to("/usr/lib/blas.so")
        system = System(tmp_path, ())
        assert system.locate("/usr/lib/libblas.so.3") == tmp_path / "usr" / "lib" / "blas.so"

    def test_link_to_a_directory(self, tmp_path: Path) -> None:
        make(tmp_path, "usr/lib")
        (tmp_path / "lib").symlink_to("usr/lib")
        assert System(tmp_path, ()).locate("/lib/x/./y/../z") == tmp_path / "usr" / "lib" / "x" / "z"

    def test_never_leads_out(self, tmp_path: Path) -> None:
        root = tmp_path / "root"
        root.mkdir()
        (root / "up").symlink_to("../../../..")
        assert System(root, ()).locate("/up/etc/passwd") == root / "etc" / "passwd"
        assert System(root, ()).locate("/../x") == root / "x"

    def test_circle(self, tmp_path: Path) -> None:
        (tmp_path / "a").symlink_to("b")
        (tmp_path / "b").symlink_to("a")
        assert not System(tmp_path, ()).locate("/a").is_file()

    def test_follow(self, tmp_path: Path) -> None:
        (tmp_path / "link").symlink_to("/opt/file")
        assert System(tmp_path, ()).follow(tmp_path / "link") == tmp_path / "opt" / "file"
        assert System(tmp_path / "root", ()).follow(tmp_path / "link") == tmp_path / "link"

    def test_names_in_packages(self, tmp_path: Path) -> None:
        """Packages have a file on either side of the links from ``/lib`` and the like into ``/usr``."""
        roots = [tmp_path / name for name in ("old", "new")]
        make(roots[0], "lib64")
        make(roots[1], "usr/bin")
        files = [roots[0] / "lib64/ld.so.2", roots[1] / "usr/bin/tool"]
        for file in files:
            file.touch()
        system = System(tmp_path / "root", ())
        for root in roots:
            system = system.add(AddedPackage(root.name, "1", "", root, "", 0), X86_64)
        for prefix in ("", "/usr"):
            assert [system.locate(f"{prefix}{name}") for name in ("/lib64/ld.so.2", "/bin/tool")] == files
        assert not system.locate("/usr/tool").exists()

    def test_name_of_what_is_elsewhere(self, tmp_path: Path) -> None:
        assert System(tmp_path / "root", ()).name_of(Path("/opt/x")) == "/opt/x"
