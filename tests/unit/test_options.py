# SPDX-License-Identifier: MIT
"""The table `[tool.hatch.build.targets.appimage]`, option by option."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from packaging.utils import canonicalize_name

from hatch_appimage.appdir.settings import BytecodeSettings, LauncherSettings
from hatch_appimage.appdir.startup import StartupCommand
from hatch_appimage.architecture import ARCHITECTURES, ByArchitecture, native_architecture
from hatch_appimage.desktop.icon import generate_icon
from hatch_appimage.desktop.settings import DesktopSettings
from hatch_appimage.errors import ConfigurationError
from hatch_appimage.image.compression import PRESETS
from hatch_appimage.image.name import ApplicationName
from hatch_appimage.image.settings import ImageSettings, ReleaseSettings
from hatch_appimage.introspection.settings import IntrospectionSettings
from hatch_appimage.libraries.lock import LibraryLock
from hatch_appimage.libraries.policy import LibraryPolicy
from hatch_appimage.options import HATCHLING_KEYS, Settings, record_options
from hatch_appimage.packages.lock import Lock
from hatch_appimage.packages.settings import InstallSettings
from hatch_appimage.project.entry_points import EntryPoint
from hatch_appimage.project.metadata import Project
from hatch_appimage.python.archive import FileSource
from hatch_appimage.python.local import LocalSource
from hatch_appimage.python.python_appimage import PythonAppImageSource
from hatch_appimage.python.settings import PythonSettings
from hatch_appimage.python.standalone import StandaloneSource
from hatch_appimage.roots.releases import find_release
from hatch_appimage.trim.settings import TRIM_GROUPS, TrimSettings

if TYPE_CHECKING:
    from hatch_appimage.python.source import PythonSource

TABLE = "tool.hatch.build.targets.appimage"
DESKTOP_ENTRY = "[Desktop Entry]\nType=Application\nName=App\nExec=app\nCategories=Game;\n"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(
        root=tmp_path,
        name="My.App",
        version="1.0",
        summary="",
        requires_python="",
        scripts={"my-app": "my_app:main"},
        gui_scripts={},
        features=("web", "Dev_Tools"),
    )


def errors_of(project: Project, **table: Any) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        Settings.read(named(table), project)
    assert str(caught.value) == "\n".join(caught.value.errors)
    return caught.value.errors


def read(project: Project, **table: Any) -> Settings:
    return Settings.read(named(table), project)


def named(table: dict[str, Any]) -> dict[str, Any]:
    return {key.replace("_", "-"): value for key, value in table.items()}


def test_empty_table(project: Project) -> None:
    assert Settings.read({}, project) == Settings(
        image=ImageSettings(
            name=ApplicationName("My.App", "My.App"),
            runtime=None,
            compression=PRESETS["default"],
            test_command=None,
            self_test=False,
            startup_order=True,
            startup_command=StartupCommand(),
            trace=True,
            system_files=(),
            report=None,
        ),
        launcher=LauncherSettings(
            entry_point=EntryPoint("my-app", "my_app", "main", installed=True),
            entry_points=("my-app",),
            expose_python=False,
            environment={},
            commands_on_path=False,
        ),
        python=PythonSettings(python=ByArchitecture(LocalSource(), {}), python_sha256={}, tkinter=None),
        install=InstallSettings(features=(), requirements=(), lock=None, constraints=None, dependency_groups=()),
        trim=TrimSettings(
            trim=("tests", "stubs", "headers", "docs", "qt", "installers", "stdlib"),
            exclude_files=(),
            keep_files=(),
            strip=("python", "libraries"),
        ),
        bytecode=BytecodeSettings(bytecode="both", optimize=0, keep_sources=()),
        desktop=DesktopSettings(icon=None, app_id="my-app", desktop_file=None, categories=("Utility",), terminal=None),
        introspection=IntrospectionSettings(gi_namespaces=(), gstreamer_plugins=()),
        libraries=LibraryPolicy(
            libraries=(),
            include_libraries=(),
            exclude_libraries=(),
            ignore_missing=(),
            sysroot=ByArchitecture(Path("/"), {}),
            max_glibc=None,
        ),
        release=ReleaseSettings(update_information=None, sign=False, sign_key=None),
    )


class TestEntryPoints:
    """Which commands start by links of their names."""

    @pytest.fixture
    def project(self, project: Project) -> Project:
        return replace(project, scripts={"my-app": "a:b", "other": "a:c"}, gui_scripts={"window": "a:d"})

    def test_all_of_the_project(self, project: Project) -> None:
        assert read(project).launcher.entry_points == ("my-app", "other", "window")

    def test_some(self, project: Project) -> None:
        assert read(project, entry_points=["window"]).launcher.entry_points == ("window",)
        assert read(project, entry_points=[]).launcher.entry_points == ()

    def test_unknown(self, project: Project) -> None:
        (error,) = errors_of(project, entry_points=["other", "flask"])
        reason = "names `flask`, which is no script of the project: there are my-app, other, window"
        assert error == f"Option `{TABLE}.entry-points` {reason}"

    def test_unknown_as_there_are_none(self, project: Project) -> None:
        bare = replace(project, scripts={}, gui_scripts={})
        assert errors_of(bare, entry_point="a:b", entry_points=["x"]) == [
            f"Option `{TABLE}.entry-points` names `x`, which is no script of the project: it has none"
        ]

    @pytest.mark.parametrize(
        ("value", "message"),
        [("other", "Option `{}` must be an array of strings"), ([1], "Item #1 in option `{}` must be a string")],
    )
    def test_types(self, project: Project, value: Any, message: str) -> None:
        assert errors_of(project, entry_points=value) == [message.format(f"{TABLE}.entry-points")]

    def test_commands_on_path(self, project: Project) -> None:
        assert read(project, commands_on_path=True).launcher.commands_on_path
        assert not read(project, commands_on_path=False).launcher.commands_on_path
        assert errors_of(project, commands_on_path="x") == [f"Option `{TABLE}.commands-on-path` must be a boolean"]

    def test_expose_python(self, project: Project) -> None:
        assert read(project, expose_python=True).launcher.expose_python
        assert not read(project, expose_python=False).launcher.expose_python
        assert errors_of(project, expose_python="yes") == [f"Option `{TABLE}.expose-python` must be a boolean"]


class TestTrim:
    """What is left out of the installed packages."""

    @pytest.mark.parametrize(
        ("value", "groups"), [(True, TRIM_GROUPS), (False, ()), ([], ()), (["stubs", "tests"], ("tests", "stubs"))]
    )
    def test_groups(self, project: Project, value: Any, groups: tuple[str, ...]) -> None:
        assert read(project, trim=value).trim.trim == groups

    @pytest.mark.parametrize(
        ("value", "message"),
        [
            (["test"], "Option `{}` names an unknown group `test`, did you mean `tests`?"),
            (
                ["x"],
                "Option `{}` names an unknown group `x`; known are docs, headers, installers, qt, stdlib, stubs, tests",
            ),
            ("tests", "Option `{}` must be an array of strings or boolean"),
            ([1], "Item #1 in option `{}` must be a string"),
        ],
    )
    def test_wrong(self, project: Project, value: Any, message: str) -> None:
        assert errors_of(project, trim=value) == [message.format(f"{TABLE}.trim")]

    @pytest.mark.parametrize(
        ("value", "groups"),
        [(True, ("python", "libraries")), (False, ()), ("all", ("python", "libraries", "packages"))],
    )
    def test_strip(self, project: Project, value: Any, groups: tuple[str, ...]) -> None:
        assert read(project, strip=value).trim.strip == groups

    @pytest.mark.parametrize(
        ("value", "message"),
        [
            ("default", 'Option `{}` must be true, false or "all", not `default`'),
            (["all"], "Option `{}` must be a string or boolean"),
            ("", "Option `{}` cannot be an empty string"),
        ],
    )
    def test_wrong_strip(self, project: Project, value: Any, message: str) -> None:
        assert errors_of(project, strip=value) == [message.format(f"{TABLE}.strip")]

    @pytest.mark.parametrize("key", ["exclude-files", "keep-files"])
    def test_globs(self, project: Project, key: str) -> None:
        assert getattr(read(project, **{key: ["numpy/f2py"]}).trim, key.replace("-", "_")) == ("numpy/f2py",)
        for pattern in ("/usr/lib/*", "./numpy", "../numpy"):
            assert errors_of(project, **{key: [pattern]}) == [
                f"Option `{TABLE}.{key}` must be an array of globs of paths below `site-packages` or `usr`: `{pattern}`"
            ]


BESIDE_EXPOSED = (
    "cannot be set beside `expose-python = true`: whoever starts that interpreter would find asserts ignored"
)


class TestBytecode:
    """As what modules are in the image."""

    def test_values(self, project: Project) -> None:
        found = read(project, bytecode="only", optimize=2, keep_sources=["my_app/plugins"]).bytecode
        assert found == BytecodeSettings("only", 2, ("my_app/plugins",))
        assert read(project, optimize=0, expose_python=True).bytecode.optimize == 0

    @pytest.mark.parametrize(
        ("table", "message"),
        [
            ({"bytecode": "none"}, "bytecode` must be one of both, only, not `none`"),
            ({"bytecode": False}, "bytecode` must be a string"),
            ({"optimize": 3}, "optimize` must be from 0 to 2, not 3"),
            ({"optimize": -1}, "optimize` must be from 0 to 2, not -1"),
            ({"optimize": True}, "optimize` must be an integer"),
            ({"optimize": 1, "expose_python": True}, f"optimize` {BESIDE_EXPOSED}"),
            (
                {"keep_sources": ["my_app"]},
                'keep-sources` has no effect without `bytecode = "only"`: all sources are kept',
            ),
            (
                {"keep_sources": ["/my_app"], "bytecode": "only"},
                "keep-sources` must be an array of globs of paths below `site-packages` or `usr`: `/my_app`",
            ),
        ],
    )
    def test_wrong(self, project: Project, table: dict[str, Any], message: str) -> None:
        assert errors_of(project, **table) == [f"Option `{TABLE}.{message}"]

    def test_one_error_for_one_fault(self, project: Project) -> None:
        (error,) = errors_of(project, bytecode="one", keep_sources=["my_app"])
        assert "bytecode` must be one of" in error


class TestWholeTable:
    def test_keys_of_hatchling_pass(self, project: Project) -> None:
        """They are hatchling's to check, and it checks them."""
        assert len(HATCHLING_KEYS) == 19
        assert Settings.read(dict.fromkeys(HATCHLING_KEYS, 1), project) == Settings.read({}, project)

    def test_hatchling_reads_these_keys(self) -> None:
        import inspect

        from hatchling.builders import config

        source = inspect.getsource(config)
        assert {key for key in HATCHLING_KEYS if f"'{key}'" not in source and f'"{key}"' not in source} == set()

    @pytest.mark.parametrize(
        ("key", "near"), [("icno", "icon"), ("enviroment", "environment"), ("entry_point", "entry-point")]
    )
    def test_unknown_key(self, project: Project, key: str, near: str) -> None:
        with pytest.raises(ConfigurationError) as caught:
            Settings.read({key: "x"}, project)
        assert caught.value.errors == [f"Unknown option `{TABLE}.{key}`, did you mean `{near}`?"]

    def test_unknown_key_near_one_of_hatchling(self, project: Project) -> None:
        assert errors_of(project, versoins=[]) == [f"Unknown option `{TABLE}.versoins`, did you mean `versions`?"]

    @pytest.mark.parametrize(("key", "near"), [("groups", "dependency-groups"), ("gi", "gi-namespaces")])
    def test_unknown_key_that_is_a_part_of_one(self, project: Project, key: str, near: str) -> None:
        assert errors_of(project, **{key: 1}) == [f"Unknown option `{TABLE}.{key}`, did you mean `{near}`?"]

    def test_unknown_key_unlike_any(self, project: Project) -> None:
        """There are too many to list them."""
        assert errors_of(project, zzz=1) == [
            f"Unknown option `{TABLE}.zzz`; `hatch-appimage options` describes all that there are"
        ]

    def test_all_faults_together(self, project: Project) -> None:
        errors = errors_of(
            project,
            name=1,
            entry_point="no:thing:at-all",
            python="missing",
            features="web",
            requirements=["==1"],
            icon="missing.png",
            desktop_file="missing.desktop",
            categories=["Cooking"],
            terminal="yes",
            environment=[],
            runtime="missing",
            compression="lzma",
            test_command="true",
            startup_order=0,
            startup_command=True,
            trace=1,
            system_files=["share"],
            report=1,
            icno="",
        )
        assert {error.split("`")[1].removeprefix(f"{TABLE}.") for error in errors} == {
            "name",
            "entry-point",
            "python",
            "features",
            "requirements",
            "icon",
            "desktop-file",
            "categories",
            "terminal",
            "environment",
            "runtime",
            "compression",
            "test-command",
            "startup-order",
            "startup-command",
            "trace",
            "system-files",
            "report",
            "icno",
        }


