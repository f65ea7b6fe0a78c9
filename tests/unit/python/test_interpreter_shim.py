# SPDX-License-Identifier: MIT
"""Wheels for a Python that does not run here, chosen by the real uv; nothing is downloaded."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import pytest

from hatch_appimage.architecture import ARCHITECTURES, native_architecture
from hatch_appimage.errors import AppImageError
from hatch_appimage.layout import AppDir
from hatch_appimage.packages.install import check_musl_platform, install_packages
from hatch_appimage.packages.lock import Lock
from hatch_appimage.packages.settings import InstallSettings
from hatch_appimage.project.metadata import Project
from hatch_appimage.project.wheel import Wheel
from hatch_appimage.python import BundledPython
from hatch_appimage.python.interpreter_shim import newest_glibc

FOREIGN = [name for name in ARCHITECTURES if name != native_architecture().name]


@pytest.fixture(autouse=True)
def wheels(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a directory whose wheels uv finds, and no others."""
    directory = tmp_path / "wheels"
    directory.mkdir()
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_NO_INDEX", "1")
    monkeypatch.setenv("UV_FIND_LINKS", str(directory))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path_factory.mktemp("uv-cache")))
    return directory


def make_wheel(directory: Path, name: str, tag: str, *requirements: str) -> Path:
    """Make a wheel with one module, whose text is the wheel's tag."""
    path = directory / f"{name}-1.0-{tag}.whl"
    required = "".join(f"Requires-Dist: {requirement}\n" for requirement in requirements)
    python, abi, platforms = tag.split("-")
    tags = "".join(f"Tag: {python}-{abi}-{platform}\n" for platform in platforms.split("."))
    contents = {
        f"{name}.py": tag,
        f"{name}-1.0.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{required}",
        f"{name}-1.0.dist-info/WHEEL": f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: false\n{tags}",
    }
    record = "".join(f"{file},,\n" for file in [*contents, f"{name}-1.0.dist-info/RECORD"])
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in {**contents, f"{name}-1.0.dist-info/RECORD": record}.items():
            archive.writestr(file, text)
    return path


def install(
    directory: Path,
    *requirements: str,
    architecture: str,
    version: str = "3.12.8",
    name: str = "python3.12",
    max_glibc: tuple[int, ...] | None = None,
    project_tag: str = "py3-none-any",
    lock: Lock | None = None,
    musl: tuple[int, ...] | None = None,
) -> dict[str, str]:
    """Install a project with requirements, and return the text of each module by its path in the prefix."""
    appdir = AppDir(directory / "AppDir", "app")
    stdlib = appdir.lib / name
    python = BundledPython(
        version=version,
        executable=appdir.bin / name,
        stdlib=stdlib,
        site_packages=(stdlib / "site-packages",),
        interpreter=directory / "nowhere",
        origin=directory,
        cross=True,
        musl=musl is not None,
    )
    (directory / "project").mkdir()
    project = Project(directory / "project", "app", "1.0", "", "", {}, {}, ())
    install_packages(
        Wheel.read(make_wheel(directory, "app", project_tag, *requirements)),
        appdir,
        python,
        project,
        InstallSettings(lock=lock),
        architecture=ARCHITECTURES[architecture],
        max_glibc=max_glibc,
        musl=musl,
    )
    return {str(path.relative_to(appdir.usr)): path.read_text() for path in appdir.usr.rglob("*.py")}


@pytest.mark.parametrize("architecture", FOREIGN)
def test_platform(tmp_path: Path, wheels: Path, architecture: str) -> None:
    for other in ARCHITECTURES.values():
        make_wheel(wheels, "ext", f"cp312-cp312-manylinux_2_17_{other.machine}.manylinux2014_{other.machine}")
    make_wheel(wheels, "ext", f"cp311-cp311-manylinux_2_17_{ARCHITECTURES[architecture].machine}")
    installed = install(tmp_path, "ext", architecture=architecture)
    machine = ARCHITECTURES[architecture].machine
    assert installed == {
        "lib/python3.12/site-packages/app.py": "py3-none-any",
        "lib/python3.12/site-packages/ext.py": f"cp312-cp312-manylinux_2_17_{machine}.manylinux2014_{machine}",
    }


@pytest.mark.parametrize(
    ("limit", "expected"),
    [((2, 17), "2_17"), ((2, 27), "2_17"), ((2, 28), "2_28"), ((2, 30), "2_28"), ((2, 99), "2_35")],
)
def test_glibc(tmp_path: Path, wheels: Path, limit: tuple[int, int], expected: str) -> None:
    architecture = FOREIGN[0]
    machine = ARCHITECTURES[architecture].machine
    for minor in (17, 28, 35):
        make_wheel(wheels, "ext", f"cp312-abi3-manylinux_2_{minor}_{machine}")
    installed = install(tmp_path, "ext", architecture=architecture, max_glibc=limit)
    assert installed["lib/python3.12/site-packages/ext.py"] == f"cp312-abi3-manylinux_{expected}_{machine}"


