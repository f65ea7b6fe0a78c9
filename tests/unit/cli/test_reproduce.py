# SPDX-License-Identifier: MIT
"""What `reproduce` says before it builds, and what it builds with."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from hatch_appimage.architecture import ARCHITECTURES
from hatch_appimage.builder import AppImageBuilder
from hatch_appimage.cli import main, reproduce
from hatch_appimage.cli.reproduce import _Records
from hatch_appimage.errors import AppImageError, ConfigurationError
from hatch_appimage.image.compression import PRESETS
from hatch_appimage.image.write import load_runtime, write_image
from hatch_appimage.packages.build_record import BuildRecord, Declaration, PythonRecord, Source, tool_versions
from hatch_appimage.project.build_input import open_source
from hatch_appimage.project.commit import Commit
from hatch_appimage.runtime import runtime_path
from support.projects import make_project
from support.tiny_image import MACHINE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SOURCE = Source("project", "probe", "1.0")


def record(**options: Any) -> BuildRecord:
    declaration = Declaration(SOURCE, options, outside=tuple(key for key in options if key == "runtime"))
    return BuildRecord(MACHINE, declaration, PythonRecord("3.1.4", "python3.1", "ab"), dict(tool_versions()), {})


@pytest.fixture
def builder(tmp_path: Path) -> Iterator[AppImageBuilder]:
    with open_source(str(make_project(tmp_path / "probe", "", table='name = "Probe"\n'))) as source:
        yield AppImageBuilder.of_source(source)


def settings_of(
    build: BuildRecord, root: Path, work: Path, libraries: str | None = None, **given: Any
) -> dict[str, Any]:
    lock = {"packages": [{"name": "leaf", "directory": {"path": "leaf"}}]}
    return reproduce._recorded_settings(_Records(build, lock, libraries), root, work, given)


def test_source_that_is_the_same(builder: AppImageBuilder) -> None:
    assert list(reproduce._check_source(SOURCE, builder)) == []


@pytest.mark.parametrize(
    ("source", "note"),
    [
        (replace(SOURCE, version="0.9"), "the source is version 1.0, and the image 0.9"),
        (replace(SOURCE, kind="wheel", sha256="ab"), "the image was built from a wheel, and the source is a project"),
        (
            replace(SOURCE, commit=Commit("ab", dirty=False)),
            "built from commit ab, and Git knows nothing of the source",
        ),
        (replace(SOURCE, commit=Commit("ab", dirty=True)), "from a directory with changes that were in no commit"),
    ],
)
def test_source_that_is_not(source: Source, note: str, builder: AppImageBuilder) -> None:
    assert note in "\n".join(reproduce._check_source(source, builder))


def test_another_commit(builder: AppImageBuilder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reproduce, "find_commit", lambda *_: Commit("cd", dirty=True))
    notes = list(reproduce._check_source(replace(SOURCE, commit=Commit("ab", dirty=False)), builder))
    assert notes == [
        "the source is at commit cd, and the image was built from ab",
        "the source has changes that are in no commit",
    ]


def test_another_project(builder: AppImageBuilder) -> None:
    with pytest.raises(AppImageError, match="The image is of other, and the source is probe"):
        list(reproduce._check_source(replace(SOURCE, name="other"), builder))


def test_tools() -> None:
    build = record()
    (python,) = reproduce._check_tools(build)
    assert "the image has Python 3.1.4" in python
    assert list(reproduce._check_tools(record(python="3.1"))) == []
    build = replace(record(python="3.1"), tools={**tool_versions(), "uv": "0.1", "old": "1"})
    old, uv = reproduce._check_tools(build)
    assert old == "old is not there here, and was 1"
    assert uv == f"uv is {tool_versions()['uv']} here, and was 0.1"


def test_settings(tmp_path: Path) -> None:
    build = record(compression="small", constraints="c.txt", **{"test-command": "false", "library-lock": "old.toml"})
    settings = settings_of(build, tmp_path / "project", tmp_path, name="Given")
    lock = tmp_path / "pylock.toml"
    assert settings == {"compression": "small", "lock": str(lock), "name": "Given"}
    assert f'path = "{tmp_path}/project/leaf"' in lock.read_text()


def test_files_outside_of_the_project(tmp_path: Path) -> None:
    with pytest.raises(AppImageError, match="`runtime` named a file outside of the project, old-runtime: say where"):
        settings_of(record(runtime="old-runtime"), tmp_path, tmp_path)
    assert settings_of(record(runtime="old"), tmp_path, tmp_path, runtime="/r")["runtime"] == "/r"


def test_file_that_brought_others_into_the_image(tmp_path: Path) -> None:
    build = record(trace="app.trace", **{"startup-order": False})
    with pytest.raises(AppImageError, match=r"`trace` named app\.trace, .* the source has no such file"):
        settings_of(build, tmp_path, tmp_path)
    given = str(tmp_path / "elsewhere.trace")
    assert settings_of(build, tmp_path, tmp_path, trace=given)["trace"] == given
    (tmp_path / "app.trace").write_text("libsodium.so.23\n")
    assert settings_of(build, tmp_path, tmp_path)["trace"] == "app.trace"


def test_library_that_is_not_here(tmp_path: Path) -> None:
    build = record(libraries=["libsodium.so.23", "vendor/libown.so"])
    with pytest.raises(AppImageError, match=r"`libraries` named the file vendor/libown\.so, which is not here"):
        settings_of(build, tmp_path, tmp_path)
    (tmp_path / "vendor").mkdir()
    (tmp_path / "vendor/libown.so").touch()
    assert settings_of(build, tmp_path, tmp_path)["libraries"] == ["libsodium.so.23", "vendor/libown.so"]


def test_all_that_is_not_here_is_told_at_once(tmp_path: Path) -> None:
    build = record(trace="app.trace", runtime="old-runtime", libraries=["vendor/libown.so"])
    with pytest.raises(ConfigurationError) as error:
        settings_of(build, tmp_path, tmp_path)
    assert [text.split("`")[1] for text in error.value.errors] == ["runtime", "trace", "libraries"]


def test_order_that_the_first_build_wrote(builder: AppImageBuilder, tmp_path: Path) -> None:
    build = record(**{"startup-order": "app.startup"})
    settings = settings_of(build, tmp_path, tmp_path)
    assert "startup-order" not in settings
    assert "the source has no app.startup (`startup-order`)" in list(reproduce._apply(builder, settings, build))[-1]
    (tmp_path / "app.startup").touch()
    assert settings_of(build, tmp_path, tmp_path)["startup-order"] == "app.startup"


def test_libraries_are_fetched_as_the_image_says(tmp_path: Path) -> None:
    settings = settings_of(record(), tmp_path, tmp_path, "version = 1\n")
    assert settings["library-lock"] == str(tmp_path / "libraries.toml")
    assert (tmp_path / "libraries.toml").read_text() == "version = 1\n"
    given = {"library-lock": "mine.toml"}
    assert settings_of(record(), tmp_path, tmp_path, "version = 1\n", **given)["library-lock"] == "mine.toml"


def test_groups_are_those_that_the_lock_was_chosen_by(tmp_path: Path) -> None:
    settings = settings_of(record(**{"dependency-groups": ["gui"]}), tmp_path, tmp_path)
    assert settings["dependency-groups"] == ["gui"]
    assert 'dependency-groups = [\n    "gui",\n]' in (tmp_path / "pylock.toml").read_text()


@pytest.mark.parametrize(
    ("wanted", "version", "expected"),
    [("3.1", "3.1.4", "3.1.4"), ("3.1t", "3.1.4", "3.1.4t"), ("3.12", "3.1.4", "3.12"), (">=3.1", "3.1.4", ">=3.1")],
)
def test_version_of_python(wanted: str, version: str, expected: str, tmp_path: Path) -> None:
    build = record(python=wanted)
    build = replace(build, python=replace(build.python, version=version))
    assert settings_of(build, tmp_path, tmp_path)["python"] == expected


def test_files_that_keep_their_times(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    build = record()
    files = {
        "usr/share/b/build.json": replace(build, declaration=replace(build.declaration, seconds=None))
        .to_json()
        .encode(),
        "usr/share/b/pylock.toml": b"packages = []\n",
    }
    assert main(["reproduce", str(write_image_of(tmp_path / "image", files))]) == 2
    assert "was built with `reproducible = false`" in capsys.readouterr().err


def test_options_of_the_source_do_not_count(builder: AppImageBuilder) -> None:
    build = record(compression="small")
    notes = reproduce._apply(builder, {"compression": "small"}, build)
    assert [note.split("`")[1] for note in notes] == ["compression", "name"]
    assert {key: builder.target_config[key] for key in builder.target_config} == {
        "compression": "small",
        "reproducible": True,
    }
    assert builder.declaration is build.declaration


def test_build_tools_are_pinned_where_one_version_was_used(tmp_path: Path) -> None:
    tools = {"a": ("hatchling==1.0", "setuptools==80"), "b": ("setuptools==81", "x @ an address")}
    file = reproduce._write_build_constraints(replace(record(), build_tools=tools), tmp_path)
    assert file
    assert file.read_text() == "hatchling==1.0\n"
    assert reproduce._write_build_constraints(record(), tmp_path) is None


def test_variables_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "5")
    monkeypatch.delenv("HATCH_QUIET", raising=False)
    with reproduce._environment(record(), 0):
        assert "SOURCE_DATE_EPOCH" not in os.environ
        assert os.environ["HATCH_QUIET"] == "1"
    assert os.environ["SOURCE_DATE_EPOCH"] == "5"
    assert "HATCH_QUIET" not in os.environ
    build = record()
    chosen = replace(build, declaration=replace(build.declaration, seconds=7, chosen=True))
    with reproduce._environment(chosen, 1):
        assert os.environ["SOURCE_DATE_EPOCH"] == "7"


def test_image_that_says_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x").write_text("text")
    assert main(["reproduce", str(tmp_path / "x")]) == 2
    assert "is no type-2 AppImage" in capsys.readouterr().err


def write_image_of(path: Path, files: dict[str, bytes]) -> Path:
    """Write an image that has these files."""
    for name, data in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    image = path.with_suffix(".AppImage")
    runtime = load_runtime(runtime_path(MACHINE), ARCHITECTURES[MACHINE])
    write_image(path, runtime, image, PRESETS["fast"], order=(), application=(), update_information=None, timestamp=0)
    return image


def test_record_is_not_what_an_application_calls_so(tmp_path: Path) -> None:
    files = {
        "usr/share/a/build.json": b"{}",
        "usr/share/b/build.json": record().to_json().encode(),
        "usr/share/b/pylock.toml": b"packages = []\n",
        "usr/share/b/libraries.toml": b"version = 1\n",
    }
    records = _Records(record(), {"packages": []}, "version = 1\n")
    assert _Records.read(write_image_of(tmp_path / "image", files)) == records


@pytest.mark.parametrize("files", [(b"\xff", b""), (b"{}", b"\xff"), (b"{}", b"="), (b"{", b"")])
def test_damaged_record(tmp_path: Path, files: tuple[bytes, bytes]) -> None:
    names = ("usr/share/b/build.json", "usr/share/b/pylock.toml")
    with pytest.raises(AppImageError, match=r"damaged record of its build|is no record of a build"):
        _Records.read(write_image_of(tmp_path / "image", dict(zip(names, files, strict=True))))