@pytest.mark.parametrize(
    "key",
    [
        "name",
        "entry_point",
        "icon",
        "desktop_file",
        "runtime",
        "compression",
        "test_command",
        "report",
    ],
)
class TestText:
    @pytest.mark.parametrize("value", [1, True, ["x"], {"x": "y"}])
    def test_not_a_string(self, project: Project, key: str, value: object) -> None:
        field = key.replace("_", "-")
        assert errors_of(project, **{key: value}) == [f"Option `{TABLE}.{field}` must be a string"]

    @pytest.mark.parametrize("value", ["", " ", "\t\n"])
    def test_empty(self, project: Project, key: str, value: str) -> None:
        field = key.replace("_", "-")
        assert errors_of(project, **{key: value}) == [f"Option `{TABLE}.{field}` cannot be an empty string"]


@pytest.mark.parametrize("key", ["features", "requirements", "categories"])
class TestArray:
    @pytest.mark.parametrize("value", ["web", 1, {"web": "x"}])
    def test_not_an_array(self, project: Project, key: str, value: object) -> None:
        assert errors_of(project, **{key: value}) == [f"Option `{TABLE}.{key}` must be an array of strings"]

    def test_item_not_a_string(self, project: Project, key: str) -> None:
        assert errors_of(project, **{key: ["web", 1]}) == [f"Item #2 in option `{TABLE}.{key}` must be a string"]

    def test_item_empty(self, project: Project, key: str) -> None:
        assert errors_of(project, **{key: ["web", " "]}) == [
            f"Item #2 in option `{TABLE}.{key}` cannot be an empty string"
        ]


class TestName:
    def test_specific(self, project: Project) -> None:
        assert read(project, name=" Mein Färber 2 ").image.name.shown == "Mein Färber 2"

    @pytest.mark.parametrize("value", ["a/b", "a\nb", "a\0b", "a\u2028b"])
    def test_not_a_file_name(self, project: Project, value: str) -> None:
        assert errors_of(project, name=value) == [
            (
                f"Option `{TABLE}.name` cannot have `/` or control characters in it, as the image is named after it: "
                f"{value!r}"
            )
        ]

    @pytest.mark.parametrize(
        ("name", "file"), [("Größe & Co (beta)", "Grosse_Co_beta"), ("..", "My.App"), ("日本", "My.App")]
    )
    def test_files_are_named_in_ascii(self, project: Project, name: str, file: str) -> None:
        found = read(project, name=name).image.name
        assert (found.shown, found.in_files) == (name, file)

    def test_too_long_for_a_file_name(self, project: Project) -> None:
        """Found at the start, not when the image is written."""
        (error,) = errors_of(project, name="x" * 250)
        assert error.startswith(f"Option `{TABLE}.name` ")