class TestMusl:
    """On this machine's architecture, too, where wheels for glibc would fit all but the C library."""

    @pytest.mark.parametrize("architecture", ["x86_64", "aarch64"])
    @pytest.mark.parametrize(
        ("versions", "expected"), [(("1_0", "1_1"), "1_1"), (("1_1", "1_2"), "1_2"), (("1_2", "1_3"), "1_2")]
    )
    def test_version(
        self, tmp_path: Path, wheels: Path, architecture: str, versions: tuple[str, ...], expected: str
    ) -> None:
        for other in ARCHITECTURES.values():
            make_wheel(wheels, "ext", f"cp312-cp312-manylinux_2_17_{other.machine}")
            for version in versions:
                make_wheel(wheels, "ext", f"cp312-cp312-musllinux_{version}_{other.machine}")
        installed = install(tmp_path, "ext", architecture=architecture, max_glibc=(2, 28), musl=(1, 2, 5))
        machine = ARCHITECTURES[architecture].machine
        assert installed["lib/python3.12/site-packages/ext.py"] == f"cp312-cp312-musllinux_{expected}_{machine}"

    @pytest.mark.parametrize("version", ["manylinux_2_17", "musllinux_1_3"])
    def test_none(self, tmp_path: Path, wheels: Path, version: str) -> None:
        make_wheel(wheels, "ext", f"cp312-cp312-{version}_x86_64")
        with pytest.raises(AppImageError, match=r"^Cannot install app and its dependencies: uv ended with (?s:.*)ext"):
            install(tmp_path, "ext", architecture="x86_64", musl=(1, 2, 5))

    def test_source_alone(self, tmp_path: Path, wheels: Path) -> None:
        (wheels / "source-1.0.tar.gz").write_bytes(b"")
        with pytest.raises(
            AppImageError, match=r"^source has no wheel for x86_64 with musl 1\.2 or older, and nothing"
        ):
            install(tmp_path, "source", architecture="x86_64", musl=(1, 2, 5))

    def test_markers(self, tmp_path: Path, wheels: Path) -> None:
        markers = {
            "machine": "platform_machine == 'aarch64'",
            "linux": "sys_platform == 'linux' and os_name == 'posix'",
        }
        for name in markers:
            make_wheel(wheels, name, "py3-none-any")
        requirements = (f"{name}; {marker}" for name, marker in markers.items())
        installed = install(tmp_path, *requirements, architecture="aarch64", musl=(1, 2, 5))
        assert {Path(path).stem for path in installed} == {"app", "machine", "linux"}

    def test_project_that_was_compiled_here(self, tmp_path: Path) -> None:
        with pytest.raises(AppImageError) as caught:
            install(tmp_path, architecture="x86_64", musl=(1, 2, 5), project_tag="cp312-cp312-linux_x86_64")
        assert str(caught.value) == (
            "The project's wheel app-1.0-cp312-cp312-linux_x86_64.whl has extension modules for this machine and "
            "cannot go into an image for x86_64 with musl: build that on such a machine"
        )

    def test_project_that_was_compiled_for_musl(self, tmp_path: Path) -> None:
        tag = "cp312-cp312-musllinux_1_2_x86_64"
        installed = install(tmp_path, architecture="x86_64", musl=(1, 2, 5), project_tag=tag)
        assert installed == {"lib/python3.12/site-packages/app.py": tag}

    @pytest.mark.parametrize("architecture", ["armhf", "i686"])
    def test_platform_without_a_name(self, architecture: str) -> None:
        with pytest.raises(AppImageError) as caught:
            check_musl_platform(ARCHITECTURES[architecture], python="archive.tar.gz")
        assert str(caught.value) == (
            "The Python at archive.tar.gz is for musl and does not run here: wheels for "
            f"{architecture} with musl can be chosen only where it runs"
        )


def test_glibc_without_a_limit() -> None:
    """It is this machine's, as for packages that are for this machine."""
    assert newest_glibc((2, 17)) == (2, 17)
    assert newest_glibc(None) >= (2, 17)


@pytest.mark.parametrize("architecture", FOREIGN)
def test_markers(tmp_path: Path, wheels: Path, architecture: str) -> None:
    markers = {
        "machine": f"platform_machine == '{ARCHITECTURES[architecture].machine}'",
        "other": f"platform_machine == '{native_architecture().machine}'",
        "version": "python_full_version == '3.12.8'",
        "minor": "python_version == '3.12' and implementation_version == '3.12.8'",
        "linux": "sys_platform == 'linux' and platform_system == 'Linux' and os_name == 'posix'",
        "cpython": "platform_python_implementation == 'CPython' and implementation_name == 'cpython'",
        "newer": "python_full_version > '3.12.8'",
    }
    for name in markers:
        make_wheel(wheels, name, "py3-none-any")
    installed = install(tmp_path, *(f"{name}; {marker}" for name, marker in markers.items()), architecture=architecture)
    names = {Path(path).stem for path in installed}
    assert names == {"app", "machine", "version", "minor", "linux", "cpython"}


