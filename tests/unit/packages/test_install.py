# SPDX-License-Identifier: MIT
"""Installing into the AppDir, with the real uv and wheels made here; nothing is downloaded."""

from __future__ import annotations

import csv
import os
import shutil
import sys
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hatch_appimage.appdir.commands import check_entry_point, check_scripts, find_commands
from hatch_appimage.appdir.settings import LauncherSettings
from hatch_appimage.architecture import native_architecture
from hatch_appimage.errors import AppImageError
from hatch_appimage.layout import AppDir
from hatch_appimage.packages.install import application_files, install_packages
from hatch_appimage.packages.settings import InstallSettings
from hatch_appimage.project.entry_points import EntryPoint
from hatch_appimage.project.metadata import Project
from hatch_appimage.project.requirements_file import read_requirements_file
from hatch_appimage.project.wheel import Wheel
from hatch_appimage.python import BundledPython
from hatch_appimage.python.installed import Records, names_of_contested, update_records
from support.packages import digest, make_wheel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hatch_appimage.packages.install import Installation

SITE_PACKAGES = f"lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"


@pytest.fixture(autouse=True)
def offline(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path_factory.mktemp("uv-cache")))


@pytest.fixture
def appdir(tmp_path: Path) -> AppDir:
    return AppDir(tmp_path / "App Dir", "my-app")


@pytest.fixture
def python(appdir: AppDir) -> BundledPython:
    site_packages = appdir.usr / SITE_PACKAGES
    executable = appdir.bin / "python3"
    return BundledPython(
        version="3",
        executable=executable,
        stdlib=site_packages.parent,
        site_packages=(site_packages,),
        interpreter=Path(sys.executable),
        origin=Path(sys.prefix),
    )


@pytest.fixture
def project(tmp_path: Path) -> Project:
    root = tmp_path / "project"
    root.mkdir()
    return Project(root, "My.App", "1.0", "", "", {"my-app": "my_app:main"}, {}, ("web",))


def install(
    wheel: Path, appdir: AppDir, python: BundledPython, project: Project, requirements: Sequence[str] = ()
) -> Installation:
    return install_packages(
        Wheel.read(wheel),
        appdir,
        python,
        project,
        InstallSettings(features=("web",), requirements=tuple(requirements)),
        architecture=native_architecture(),
    )


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    """Return a project's wheel that needs another one, and a third one for a feature."""
    wheels = tmp_path / "wheels with blanks"
    other = make_wheel(wheels, "other", {"other.py": "x = 1\n"})
    third = make_wheel(wheels, "third", {"third/__init__.py": ""})
    return make_wheel(
        wheels,
        "my_app",
        {"my_app/__init__.py": "def main(): pass\n", "my_app/a, b.txt": "x"},
        scripts="my-app = my_app:main",
        metadata=[
            f"Requires-Dist: other @ {other.as_uri()}",
            "Provides-Extra: web",
            f"Requires-Dist: third @ {third.as_uri()} ; extra == 'web'",
        ],
    )


def test_installs_wheel_dependencies_and_features(
    appdir: AppDir, python: BundledPython, project: Project, wheel: Path, tmp_path: Path
) -> None:
    extra = make_wheel(tmp_path / "extra", "extra", {"extra.py": ""})
    installed = install(wheel, appdir, python, project, [f"extra @ {extra.as_uri()}"])
    assert [(package.name, package.version) for package in installed.packages] == [
        ("extra", "1.0"),
        ("my-app", "1.0"),
        ("other", "1.0"),
        ("third", "1.0"),
    ]
    assert all(package.size > 0 for package in installed.packages)
    assert (appdir.bin / "my-app").stat().st_mode & 0o111
    assert not (appdir.usr / ".lock").exists()
    assert not list(appdir.root.rglob("__pycache__"))


def test_file_of_several_packages(
    appdir: AppDir, python: BundledPython, project: Project, wheel: Path, tmp_path: Path
) -> None:
    same = {"tests/__init__.py": "", "both/again.py": "x = 1\n"}
    # The many files before it make the first package's come last where all are installed at once.
    many = {f"first/m{number}.py": "x = 1\n" for number in range(1000)}
    first = make_wheel(tmp_path / "extra", "first", {**many, **same, "both/it.py": "first", "both/first.py": ""})
    second = make_wheel(tmp_path / "extra", "second", {**same, "both/it.py": "second"})
    equal = make_wheel(tmp_path / "extra", "third_one", same)
    install(
        wheel, appdir, python, project, [f"{it.name.split('-')[0]} @ {it.as_uri()}" for it in (second, first, equal)]
    )
    (site_packages,) = python.site_packages
    assert (site_packages / "both/it.py").read_text() == "second"
    assert all((site_packages / name).is_file() for name in (*many, *same, "both/first.py"))
    assert names_of_contested(python) == {"first", "second"}