class TestEntryPoint:
    def test_specific(self, project: Project) -> None:
        assert read(project, entry_point="-m other").launcher.entry_point == EntryPoint(
            "my-app-appimage", "other", None
        )

    def test_unknown(self, project: Project) -> None:
        assert errors_of(project, entry_point="other") == [
            (
                f"Option `{TABLE}.entry-point` must be one of the project's scripts (my-app), `module:function` or "
                "`-m module`, not `other`"
            )
        ]

    def test_needed(self, project: Project) -> None:
        assert errors_of(replace(project, scripts={})) == [
            (
                f"Option `{TABLE}.entry-point` is needed, as the project has no [project.scripts] or "
                "[project.gui-scripts]: set it to `module:function` or `-m module`"
            )
        ]


def python_of(project: Project, value: str) -> PythonSource:
    return read(project, python=value).python.python.of(native_architecture())


class TestPython:
    def test_relative_to_the_project(self, project: Project) -> None:
        (project.root / "py").touch()
        assert python_of(project, "py") == LocalSource(project.root / "py")

    def test_absolute(self, project: Project) -> None:
        (project.root / "py").touch()
        assert python_of(project, str(project.root / "py")) == LocalSource(project.root / "py")

    def test_directory(self, project: Project) -> None:
        interpreter = project.root / "cpython" / "bin" / "python3"
        interpreter.parent.mkdir(parents=True)
        interpreter.touch()
        assert python_of(project, "cpython") == LocalSource(interpreter)

    def test_home(self, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HOME", str(project.root))
        (project.root / "py").touch()
        assert python_of(project, "~/py") == LocalSource(project.root / "py")

    def test_on_path(self, project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "bin").mkdir()
        (tmp_path / "bin" / "py9").touch(mode=0o755)
        monkeypatch.setenv("PATH", str(tmp_path / "bin"))
        assert python_of(project, "py9") == LocalSource(tmp_path / "bin" / "py9")
        (project.root / "py9").touch()
        assert python_of(project, "py9") == LocalSource(project.root / "py9")

    @pytest.mark.parametrize("value", ["missing", "empty", "python9.99", "./sh"])
    def test_missing(self, project: Project, value: str) -> None:
        (project.root / "empty").mkdir()
        assert errors_of(project, python=value) == [
            (
                f"Option `{TABLE}.python` must be a version, a Python interpreter (its path, or its name if it is on "
                f"PATH), a directory with bin/python3 in it, an archive, a URL or `python-appimage:VERSION`: `{value}` "
                f"is not there (paths are relative to {project.root})"
            )
        ]

    @pytest.mark.parametrize(
        "value", ["3.12", "3.12.8", "3.13t", "3", "3.15.0rc1", ">=3.11", "~=3.12.1", ">=3.11,<3.14"]
    )
    def test_version(self, project: Project, value: str) -> None:
        assert python_of(project, value) == StandaloneSource(value, project.root)

    @pytest.mark.parametrize("value", [">=three", "==3.12.*.1", ">= 3.1 or so"])
    def test_no_version(self, project: Project, value: str) -> None:
        assert errors_of(project, python=value) == [
            f"Option `{TABLE}.python` is no version of Python, nor a version specifier (PEP 440): `{value}`"
        ]

    @pytest.mark.parametrize("value", ["3.12", "3.12.8", "3.13t", "3.12-manylinux2014", "3.12.8-manylinux_2_28"])
    def test_python_appimage(self, project: Project, value: str) -> None:
        assert python_of(project, f"python-appimage:{value}") == PythonAppImageSource(value)

    @pytest.mark.parametrize("value", ["", "3", "newest", "3.12-musllinux_1_2", "2.7"])
    def test_no_python_appimage(self, project: Project, value: str) -> None:
        assert errors_of(project, python=f"python-appimage:{value}") == [
            (
                f"Option `{TABLE}.python` must have a version behind `python-appimage:`, such as "
                f"`python-appimage:3.12` or `python-appimage:3.12-manylinux2014`, not `{value}`"
            )
        ]

    @pytest.mark.parametrize(
        "name", ["python.tar.gz", "python.tgz", "python.tar.zst", "python.tar", "python.zip", "Python.AppImage"]
    )
    def test_archive(self, project: Project, name: str) -> None:
        (project.root / name).touch()
        assert python_of(project, name) == FileSource(project.root / name, None)
        source = read(project, python=name, python_sha256="A" * 64).python.python.of(native_architecture())
        assert source == FileSource(project.root / name, "a" * 64)
        assert errors_of(project, python=f"x{name}") == [
            f"Option `{TABLE}.python` names a file that is not there: `x{name}` (paths are relative to {project.root})"
        ]

    def test_url(self, project: Project) -> None:
        url = "https://example.com/python.tar.gz"
        source = read(project, python=url, python_sha256="0" * 64).python.python.of(native_architecture())
        assert source == FileSource(url, "0" * 64)
        assert errors_of(project, python=url) == [
            (
                f"Option `{TABLE}.python` names a file on the web, which is taken only with its SHA-256 in "
                f"`python-sha256`: `{url}`"
            )
        ]

    def test_digest(self, project: Project) -> None:
        assert errors_of(project, python="https://example.com/a.tar", python_sha256="0" * 63)[0] == (
            f"Option `{TABLE}.python-sha256` must be a SHA-256 in hexadecimal, which has 64 digits: `{'0' * 63}`"
        )
        assert errors_of(project, python="3.12", python_sha256="0" * 64) == [
            f"Option `{TABLE}.python` has no use for `python-sha256`, which is for archives and AppImages: `3.12`"
        ]
        assert errors_of(project, python_sha256="0" * 64) == [
            f"Option `{TABLE}.python-sha256` has no effect without `python`"
        ]

    def test_by_architecture(self, project: Project) -> None:
        url = "https://example.com/a.tar"
        python = read(
            project, python={"aarch64": "3.12", "armhf": url}, python_sha256={"armhf": "0" * 64}
        ).python.python
        assert python.of(ARCHITECTURES["aarch64"]) == StandaloneSource("3.12", project.root)
        assert python.of(ARCHITECTURES["armhf"]) == FileSource(url, "0" * 64)
        assert python.of(ARCHITECTURES["x86_64"]) == LocalSource()

    @pytest.mark.parametrize("key", ["python", "python_sha256", "sysroot"])
    @pytest.mark.parametrize(
        ("value", "reason"),
        [
            (1, "must be a string or table of strings"),
            (["x"], "must be a string or table of strings"),
            (" ", "cannot be an empty string"),
            ({"x": "y"}, "has the key `x`, which is no architecture: there are x86_64, aarch64, armhf, i686"),
        ],
    )
    def test_no_text(self, project: Project, key: str, value: object, reason: str) -> None:
        field = key.replace("_", "-")
        assert errors_of(project, **{key: value})[0] == f"Option `{TABLE}.{field}` {reason}"

    def test_by_architecture_is_checked(self, project: Project) -> None:
        assert errors_of(project, python={"arm64": "3.12"}) == [
            (
                f"Option `{TABLE}.python` has the key `arm64`, which is no architecture: there are x86_64, aarch64, "
                "armhf, i686"
            )
        ]
        assert errors_of(project, python={"aarch64": 3.12}) == [
            f"Option `{TABLE}.python.aarch64` must be a string: write it in quotes"
        ]
        (error,) = errors_of(project, python={"aarch64": "3.12"}, python_sha256={"armhf": "0" * 64})
        assert error.startswith(f"Option `{TABLE}.python` and `python-sha256` must have the same shape")


class TestDependencyGroups:
    @pytest.fixture
    def grouped(self, project: Project) -> Project:
        (project.root / "pyproject.toml").write_text('[dependency-groups]\nGui_Parts = ["leaf"]\n')
        return project

    def test_specific(self, grouped: Project) -> None:
        assert read(grouped, dependency_groups=["gui-parts"]).install.dependency_groups == ("gui-parts",)

    def test_unknown(self, grouped: Project) -> None:
        assert errors_of(grouped, dependency_groups=["gui"]) == [
            (
                f"Option `{TABLE}.dependency-groups` asks for `gui`, which is not in [dependency-groups]; "
                "available: Gui_Parts"
            )
        ]

    def test_unknown_where_there_are_none(self, project: Project) -> None:
        (error,) = errors_of(project, dependency_groups=["gui"])
        assert error.endswith("asks for `gui`, which is not in [dependency-groups]; the project has none")

    def test_of_a_lock(self, project: Project) -> None:
        """That of another tool than uv may have groups that are not in `pyproject.toml`."""
        (project.root / "poetry.lock").write_text("")
        settings = read(project, dependency_groups=["gui"], lock="poetry.lock")
        assert settings.install.dependency_groups == ("gui",)


class TestFeatures:
    def test_default(self, project: Project) -> None:
        assert read(project, features=[]).install.features == ()

    def test_specific(self, project: Project) -> None:
        assert read(project, features=["web", "dev-tools"]).install.features == ("web", "dev-tools")

    def test_unknown(self, project: Project) -> None:
        assert errors_of(project, features=["web", "gui"]) == [
            (
                f"Option `{TABLE}.features` asks for `gui`, which is not in [project.optional-dependencies]; "
                "available: web, Dev_Tools"
            )
        ]

    def test_unknown_where_there_are_none(self, project: Project) -> None:
        assert errors_of(replace(project, features=()), features=["gui"]) == [
            (
                f"Option `{TABLE}.features` asks for `gui`, which is not in [project.optional-dependencies]; "
                "the project has none"
            )
        ]


class TestRequirements:
    def test_specific(self, project: Project) -> None:
        requirements = ["requests[socks]>=2; python_version > '3.8'", "app @ https://example.com/app.whl"]
        assert read(project, requirements=requirements).install.requirements == tuple(requirements)

    @pytest.mark.parametrize("value", ["-r other.txt", "--index-url=x", "a b", "./local"])
    def test_no_requirement(self, project: Project, value: str) -> None:
        assert errors_of(project, requirements=["six", value]) == [
            f"Option `{TABLE}.requirements` has an item that is no requirement (PEP 508): `{value}`"
        ]


class TestIntrospection:
    def test_names(self, project: Project) -> None:
        settings = read(project, gi_namespaces=["Gtk-4.0", "Gst"], gstreamer_plugins=["libav"])
        assert settings.introspection == IntrospectionSettings(("Gtk-4.0", "Gst"), ("libav",))

    @pytest.mark.parametrize("name", ["Gtk 4.0", "Gtk-", "-4.0", "../Gtk-4.0"])
    def test_no_namespace(self, project: Project, name: str) -> None:
        (error,) = errors_of(project, gi_namespaces=[name])
        assert f'must be an array of namespaces, such as `"Gtk-4.0"`: `{name}`' in error

    @pytest.mark.parametrize("name", ["../x", "libgstlibav.so"])
    def test_no_plugin(self, project: Project, name: str) -> None:
        (error,) = errors_of(project, gstreamer_plugins=[name])
        assert f'must be an array of names of plugins, such as `"libav"`: `{name}`' in error


class TestPythonOptions:
    def test_words(self, project: Project) -> None:
        texts = ["-u", "-bb", "-X utf8", "-Xdev", "-W ignore", "-W 'ignore:a b:UserWarning'", "-Wonce"]
        assert read(project, **{"python-options": texts}).launcher.python_options == (
            *("-u", "-bb", "-X", "utf8", "-Xdev", "-W", "ignore", "-W", "ignore:a b:UserWarning", "-Wonce"),
        )

    @pytest.mark.parametrize(
        "text",
        [
            *("u", "-", "--", "-c", "-c pass", "-m", "-I", "-i", "-S", "-ub", "-u x", "-W", "-X", "-X a b", "x.py"),
            *("-u -b", "-W 'it''s", '-X "', "-X 'a\\b'", '-W "it\'s"', "-X 'a\nb'", "--check-hash-based-pycs always"),
        ],
    )
    def test_refused(self, project: Project, text: str) -> None:
        (error,) = errors_of(project, **{"python-options": [text]})
        assert error.startswith(f"Option `{TABLE}.python-options` has `{text}`, which is none of -b, -bb, -B, -d, -q, ")

    def test_optimization(self, project: Project) -> None:
        (error,) = errors_of(project, **{"python-options": ["-OO"]})
        assert error.endswith("has `-OO`, which is what `optimize` is for: the bytecode has to be of that level")


class TestLock:
    def test_none(self, project: Project) -> None:
        (project.root / "poetry.lock").touch()  # projects of other tools may have one, too
        (project.root / "requirements.txt").touch()
        assert read(project).install.lock is None

    def test_found(self, project: Project) -> None:
        (project.root / "uv.lock").touch()
        assert read(project).install.lock == Lock(project.root / "uv.lock", found="beside pyproject.toml")
        (project.root / "pylock.toml").touch()
        assert read(project).install.lock == Lock(project.root / "pylock.toml", found="beside pyproject.toml")

    @pytest.mark.parametrize(
        "text", ['[build-system]\nbuild-backend = "poetry.core.masonry.api"\n', '[tool.poetry]\nversion = "1"\n']
    )
    def test_of_poetry(self, project: Project, text: str) -> None:
        (project.root / "poetry.lock").touch()
        (project.root / "pyproject.toml").write_text(text)
        assert read(project).install.lock == Lock(project.root / "poetry.lock", found="beside pyproject.toml")

    def test_off(self, project: Project) -> None:
        (project.root / "uv.lock").touch()
        assert read(project, lock=False).install.lock is None

    @pytest.mark.parametrize("name", ["pylock.toml", "pylock.x.toml", "uv.lock", "poetry.lock", "r.txt"])
    def test_specific(self, project: Project, name: str) -> None:
        (project.root / "locks").mkdir()
        path = project.root / "locks" / name
        path.touch()
        assert read(project, lock=f"locks/{name}").install.lock == Lock(path)

    @pytest.mark.parametrize("name", ["Pipfile.lock", "lock.toml", "pylock.a.b.toml", "pdm.lock"])
    def test_unknown_kind(self, project: Project, name: str) -> None:
        (project.root / name).touch()
        assert errors_of(project, lock=name) == [
            (
                f"Option `{TABLE}.lock` names a file of a kind that cannot be read: `{name}`; known are `pylock.toml`, "
                "`pylock.<name>.toml`, `uv.lock`, `<script>.py.lock`, `poetry.lock` or a `.txt` file of "
                "requirements with hashes"
            )
        ]

    def test_missing(self, project: Project) -> None:
        assert errors_of(project, lock="uv.lock", constraints="limits.txt") == [
            f"Option `{TABLE}.lock` names a file that is not there: `uv.lock` (paths are relative to {project.root})",
            (
                f"Option `{TABLE}.constraints` names a file that is not there: `limits.txt` "
                f"(paths are relative to {project.root})"
            ),
        ]

    @pytest.mark.parametrize(
        ("value", "fault"),
        [
            (True, "cannot be `true`: name the file"),
            (1, "must be a string or boolean"),
            ("", "cannot be an empty string"),
            (["uv.lock"], "must be a string or boolean"),
        ],
    )
    def test_wrong_type(self, project: Project, value: object, fault: str) -> None:
        assert errors_of(project, lock=value) == [f"Option `{TABLE}.lock` {fault}"]

    @pytest.mark.parametrize("table", [{}, {"lock": "uv.lock"}])
    def test_beside_constraints(self, project: Project, table: dict[str, str]) -> None:
        (project.root / "uv.lock").touch()
        (project.root / "limits.txt").touch()
        assert errors_of(project, constraints="limits.txt", **table) == [
            (
                f"Option `{TABLE}.lock` cannot be `uv.lock` beside `constraints`, as a lock leaves no choice: "
                "remove `constraints`, or set `lock = false`"
            )
        ]
        settings = read(project, constraints="limits.txt", lock=False)
        assert settings.install.constraints == project.root / "limits.txt"


class TestIcon:
    def test_specific(self, project: Project) -> None:
        icon = generate_icon("x")
        (project.root / "icon.png").write_bytes(icon.data)
        assert read(project, icon="icon.png").desktop.icon == icon

    def test_neither_png_nor_svg(self, project: Project) -> None:
        (project.root / "icon.png").write_bytes(b"GIF89a")
        assert errors_of(project, icon="icon.png") == [
            f"Option `{TABLE}.icon` must name a PNG or SVG file, and {project.root / 'icon.png'} is neither"
        ]


class TestDesktopFile:
    def test_specific(self, project: Project) -> None:
        (project.root / "app.desktop").write_text(DESKTOP_ENTRY)
        assert str(read(project, desktop_file="app.desktop").desktop.desktop_file) == DESKTOP_ENTRY

    def test_damaged(self, project: Project) -> None:
        (project.root / "app.desktop").write_text("Type=Application\n")
        assert errors_of(project, desktop_file="app.desktop") == [
            (
                f"Option `{TABLE}.desktop-file` names a damaged desktop entry: {project.root / 'app.desktop'}, line 1: "
                "`Type=Application`"
            )
        ]

    def test_not_valid(self, project: Project) -> None:
        text = DESKTOP_ENTRY.rstrip("\n") + "\nTerminal=no\nFoo=1\n"
        (project.root / "app.desktop").write_text(text)
        last = text.count("\n")
        assert errors_of(project, desktop_file="app.desktop") == [
            (
                f"Option `{TABLE}.desktop-file` names a desktop entry that is not valid: "
                f"{project.root / 'app.desktop'}, line {last - 1}: `Terminal=` must be `true` or `false`, and is `no`; "
                f"line {last}: `Foo` is no key of [Desktop Entry]; names of others begin with `X-`"
            )
        ]

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("categories", ["Game"]),
            ("desktop-keys", {"GenericName": "x"}),
            ("mime-types", ["text/plain"]),
            ("terminal", False),
        ],
    )
    def test_beside_what_it_replaces(self, project: Project, key: str, value: object) -> None:
        (project.root / "app.desktop").write_text(DESKTOP_ENTRY)
        assert errors_of(project, desktop_file="app.desktop", **{key.replace("-", "_"): value}) == [
            f"Option `{TABLE}.{key}` has no effect beside `desktop-file`: write it into that file"
        ]