def test_prerelease(tmp_path: Path, wheels: Path) -> None:
    make_wheel(wheels, "ext", "py3-none-any")
    requirement = "ext; python_version == '3.15'"
    installed = install(tmp_path, requirement, architecture=FOREIGN[0], version="3.15.0rc1+", name="python3.15")
    assert "lib/python3.15/site-packages/ext.py" in installed


@pytest.mark.parametrize(("name", "abi"), [("python3.13", "cp313"), ("python3.13t", "cp313t")])
def test_free_threaded(tmp_path: Path, wheels: Path, name: str, abi: str) -> None:
    machine = ARCHITECTURES[FOREIGN[0]].machine
    for kind in ("cp313", "cp313t"):
        make_wheel(wheels, "ext", f"cp313-{kind}-manylinux_2_17_{machine}")
    installed = install(tmp_path, "ext", architecture=FOREIGN[0], version="3.13.1", name=name)
    assert installed[f"lib/{name}/site-packages/ext.py"] == f"cp313-{abi}-manylinux_2_17_{machine}"


def test_no_wheel(tmp_path: Path, wheels: Path) -> None:
    """A source distribution alone, and wheels of this machine alone."""
    (wheels / "source-1.0.tar.gz").write_bytes(b"")
    with pytest.raises(AppImageError) as caught:
        install(tmp_path, "source", architecture=FOREIGN[0], max_glibc=(2, 28))
    assert str(caught.value) == (
        f"source has no wheel for {FOREIGN[0]} with glibc 2.28 or older, and nothing is built from source for a "
        "Python that does not run here: require another release, give uv a wheel (`find-links`), or build on such a "
        "machine"
    )


def test_lock_with_a_source_alone(tmp_path: Path) -> None:
    """What a lock says is not changed: another architecture needs a lock that has wheels for it."""
    (tmp_path / "pylock.toml").write_text(
        """lock-version = "1.0"
created-by = "tests"
[[packages]]
name = "source"
version = "1.0"
sdist = { name = "source-1.0.tar.gz", path = "source-1.0.tar.gz", hashes = { sha256 = "00" } }
"""
    )
    with pytest.raises(AppImageError, match=rf"^source has no wheel for {FOREIGN[0]} with glibc 2\.28 or older, "):
        install(
            tmp_path, "source", architecture=FOREIGN[0], max_glibc=(2, 28), lock=Lock.named(tmp_path / "pylock.toml")
        )


def test_wheels_of_this_machine_alone(tmp_path: Path, wheels: Path) -> None:
    make_wheel(wheels, "ext", f"cp312-cp312-manylinux_2_17_{native_architecture().machine}")
    with pytest.raises(AppImageError, match=r"^Cannot install app and its dependencies: uv ended with (?s:.*)ext"):
        install(tmp_path, "ext", architecture=FOREIGN[0])


def test_extension_modules_in_the_project(tmp_path: Path) -> None:
    tag = f"cp312-cp312-linux_{native_architecture().machine}"
    with pytest.raises(AppImageError) as caught:
        install(tmp_path, architecture=FOREIGN[0], project_tag=tag)
    assert str(caught.value) == (
        f"The project's wheel app-1.0-{tag}.whl has extension modules for this machine and cannot go into an image for "
        f"{FOREIGN[0]}: build that on such a machine"
    )


@pytest.mark.skipif(native_architecture().name not in {"x86_64", "aarch64"}, reason="uv has no name for the platform")
def test_limit_for_this_machine(tmp_path: Path, wheels: Path) -> None:
    """Wheels that need a newer glibc than the project allows are not taken."""
    machine = native_architecture().machine
    for minor in (17, 28, 35):
        make_wheel(wheels, "ext", f"py3-none-manylinux_2_{minor}_{machine}")
    (tmp_path / "project").mkdir()
    appdir = AppDir(tmp_path / "AppDir", "app")
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    site_packages = appdir.lib / name / "site-packages"
    python = BundledPython(
        version=".".join(map(str, sys.version_info[:3])),
        executable=appdir.bin / name,
        stdlib=site_packages.parent,
        site_packages=(site_packages,),
        interpreter=Path(sys.executable),
        origin=Path(sys.prefix),
    )
    install_packages(
        Wheel.read(make_wheel(tmp_path, "app", "py3-none-any", "ext")),
        appdir,
        python,
        Project(tmp_path / "project", "app", "1.0", "", "", {}, {}, ()),
        InstallSettings(),
        architecture=native_architecture(),
        max_glibc=(2, 30),
    )
    assert (site_packages / "ext.py").read_text() == f"py3-none-manylinux_2_28_{machine}"