def test_files_of_requirements(
    appdir: AppDir, python: BundledPython, project: Project, wheel: Path, tmp_path: Path
) -> None:
    extra = make_wheel(tmp_path / "extra", "extra", {"extra.py": ""})
    make_wheel(tmp_path / "extra", "narrow", {"narrow.py": ""})
    make_wheel(tmp_path / "extra", "narrow", {"narrow.py": ""}, version="2.0")
    (tmp_path / "constraints.txt").write_text("narrow<2\n")
    # A path relative to the file, which is in another place than the project, and not in the working directory.
    (tmp_path / "base.txt").write_text("narrow\n--find-links ./extra\n--no-index\n")
    file = tmp_path / "requirements.txt"
    text = f"-r base.txt\n-c constraints.txt\nextra @ {extra.as_uri()} --hash=sha256:"
    file.write_text(text + sha256(extra.read_bytes()).hexdigest())

    def build() -> Installation:
        settings = InstallSettings(features=("web",), requirements_file=(read_requirements_file(file),))
        return install_packages(
            Wheel.read(wheel), appdir, python, project, settings, architecture=native_architecture()
        )

    found = {package.name: package.version for package in build().packages}
    assert (found["extra"], found["narrow"]) == ("1.0", "1.0")
    file.write_text(text + "0" * 64)
    with pytest.raises(AppImageError, match="extra"):
        build()


def test_names_nothing_of_this_machine(
    appdir: AppDir, python: BundledPython, project: Project, wheel: Path, tmp_path: Path
) -> None:
    install(wheel, appdir, python, project)
    update_records(python)
    for path in appdir.files():
        if path.parent.suffix == ".dist-info" and path.name != "METADATA":
            assert str(tmp_path).encode() not in path.read_bytes(), path
    assert not list(appdir.root.rglob("direct_url.json"))
    assert not list(appdir.root.rglob("uv_*.json"))


def test_surroundings_do_not_matter(
    appdir: AppDir,
    python: BundledPython,
    project: Project,
    wheel: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("VIRTUAL_ENV", str(appdir.root / "nowhere"))
    monkeypatch.setenv("UV_PYTHON", "2.7")
    monkeypatch.setenv("UV_COMPILE_BYTECODE", "1")
    monkeypatch.setenv("UV_LINK_MODE", "symlink")
    install(wheel, appdir, python, project)
    module = appdir.usr / SITE_PACKAGES / "my_app" / "__init__.py"
    assert not module.is_symlink()
    assert not list(appdir.root.rglob("__pycache__"))


def test_unresolvable(appdir: AppDir, python: BundledPython, project: Project, wheel: Path) -> None:
    with pytest.raises(AppImageError) as caught:
        install(wheel, appdir, python, project, ["other>=2"])
    first, *rest = str(caught.value).splitlines()
    assert first == "Cannot install My.App and its dependencies: uv ended with exit status 1"
    assert "other>=2" in " ".join(rest)
    assert "Traceback" not in str(caught.value)


class TestUpdateRecords:
    def test_tells_the_truth_again(self, appdir: AppDir, python: BundledPython, project: Project, wheel: Path) -> None:
        install(wheel, appdir, python, project)
        site_packages = appdir.usr / SITE_PACKAGES
        (appdir.bin / "my-app").write_text("changed\n")
        (site_packages / "third" / "__init__.py").unlink()
        (site_packages / "other.py").rename(site_packages / "other.pyc")  # as bytecode takes the place of a source
        assert update_records(python) == Records(3)
        found = set()
        for record in site_packages.glob("*.dist-info/RECORD"):
            for name, checksum, size in csv.reader(record.read_text(encoding="utf-8").splitlines()):
                path = (site_packages / name).resolve()
                found.add(path)
                if path == record.resolve():
                    assert (checksum, size) == ("", "")
                else:
                    data = path.read_bytes()
                    assert (checksum, size) == (f"sha256={digest(data)}", str(len(data)))
        assert {path for path in appdir.files() if path.is_relative_to(site_packages)} <= found
        assert (appdir.bin / "my-app").resolve() in found
        assert (site_packages / "my_app" / "a, b.txt").resolve() in found
        assert {"other.py", "other.pyc"}.intersection(path.name for path in found) == {"other.pyc"}

    def test_distribution_without_record(self, python: BundledPython) -> None:
        info = python.site_packages[0] / "old-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: old\nVersion: 1.0\n")
        update_records(python)
        assert not (info / "RECORD").exists()