class TestAppId:
    def test_default(self, project: Project) -> None:
        assert read(project).desktop.app_id == canonicalize_name(project.name)

    @pytest.mark.parametrize(
        ("name", "app_id"), [("org.example.App.desktop", "org.example.App"), ("app.desktop.in", None)]
    )
    def test_of_the_desktop_file(self, project: Project, name: str, app_id: str | None) -> None:
        (project.root / name).write_text(DESKTOP_ENTRY)
        wanted = app_id or canonicalize_name(project.name)
        assert read(project, desktop_file=name).desktop.app_id == wanted

    def test_specific(self, project: Project) -> None:
        (project.root / "app.desktop").write_text(DESKTOP_ENTRY)
        assert read(project, desktop_file="app.desktop", app_id="org.a_b.C-1").desktop.app_id == "org.a_b.C-1"

    @pytest.mark.parametrize("value", ["a b", "a/b", ".a", "a.", "a..b", "ä", "a\n", "..", "x" * 241])
    def test_no_possible_id(self, project: Project, value: str) -> None:
        (error,) = errors_of(project, app_id=value)
        assert error.startswith(f"Option `{TABLE}.app-id` must have letters, digits, `-` and `_`")

    def test_no_possible_name_of_the_desktop_file(self, project: Project) -> None:
        (project.root / "My App.desktop").write_text(DESKTOP_ENTRY)
        assert errors_of(project, desktop_file="My App.desktop") == [
            (
                f"Option `{TABLE}.app-id` is needed, as no desktop entry should be named `My App.desktop`: set it to "
                "`org.example.App`"
            )
        ]
        assert read(project, desktop_file="My App.desktop", app_id="a.b").desktop.app_id == "a.b"


class TestDesktopKeys:
    def test_specific(self, project: Project) -> None:
        keys = {"GenericName": "x", "GenericName[de]": "y", "Comment[sr@latin]": "z", "X-Own": "1", "NoDisplay": "true"}
        assert read(project, desktop_keys=keys).desktop.desktop_keys == keys

    @pytest.mark.parametrize(
        ("key", "value", "reason"),
        [
            ("Exec", "x", "sets `Exec`: set `entry-point`"),
            ("Icon", "x", "sets `Icon`: set `icon`"),
            ("X-AppImage-Version", "1", "sets `X-AppImage-Version`: the build sets it"),
            ("a b", "x", "sets `a b`, which is no key of desktop entries"),
            ("NoDisplay", "yes", "makes a desktop entry that is not valid: `NoDisplay=` must be `true` or `false`"),
            ("Genericname", "x", "makes a desktop entry that is not valid: `Genericname` is no key of [Desktop Entry]"),
            ("GenericName[de]", "x", "makes a desktop entry that is not valid: `GenericName[de]=` translates"),
        ],
    )
    def test_refused(self, project: Project, key: str, value: str, reason: str) -> None:
        (error,) = errors_of(project, desktop_keys={key: value})
        assert error.startswith(f"Option `{TABLE}.desktop-keys` {reason}")


class TestMimeTypes:
    def test_specific(self, project: Project) -> None:
        types = ("text/plain", "application/vnd.x+xml", "x-scheme-handler/mailto")
        assert read(project, mime_types=list(types)).desktop.mime_types == types

    @pytest.mark.parametrize("value", ["text", "foo/bar", "text/", "text/plain;image/png"])
    def test_no_media_type(self, project: Project, value: str) -> None:
        assert errors_of(project, mime_types=[value]) == [
            f"Option `{TABLE}.mime-types` must be an array of media types, such as `text/plain`: `{value}`"
        ]


@pytest.mark.parametrize("key", ["icon", "desktop_file", "runtime"])
class TestFile:
    def test_directory(self, project: Project, key: str) -> None:
        (error,) = errors_of(project, **{key: "."})
        assert "` names a directory, and has to name a file: `.` (" in error

    @pytest.mark.parametrize("value", ["missing", "a\0b"])
    def test_not_a_file(self, project: Project, key: str, value: str) -> None:
        field = key.replace("_", "-")
        assert errors_of(project, **{key: value}) == [
            f"Option `{TABLE}.{field}` names a file that is not there: `{value}` (paths are relative to {project.root})"
        ]