def test_bytecode_without_sources_belongs_to_the_application(
    appdir: AppDir, python: BundledPython, project: Project, wheel: Path
) -> None:
    """It lies at the end of an image, with all that changes from release to release."""
    install(wheel, appdir, python, project)
    package = appdir.usr / SITE_PACKAGES / "my_app"
    (package / "__init__.py").rename(package / "__init__.pyc")
    update_records(python)
    assert str((package / "__init__.pyc").relative_to(appdir.root)) in application_files(appdir, python, project)


class TestCheckEntryPoint:
    @pytest.fixture(autouse=True)
    def files(self, appdir: AppDir, python: BundledPython) -> None:
        for name in ("package/__init__.py", "package/cli.py", "runs/__main__.py", "single.py", "namespace/a.py"):
            path = python.site_packages[0] / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("def main(): ...\n")
        (python.site_packages[0] / "fast.cpython-312-x86_64-linux-gnu.so").touch()
        (python.site_packages[0] / "stable.abi3.so").touch()
        (python.stdlib / "timeit.py").write_text("def main(args=None): ...\n")
        appdir.bin.mkdir(parents=True)
        (appdir.bin / "app").touch()

    @pytest.mark.parametrize(
        "module", ["package", "package.cli", "single", "namespace.a", "fast", "stable", "timeit", "runs.__main__"]
    )
    def test_module(self, python: BundledPython, module: str) -> None:
        check_entry_point(EntryPoint("app", module, "main", installed=True), python)

    def test_directory_of_a_path_file(self, python: BundledPython, tmp_path: Path) -> None:
        site = python.site_packages[0]
        for directory in (site / "a-app", tmp_path / "outside"):
            directory.mkdir()
            (directory / f"in_{directory.name.replace('-', '_')}.py").write_text("def main(): ...\n")
        (site / "a.pth").write_text(f"# gone\nimport sys\n\ngone\na-app\n{tmp_path}/outside\n")
        check_entry_point(EntryPoint("app", "in_a_app", "main"), python)
        with pytest.raises(AppImageError, match="needs the module `in_outside`"):
            check_entry_point(EntryPoint("app", "in_outside", "main"), python)

    @pytest.mark.parametrize("module", ["runs", "single", "package.cli", "timeit", "fast"])
    def test_runs(self, python: BundledPython, module: str) -> None:
        check_entry_point(EntryPoint("other", module, None), python)

    @pytest.mark.parametrize("module", ["missing", "package.missing", "missing.cli", "singl", "fas", "single.x"])
    @pytest.mark.parametrize("attribute", ["main", None])
    def test_missing_module(self, python: BundledPython, module: str, attribute: str | None) -> None:
        with pytest.raises(AppImageError) as caught:
            check_entry_point(EntryPoint("app", module, attribute), python)
        assert str(caught.value) == (
            f"The entry point `app` needs the module `{module}`, which neither the project's wheel nor a dependency "
            "installs: is it among the files that the wheel is made of?"
        )

    @pytest.mark.parametrize(
        ("text", "end"),
        [
            ("def main(): ...\nclass App: ...\n", ": there are main, App"),
            ("from .cli import main\n", ""),
            ("def mian(:\n", ""),
        ],
    )
    def test_missing_function(self, python: BundledPython, text: str, end: str) -> None:
        (python.site_packages[0] / "package/__init__.py").write_text(text)
        with pytest.raises(AppImageError) as caught:
            check_entry_point(EntryPoint("app", "package", "mian_"), python)
        assert str(caught.value) == (
            f"The entry point `app` needs `mian_` of the module `package`, and __init__.py of that does not define "
            f"it{end}"
        )

    @pytest.mark.parametrize(
        "text",
        [
            "from .cli import main as run\n",
            "from .cli import *\n",
            "from .cli import (\n    app,\n    run,\n)\n",
            "def __getattr__(name): ...\n",
            "globals()['r' 'un'] = print\n",
        ],
    )
    def test_function_from_elsewhere(self, python: BundledPython, text: str) -> None:
        (python.site_packages[0] / "package/__init__.py").write_text(text)
        check_entry_point(EntryPoint("app", "package", "run.now"), python)

    def test_module_as_object(self, python: BundledPython) -> None:
        check_entry_point(EntryPoint("app", "package", "cli.main"), python)

    @pytest.mark.parametrize("module", ["package", "namespace"])
    def test_package_that_does_not_run(self, python: BundledPython, module: str) -> None:
        with pytest.raises(AppImageError, match=f"^`-m {module}` cannot run: the package has no `__main__` module$"):
            check_entry_point(EntryPoint("app", module, None), python)

    def test_script_that_is_a_file(self, python: BundledPython) -> None:
        check_entry_point(EntryPoint("app", None, None, installed=True), python)