@pytest.mark.parametrize("key", ["python", "icon", "desktop_file", "runtime"])
class TestPath:
    def test_home_of_nobody(self, project: Project, key: str) -> None:
        (error,) = errors_of(project, **{key: "~no-such-user/file"})
        assert error.startswith(f"Option `{TABLE}.{key.replace('_', '-')}` ")
        assert "`~no-such-user/file`" in error

    def test_too_long(self, project: Project, key: str) -> None:
        (error,) = errors_of(project, **{key: "x" * 5000})
        assert error.startswith(f"Option `{TABLE}.{key.replace('_', '-')}` ")


class TestCategories:
    def test_specific(self, project: Project) -> None:
        assert read(project, categories=["Game", "X-Own"]).desktop.categories == ("Game", "X-Own")

    @pytest.mark.parametrize("value", [[], ["X-Own"], ["game"]])
    def test_no_main_category(self, project: Project, value: list[str]) -> None:
        (error,) = errors_of(project, categories=value)
        assert error == (
            f"Option `{TABLE}.categories` must have at least one of the main categories of desktop menus: Audio, "
            "AudioVideo, Development, Education, Game, Graphics, Network, Office, Science, Settings, System, Utility, "
            "Video"
        )

    @pytest.mark.parametrize("value", ["Game;Office", "Bücher", "Office\nHidden=true", "Of fice"])
    def test_not_one_category(self, project: Project, value: str) -> None:
        assert errors_of(project, categories=["Game", value]) == [
            f"Option `{TABLE}.categories` must be an array of desktop categories, one an item: `{value}`"
        ]


def wants_terminal(settings: Settings) -> bool:
    return settings.desktop.wants_terminal(settings.launcher.entry_point)


class TestTerminal:
    @pytest.mark.parametrize(
        ("line", "terminal"), [("Terminal=true\n", True), ("Terminal=false\n", False), ("", False)]
    )
    def test_of_a_desktop_file(self, project: Project, line: str, *, terminal: bool) -> None:
        """Without the key there is none (Desktop Entry Specification, "Recognized desktop entry keys")."""
        text = f"[Desktop Entry]\nType=Application\nName=A\nExec=a\nIcon=a\nCategories=Utility;\n{line}"
        (project.root / "a.desktop").write_text(text)
        assert wants_terminal(read(project, desktop_file="a.desktop")) is terminal

    def test_default_of_a_gui_script(self, project: Project) -> None:
        gui = replace(project, scripts={}, gui_scripts={"my-app": "my_app:main"})
        assert not wants_terminal(read(gui))

    def test_default_of_another_script_beside_a_gui_script(self, project: Project) -> None:
        both = replace(project, gui_scripts={"window": "my_app:window"})
        assert wants_terminal(read(both))
        assert not wants_terminal(read(both, entry_point="window"))

    @pytest.mark.parametrize("value", [True, False])
    def test_specific(self, project: Project, *, value: bool) -> None:
        gui = replace(project, scripts={}, gui_scripts={"my-app": "my_app:main"})
        assert read(project, terminal=value).desktop.terminal is value
        assert read(gui, terminal=value).desktop.terminal is value

    @pytest.mark.parametrize("value", ["true", 1, []])
    def test_not_a_boolean(self, project: Project, value: object) -> None:
        assert errors_of(project, terminal=value) == [f"Option `{TABLE}.terminal` must be a boolean"]


class TestEnvironment:
    def test_specific(self, project: Project) -> None:
        variables = {"QT_QPA_PLATFORM": "wayland;xcb", "_x1": "", "A": "$APPDIR/usr"}
        assert read(project, environment=variables).launcher.environment == variables

    @pytest.mark.parametrize("value", ["A=1", ["A=1"], True])
    def test_not_a_table(self, project: Project, value: object) -> None:
        assert errors_of(project, environment=value) == [f"Option `{TABLE}.environment` must be a table of strings"]

    @pytest.mark.parametrize("value", [1, True, ["x"], {"x": "y"}])
    def test_value_not_a_string(self, project: Project, value: object) -> None:
        assert errors_of(project, environment={"A": "x", "B": value}) == [
            f"Option `{TABLE}.environment.B` must be a string"
        ]

    @pytest.mark.parametrize("name", ["", "1A", "A B", "A-B", "Ä", "A=B", "A\n"])
    def test_no_name_of_a_variable(self, project: Project, name: str) -> None:
        assert errors_of(project, environment={name: "x"}) == [
            f"Option `{TABLE}.environment` sets `{name}`, which is no name of an environment variable"
        ]

    @pytest.mark.parametrize(
        ("name", "reason"),
        [
            ("PYTHONPATH", "the bundled Python is isolated and ignores it: "),
            ("PYTHONHOME", "the bundled Python is isolated and ignores it: "),
            ("PYTHONUNBUFFERED", '(`"-u"` for PYTHONUNBUFFERED)'),
            ("LD_LIBRARY_PATH", "programs of the user's machine that the application starts would break: `libraries`"),
            ("LD_PRELOAD", "would break"),
            ("LD_AUDIT", "would break"),
            ("PATH", "it is set for every user, so a default would do nothing: `commands-on-path = true` puts"),
            ("APPDIR", "it is the runtime that sets it, at every start"),
            ("ARGV0", "it is the runtime that sets it, at every start"),
        ],
    )
    def test_what_would_do_nothing_or_harm(self, project: Project, name: str, reason: str) -> None:
        (error,) = errors_of(project, environment={name: "x"})
        assert error.startswith(f"Option `{TABLE}.environment` cannot set `{name}`: ")
        assert reason in error

    @pytest.mark.parametrize("name", ["LDFLAGS", "MY_PATH", "PATHS", "XDG_PATH", "PY", "OLD_APPDIR"])
    def test_similar_names(self, project: Project, name: str) -> None:
        assert read(project, environment={name: "x"}).launcher.environment == {name: "x"}

    def test_nul(self, project: Project) -> None:
        assert errors_of(project, environment={"A": "\0"}) == [
            f"Option `{TABLE}.environment` sets `A` to a value with a NUL character"
        ]


class TestRuntime:
    def test_specific(self, project: Project) -> None:
        (project.root / "runtime").touch()
        assert read(project, runtime="runtime").image.runtime == project.root / "runtime"


class TestCompression:
    @pytest.mark.parametrize("value", ["default", "fast", "small", "gzip"])
    def test_specific(self, project: Project, value: str) -> None:
        assert read(project, compression=value).image.compression == PRESETS[value]

    @pytest.mark.parametrize("value", ["xz", "Small", "zstd"])
    def test_unknown(self, project: Project, value: str) -> None:
        assert errors_of(project, compression=value) == [
            f"Option `{TABLE}.compression` must be one of default, fast, small, gzip, not `{value}`"
        ]

    @pytest.mark.parametrize("value", [["fast"], {"fast": 3}, 3])
    def test_not_a_string(self, project: Project, value: object) -> None:
        assert errors_of(project, compression=value) == [f"Option `{TABLE}.compression` must be a string"]


class TestStartupOrder:
    @pytest.mark.parametrize("value", [True, False])
    def test_specific(self, project: Project, *, value: bool) -> None:
        assert read(project, startup_order=value).image.startup_order is value

    def test_not_a_boolean(self, project: Project) -> None:
        assert errors_of(project, startup_order=0) == [f"Option `{TABLE}.startup-order` must be a string or boolean"]

    def test_file(self, project: Project) -> None:
        """It need not be there."""
        assert read(project, startup_order="app.startup").image.startup_order == project.root / "app.startup"

    def test_directory(self, project: Project) -> None:
        (project.root / "app.startup").mkdir()
        assert errors_of(project, startup_order="app.startup") == [
            f"Option `{TABLE}.startup-order` names a directory where a file is to be written: `app.startup`"
        ]
        assert errors_of(project, startup_order="new/") == [
            f"Option `{TABLE}.startup-order` names a directory where a file is to be written: `new/`"
        ]


class TestStartupCommand:
    def test_default(self, project: Project) -> None:
        assert read(project).image.startup_command == StartupCommand(("--help",), asked=False)

    @pytest.mark.parametrize(
        ("value", "arguments"),
        [
            ("report --dry-run", ("report", "--dry-run")),
            ("open 'a b' $HOME \"\"", ("open", "a b", "$HOME", "")),
            ("{appimage} --version", ("--version",)),
            ("{appimage}", ()),
        ],
    )
    def test_arguments(self, project: Project, value: str, arguments: tuple[str, ...]) -> None:
        assert read(project, startup_command=value).image.startup_command == StartupCommand(arguments, asked=True)

    @pytest.mark.parametrize("startup_order", [True, False])
    def test_none(self, project: Project, *, startup_order: bool) -> None:
        settings = read(project, startup_command=False, startup_order=startup_order)
        assert settings.image.startup_command is None

    @pytest.mark.parametrize(
        ("value", "error"),
        [
            (1, "must be a string or boolean"),
            (" ", "cannot be an empty string"),
            (True, "cannot be `true`: give the arguments to run the application with, such as `--version`"),
            ("a 'b", "cannot be split into arguments as a shell does it (No closing quotation): `a 'b`"),
            ("a\0", "has a NUL character in it, which no argument of a program can have"),
            (
                "env {appimage}",
                "has the arguments of the application alone, which can follow `{appimage}`: `env {appimage}`",
            ),
        ],
    )
    def test_wrong(self, project: Project, value: object, error: str) -> None:
        assert errors_of(project, startup_command=value) == [f"Option `{TABLE}.startup-command` {error}"]

    def test_without_the_order(self, project: Project) -> None:
        assert errors_of(project, startup_command="--version", startup_order=False) == [
            f"Option `{TABLE}.startup-command` has no effect beside `startup-order = false`: remove one of them"
        ]


class TestTrace:
    @pytest.mark.parametrize("value", [True, False])
    def test_specific(self, project: Project, *, value: bool) -> None:
        assert read(project, trace=value).image.trace is value

    def test_not_a_boolean(self, project: Project) -> None:
        assert errors_of(project, trace=1) == [f"Option `{TABLE}.trace` must be a string or boolean"]

    @pytest.mark.parametrize("more", [{}, {"startup_order": False, "test_command": "{appimage}"}])
    def test_file(self, project: Project, more: dict[str, Any]) -> None:
        """It need not be there, if something is run."""
        assert read(project, trace="app.trace", **more).image.trace == project.root / "app.trace"

    def test_file_where_nothing_is_run(self, project: Project) -> None:
        assert errors_of(project, trace="app.trace", startup_order=False) == [
            (
                f"Option `{TABLE}.trace` names a file that is not there, and the build would run nothing to write it: "
                "set `test-command`, or remove `startup-order = false`: `app.trace`"
            )
        ]
        (project.root / "app.trace").touch()
        assert read(project, trace="app.trace", startup_order=False).image.trace == project.root / "app.trace"

    def test_directory(self, project: Project) -> None:
        (project.root / "app.trace").mkdir()
        assert errors_of(project, trace="app.trace") == [
            f"Option `{TABLE}.trace` names a directory where a file is to be written: `app.trace`"
        ]


class TestSystemFiles:
    def test_globs(self, project: Project) -> None:
        assert read(project, system_files=["/usr/share/dict/*", "*.mo"]).image.system_files == (
            "/usr/share/dict/*",
            "*.mo",
        )

    def test_not_a_whole_path(self, project: Project) -> None:
        assert errors_of(project, system_files=["share/dict"]) == [
            f"Option `{TABLE}.system-files` must have whole paths, which begin with `/` or `*`: `share/dict`"
        ]


class TestSelfTest:
    @pytest.mark.parametrize("value", [True, False])
    def test_specific(self, project: Project, *, value: bool) -> None:
        assert read(project, self_test=value).image.self_test is value

    def test_not_a_boolean(self, project: Project) -> None:
        assert errors_of(project, self_test="yes") == [f"Option `{TABLE}.self-test` must be a boolean"]


class TestTestCommand:
    def test_specific(self, project: Project) -> None:
        assert read(project, test_command="{appimage} --version").image.test_command == "{appimage} --version"

    def test_without_the_image(self, project: Project) -> None:
        assert errors_of(project, test_command="true") == [
            (
                f"Option `{TABLE}.test-command` must have `{{appimage}}` in it, where the image's path goes, as in "
                "`{appimage} --version`: `true`"
            )
        ]