class TestFindCommands:
    @pytest.fixture(autouse=True)
    def scripts(self, appdir: AppDir, python: BundledPython) -> None:
        appdir.bin.mkdir(parents=True)
        (appdir.bin / "python3").touch()
        self.install(appdir, python, "first", "[console_scripts]\nserve = first.cli:main [web]\nboth = first:both\n")
        self.install(appdir, python, "second", "[gui_scripts]\nboth = second.window:Window.open\n")
        self.install(appdir, python, "third", "", script="old.py", text="import json, os.path\n")

    def install(
        self, appdir: AppDir, python: BundledPython, name: str, entry_points: str, *, script: str = "", text: str = ""
    ) -> None:
        """Lay out a package as an installer does."""
        info = python.site_packages[0] / f"{name}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(entry_points)
        made = {}
        for line in entry_points.splitlines()[1:]:
            command, value = line.split(" = ")
            module, attribute = value.split(" ")[0].split(":")
            made[command] = f"#!/usr/bin/python3\nimport sys\nfrom {module} import {attribute.split('.')[0]}\n"
        if script:
            made[script] = f"#!/usr/bin/python3\n{text}"
        for command, source in made.items():
            (appdir.bin / command).write_text(source)
        relative = os.path.relpath(appdir.bin, python.site_packages[0])
        (info / "RECORD").write_text("".join(f"{relative}/{command},,\n" for command in made))

    def find(self, appdir: AppDir, python: BundledPython, command: str, *links: str) -> EntryPoint:
        return find_commands(LauncherSettings(EntryPoint(command, None, None, installed=True), links), appdir, python)

    def test_of_a_dependency(self, appdir: AppDir, python: BundledPython) -> None:
        assert self.find(appdir, python, "serve") == EntryPoint("serve", "first.cli", "main", installed=True)

    def test_of_the_package_that_was_installed_last(
        self, appdir: AppDir, python: BundledPython, caplog: pytest.LogCaptureFixture
    ) -> None:
        found = self.find(appdir, python, "both", "both")
        assert found == EntryPoint("both", "second.window", "Window.open", gui=True, installed=True)
        assert caplog.messages == [
            "The script `both` is installed by first and second: one of them replaced the other's"
        ]

    def test_script_that_is_a_file(self, appdir: AppDir, python: BundledPython) -> None:
        assert self.find(appdir, python, "old.py", "serve") == EntryPoint("old.py", None, None, installed=True)

    def test_what_is_known_stays(self, appdir: AppDir, python: BundledPython) -> None:
        known = EntryPoint("serve", "mine", "main", installed=True)
        assert find_commands(LauncherSettings(known), appdir, python) == known
        written = EntryPoint("app", "mine", "main")
        assert find_commands(LauncherSettings(written), appdir, python) == written

    @pytest.mark.parametrize("name", ["Serve", "python3", "srve"])
    def test_unknown(self, appdir: AppDir, python: BundledPython, name: str) -> None:
        with pytest.raises(AppImageError) as caught:
            self.find(appdir, python, name)
        first, rest = ("serve", "both, old.py") if "r" in name else ("both", "old.py, serve")
        assert str(caught.value) == (
            f"`entry-point` names the script `{name}`, which neither the project nor a dependency installs: "
            f"there are {first}, {rest}"
        )

    def test_unknown_link(self, appdir: AppDir, python: BundledPython) -> None:
        with pytest.raises(AppImageError, match=r"^`entry-points` names the script `gone`, which neither"):
            self.find(appdir, python, "serve", "both", "gone")

    def test_what_is_no_python(self, appdir: AppDir) -> None:
        (appdir.bin / "tool").write_text("#!/bin/sh\n")
        shutil.copy("/bin/true", appdir.bin / "program")
        serve = EntryPoint("serve", None, None)
        check_scripts(serve, ("serve",), appdir, ("serve",))
        with pytest.raises(AppImageError, match=r"^`entry-point` names `program`, which is a program of its own: "):
            check_scripts(EntryPoint("program", None, None), ("serve",), appdir, ("serve",))
        with pytest.raises(AppImageError, match=r"^`entry-points` names `tool`, which is no script of Python 3: "):
            check_scripts(serve, ("serve", "tool"), appdir, ("serve",))