class TestReport:
    def test_relative_to_the_project(self, project: Project) -> None:
        assert read(project, report="out/report.json").image.report == project.root / "out" / "report.json"

    def test_absolute(self, project: Project, tmp_path: Path) -> None:
        assert read(project, report=str(tmp_path / "r.json")).image.report == tmp_path / "r.json"

    def test_home(self, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
        """As in every other option that names a path."""
        monkeypatch.setenv("HOME", str(project.root / "home"))
        assert read(project, report="~/report.json").image.report == project.root / "home" / "report.json"

    def test_is_a_directory(self, project: Project) -> None:
        """Found at the start, not after the build."""
        (error,) = errors_of(project, report=".")
        assert error.startswith(f"Option `{TABLE}.report` ")


class TestLibraries:
    def test_specific(self, project: Project) -> None:
        settings = read(
            project,
            include_libraries=["@fonts", "libz.so.1"],
            exclude_libraries=["libssl.so.*"],
            ignore_missing=["libfoo*"],
            libraries=["libsodium.so.23", "./lib/mine.so"],
        )
        assert settings.libraries == LibraryPolicy(
            include_libraries=("@fonts", "libz.so.1"),
            exclude_libraries=("libssl.so.*",),
            ignore_missing=("libfoo*",),
            libraries=("libsodium.so.23", "./lib/mine.so"),
        )

    @pytest.mark.parametrize("key", ["include_libraries", "exclude_libraries", "ignore_missing"])
    def test_unknown_group(self, project: Project, key: str) -> None:
        (error,) = errors_of(project, **{key: ["@font"]})
        assert error.startswith(f"Option `{TABLE}.{key.replace('_', '-')}` names the group `@font`; known are @glibc, ")

    @pytest.mark.parametrize("key", ["include_libraries", "exclude_libraries", "ignore_missing"])
    def test_path(self, project: Project, key: str) -> None:
        (error,) = errors_of(project, **{key: ["/usr/lib/libz.so.1"]})
        assert error.endswith(
            "must be an array of sonames, patterns such as `libfoo.so.*`, and groups: `/usr/lib/libz.so.1`"
        )

    @pytest.mark.parametrize("rule", ["@glibc", "@musl", "libc.so.6", "ld-linux-x86-64.so.2"])
    def test_c_library(self, project: Project, rule: str) -> None:
        assert errors_of(project, include_libraries=[rule]) == [
            (
                f"Option `{TABLE}.include-libraries` asks for `{rule}`: a C library works only with its own loader; "
                '`glibc = "bundle"` brings both'
            )
        ]


class TestSysroot:
    def test_relative_to_the_project(self, project: Project) -> None:
        (project.root / "old").mkdir()
        old = (project.root / "old").resolve()
        assert read(project, sysroot="old").libraries.sysroot == ByArchitecture(old, {})
        by_architecture = read(project, sysroot={"aarch64": "old"}).libraries.sysroot
        assert by_architecture.of(ARCHITECTURES["aarch64"]) == old
        assert by_architecture.of(ARCHITECTURES["x86_64"]) == Path("/")

    def test_is_not_there(self, project: Project) -> None:
        assert read(project, sysroot={"aarch64": "debian:12"}).libraries.sysroot.special == {
            "aarch64": find_release("debian:bookworm")
        }
        (error,) = errors_of(project, sysroot="debian:bookwurm")
        assert error.startswith(f"Option `{TABLE}.sysroot` names no release: There is no release `bookwurm` of debian")
        (error,) = errors_of(project, sysroot="old")
        assert error.startswith(f"Option `{TABLE}.sysroot` names a directory that is not there: `old`")
        (project.root / "old").touch()
        (error,) = errors_of(project, sysroot="old")
        assert error.startswith(f"Option `{TABLE}.sysroot` names a file, and has to name a directory: `old`")

    def test_library_lock(self, project: Project) -> None:
        path = project.root / "appimage.libraries.toml"
        assert read(project, library_lock=path.name).libraries.library_lock == LibraryLock(path)
        snapshots = ["https://snapshot.example/debian/20260101"]
        settings = read(project, library_lock=path.name, library_snapshots=snapshots)
        assert settings.libraries.library_snapshots == tuple(snapshots)
        read(project, library_lock=path.name, fetch_libraries=False, sysroot={"aarch64": "debian:12"})
        path.write_text("[x86_64]\n")
        (error,) = errors_of(project, library_lock=path.name)
        assert error.startswith(
            f"Option `{TABLE}.library-lock` names no lock of libraries that can be read: in {path}, "
        )

    def test_library_lock_without_effect(self, project: Project) -> None:
        (project.root / "old").mkdir()
        lock = "appimage.libraries.toml"
        for options, other in (
            ({"fetch_libraries": False}, "`fetch-libraries = false`"),
            ({"sysroot": "old"}, "`sysroot`"),
        ):
            (error,) = errors_of(project, library_lock=lock, **options)
            assert error.startswith(f"Option `{TABLE}.library-lock` has no effect beside ")
            assert other in error
        (error,) = errors_of(project, library_snapshots=["https://a.example"])
        assert error.startswith(f"Option `{TABLE}.library-snapshots` has no effect without `library-lock`")
        (error,) = errors_of(project, library_lock=lock, library_snapshots=["ftp://a.example"])
        assert error.endswith(
            "must be an array of addresses that begin with `https://` or `http://`: `ftp://a.example`"
        )


class TestMaxGlibc:
    def test_specific(self, project: Project) -> None:
        assert read(project, max_glibc="2.28").libraries.max_glibc == (2, 28)

    @pytest.mark.parametrize("value", ["2", "2.28.1", "3.1", "glibc", "2.x"])
    def test_is_no_version(self, project: Project, value: str) -> None:
        assert errors_of(project, max_glibc=value) == [
            f"Option `{TABLE}.max-glibc` must be a version of glibc, such as `2.28`, not `{value}`"
        ]

    def test_not_a_string(self, project: Project) -> None:
        assert errors_of(project, max_glibc=2.28) == [
            f"Option `{TABLE}.max-glibc` must be a string: write it in quotes"
        ]


class TestTkinter:
    @pytest.mark.parametrize("value", [True, False])
    def test_specific(self, project: Project, *, value: bool) -> None:
        assert read(project, tkinter=value).python.tkinter is value

    def test_not_a_boolean(self, project: Project) -> None:
        assert errors_of(project, tkinter="no") == [f"Option `{TABLE}.tkinter` must be a boolean"]


class TestUpdateInformation:
    def test_github(self, project: Project) -> None:
        settings = read(replace(project, urls={"Source": "https://github.com/me/app"}), update_information="github")
        expected = "gh-releases-zsync|me|app|latest|My.App-[0-9]*-x86_64.AppImage.zsync"
        assert settings.release.update_line(settings.image.name, "1.0", "x86_64") == expected

    def test_unset(self, project: Project) -> None:
        assert read(project).release.update_line(ApplicationName("A", "A"), "1.0", "x86_64") is None

    def test_fault(self, project: Project) -> None:
        (error,) = errors_of(project, update_information="zsync|x")
        assert error.startswith(
            f"Option `{TABLE}.update-information` has a wrong URL of the .zsync file: `x` is no http"
        )

    def test_pattern_that_never_fits(self, project: Project) -> None:
        settings = read(project, update_information="gh-releases-zsync|me|app|latest|Other-*.zsync")
        with pytest.raises(
            ConfigurationError, match=rf"^Option `{TABLE}\.update-information` looks for files named like"
        ):
            settings.release.update_line(settings.image.name, "1.0", "x86_64")


class TestSign:
    def test_by_default_key(self, project: Project) -> None:
        settings = read(project, sign=True)
        assert (settings.release.sign, settings.release.sign_key) == (True, None)

    def test_a_key_is_enough(self, project: Project) -> None:
        settings = read(project, sign_key="0123ABCD")
        assert (settings.release.sign, settings.release.sign_key) == (True, "0123ABCD")

    def test_contradiction(self, project: Project) -> None:
        (error,) = errors_of(project, sign=False, sign_key="0123ABCD")
        assert error == f"Option `{TABLE}.sign-key` has no effect beside `sign = false`: remove one of them"


def test_recorded_options_name_no_directory(tmp_path: Path) -> None:
    raw = {
        "compression": "fast",
        "icon": str(tmp_path / "data" / "icon.png"),
        "constraints": "constraints.txt",
        "build-constraints": "/home/me/tools.txt",
        "python": {"x86_64": "/usr/bin/python3.12"},
        "environment": {"DATA": f"{tmp_path}/data"},
        "requirements": [f"leaf @ file://{tmp_path}/leaf"],
        "sign-key": "me@example.org",
        "report": "report.json",
        "dependencies": ["hatch-appimage"],
    }
    recorded = record_options(raw, tmp_path)
    assert recorded.options == {
        "build-constraints": "tools.txt",
        "compression": "fast",
        "constraints": "constraints.txt",
        "environment": {"DATA": "./data"},
        "icon": "data/icon.png",
        "python": {"x86_64": "python3.12"},
        "requirements": ["leaf @ file://./leaf"],
    }
    assert recorded.outside == ("build-constraints", "python")


@pytest.mark.parametrize(
    ("text", "recorded"), [(None, {}), ("# nothing\n\n", {}), ("libsodium.so.23\n", {"trace": "app.trace"})]
)
def test_recorded_trace_is_one_that_brought_files(text: str | None, recorded: dict[str, str], tmp_path: Path) -> None:
    """A build that writes the file makes the same image as the next one, which reads it, if there is nothing in it."""
    if text is not None:
        (tmp_path / "app.trace").write_text(text)
    assert record_options({"trace": "app.trace"}, tmp_path).options == recorded


def test_root_of_every_machine_is_recorded_as_it_is(tmp_path: Path) -> None:
    recorded = record_options({"sysroot": {"x86_64": "/", "aarch64": "/srv/arm"}}, tmp_path)
    assert recorded.options == {"sysroot": {"x86_64": "/", "aarch64": "arm"}}
    assert recorded.outside == ("sysroot",)


@pytest.mark.parametrize("beside", ["my app", "my app-lib"])
def test_recorded_requirements_name_no_directory(tmp_path: Path, beside: str) -> None:
    """Addresses are percent-encoded, and what lies beside the project may have a name that begins like its own."""
    address = (tmp_path / beside / "leaf").as_uri()
    recorded = record_options({"requirements": [f"leaf @ {address} ; os_name == 'posix'"]}, tmp_path / "my app")
    place, outside = ("./leaf", ()) if beside == "my app" else ("/leaf", ("requirements",))
    assert recorded.options == {"requirements": [f"leaf @ file://{place} ; os_name == 'posix'"]}
    assert recorded.outside == outside
