# SPDX-License-Identifier: MIT
"""Settings of uv in a project."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from uv import find_uv_bin

from hatch_appimage.errors import AppImageError
from hatch_appimage.process import ProcessError
from hatch_appimage.uv import check_settings, ignores_sources, known_indexes, prefers_source, run_uv
from support.packages import Index, serve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.mark.parametrize(
    "setting",
    [
        'target = "foo"',
        'prefix = "foo"',
        'python-platform = "aarch64-unknown-linux-gnu"',
        "no-deps = true",
        "all-extras = true",
        'no-emit-package = ["foo"]',
        "require-hashes = true",
    ],
)
@pytest.mark.parametrize(("name", "table"), [("pyproject.toml", "tool.uv.pip"), ("uv.toml", "pip")])
def test_misleading(tmp_path: Path, name: str, table: str, setting: str) -> None:
    (tmp_path / name).write_text(f"[{table}]\n{setting}\n")
    with pytest.raises(AppImageError) as error:
        check_settings(tmp_path)
    key = setting.split(maxsplit=1)[0]
    assert str(error.value) == (
        f"`{key}` in [{table}] of {tmp_path / name} would decide what goes into the image: remove it"
    )


@pytest.mark.parametrize("text", ["", "[tool.uv]\n", "[tool.uv.pip]\npython-version = '3.12'\nno-deps = false\n"])
def test_harmless(tmp_path: Path, text: str) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    check_settings(tmp_path)


def test_uv_toml_is_the_one_that_counts(tmp_path: Path) -> None:
    (tmp_path / "uv.toml").write_text("[pip]\n")
    (tmp_path / "pyproject.toml").write_text("[tool.uv.pip]\nno-deps = true\n")
    check_settings(tmp_path)


class TestCache:
    @pytest.fixture(autouse=True)
    def home(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """Return a home directory that cannot be made."""
        home = tmp_path / "home"
        home.touch()
        for name in ("UV_CACHE_DIR", "UV_NO_CACHE"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("XDG_CACHE_HOME", str(home / "cache"))
        return home

    def directory(self, root: Path) -> Path:
        return Path(run_uv(["cache", "dir"], doing="show the cache", cwd=root).strip())

    def test_that_cannot_be_made(self, tmp_path: Path, home: Path, caplog: pytest.LogCaptureFixture) -> None:
        """The build goes on with another one, as pip does without."""
        assert self.directory(tmp_path) == self.directory(tmp_path)
        assert self.directory(tmp_path).is_dir()
        assert caplog.messages == [
            f"The cache {home}/cache/uv cannot be written, and is not used: set UV_CACHE_DIR to a directory of yours"
        ]

    def test_that_is_named(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        (tmp_path / "uv.toml").write_text(f"cache-dir = '{tmp_path}/settings'\n")
        assert self.directory(tmp_path) == tmp_path / "settings"
        monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "variable"))
        assert self.directory(tmp_path) == tmp_path / "variable"
        assert caplog.messages == []


class TestSettingsOfPip:
    """They do not count for uv, and whoever has an index in them is told so."""

    @pytest.fixture(autouse=True)
    def environment(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)

    @pytest.fixture
    def error(self, tmp_path: Path) -> Iterator[Callable[[str], str]]:
        index = Index(tmp_path / "index")
        with serve(index.directory) as served:

            def error_of(package: str) -> str:
                with pytest.raises(ProcessError) as caught:
                    run_uv(
                        ["pip", "install", "--target", "t", "--default-index", served.url, package],
                        doing="install it",
                        cwd=tmp_path,
                    )
                return str(caught.value)

            yield error_of

    def test_none(self, error: Callable[[str], str]) -> None:
        assert "settings of pip" not in error("unheard-of")

    def test_variable(self, error: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "https://me:secret@example.org/simple")
        last = error("unheard-of").splitlines()[-1]
        assert last.startswith("uv does not read the settings of pip (PIP_EXTRA_INDEX_URL): say in UV_INDEX, or in ")
        assert "settings of pip" not in error("unheard of")

    def test_file(self, error: Callable[[str], str], tmp_path: Path) -> None:
        file = tmp_path / "config" / "pip" / "pip.conf"
        file.parent.mkdir(parents=True)
        file.write_text("[global]\ntimeout = 60\n")
        assert "settings of pip" not in error("unheard-of")
        file.write_text("[global]\nextra-index-url = https://example.org/simple\n")
        assert f"uv does not read the settings of pip ({file}): " in error("unheard-of")


class TestPrefersSource:
    @pytest.fixture(autouse=True)
    def environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("UV_NO_BINARY", "UV_NO_BINARY_PACKAGE"):
            monkeypatch.delenv(name, raising=False)

    @pytest.mark.parametrize(
        "text",
        [
            '[tool.uv]\nno-binary-package = ["My.App"]\n',
            '[tool.uv.pip]\nno-binary = ["my-app"]\n',
        ],
    )
    def test_one(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "pyproject.toml").write_text(text)
        assert prefers_source(tmp_path)("my-app")
        assert not prefers_source(tmp_path)("other")

    @pytest.mark.parametrize("text", ["[tool.uv]\nno-binary = true\n", '[tool.uv.pip]\nno-binary = [":all:"]\n'])
    def test_all(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "pyproject.toml").write_text(text)
        assert prefers_source(tmp_path)("other")

    def test_environment(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        assert not prefers_source(tmp_path)("a")
        monkeypatch.setenv("UV_NO_BINARY_PACKAGE", "a b")
        assert prefers_source(tmp_path)("b")
        monkeypatch.setenv("UV_NO_BINARY", "1")
        assert prefers_source(tmp_path)("c")


MEMBER = '[project]\nname = "app"\nversion = "1"\n'
WORKSPACE = '[tool.uv.workspace]\nmembers = ["app", "excluded"]\nexclude = ["excluded"]\n'


def test_settings_of_a_workspace(tmp_path: Path) -> None:
    """A member's own do not count."""
    text = '[tool.uv]\nno-sources-package = ["{0}"]\nno-binary-package = ["{0}"]\n'
    (tmp_path / "pyproject.toml").write_text(WORKSPACE + text.format("ours"))
    app = tmp_path / "app"
    app.mkdir()
    (app / "pyproject.toml").write_text(f"{MEMBER}{text.format('mine')}[tool.uv.pip]\nno-deps = true\n")
    assert ignores_sources(app)("ours")
    assert prefers_source(app)("ours")
    assert not ignores_sources(app)("mine")
    assert not prefers_source(app)("mine")
    check_settings(app)
    (tmp_path / "uv.toml").write_text("[pip]\nno-deps = true\n")
    with pytest.raises(AppImageError, match=rf"in \[pip\] of {tmp_path}/uv\.toml would decide"):
        check_settings(app)


def entry(name: str, url: str, *more: str) -> str:
    """Return the table of an index that is the default, asked before it, or for some packages only."""
    return "\n".join(
        ["[[tool.uv.index]]", f'name = "{name}"', f'url = "{url}"', *(f"{key} = true" for key in more), ""]
    )


@pytest.fixture(scope="module")
def indexes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    one, other = (Index(tmp_path_factory.mktemp(name)) for name in ("one", "other"))
    one.add("on_one")
    other.add("on_other")
    with serve(one.directory) as first, serve(other.directory) as second:
        yield first.url, second.url


class TestKnownIndexes:
    """What is known is what uv asks."""

    # What the pyproject.toml of a workspace has, and of a directory in it, and the environment; ONE and OTHER are
    # indexes. None of them leaves PyPI the default one, as the tests do not ask that.
    @pytest.mark.parametrize(
        ("around", "own", "environment", "known"),
        [
            (entry("a", "ONE", "default"), entry("b", "OTHER"), {}, ["ONE"]),
            ("", entry("b", "OTHER"), {"UV_DEFAULT_INDEX": "ONE"}, ["ONE"]),
            (entry("a", "ONE", "default"), "[tool.uv.workspace]\n" + entry("b", "OTHER", "default"), {}, ["OTHER"]),
            (entry("a", "ONE", "default") + entry("b", "OTHER"), "", {}, ["ONE", "OTHER"]),
            (entry("a", "ONE", "default") + entry("b", "OTHER", "explicit"), "", {}, ["ONE"]),
            (entry("a", "ONE", "default") + entry("b", "OTHER", "default"), "", {}, ["ONE"]),
            (entry("a", "ONE", "default"), "", {"UV_DEFAULT_INDEX": "b=OTHER"}, ["OTHER"]),
            (entry("a", "ONE", "default", "explicit"), "", {"UV_INDEX": "OTHER"}, ["OTHER"]),
            (entry("a", "ONE"), "", {"UV_INDEX": "a=OTHER", "UV_INDEX_URL": "OTHER"}, ["OTHER"]),
            ('[tool.uv]\nindex-url = "ONE"\nextra-index-url = ["OTHER"]\n', "", {}, ["ONE", "OTHER"]),
            ('[tool.uv]\nindex-url = "ONE"\n[tool.uv.pip]\nindex-url = "OTHER"\n', "", {}, ["OTHER"]),
            ('[tool.uv]\nindex-url = "ONE"\n[tool.uv.pip]\nextra-index-url = ["OTHER"]', "", {}, ["ONE", "OTHER"]),
            ("[tool.uv]\nno-index = true\n", "", {"UV_DEFAULT_INDEX": "ONE"}, []),
        ],
    )
    def test_as_uv(  # noqa: PLR0917 - parameters
        self,
        tmp_path: Path,
        indexes: tuple[str, str],
        monkeypatch: pytest.MonkeyPatch,
        around: str,
        own: str,
        environment: dict[str, str],
        known: list[str],
    ) -> None:
        self._environment(monkeypatch, indexes, environment)
        app = tmp_path / "app"
        app.mkdir()
        (tmp_path / "pyproject.toml").write_text(self._fill(WORKSPACE + around, indexes))
        (app / "pyproject.toml").write_text(self._fill(MEMBER + own, indexes))
        expected = {self._fill(name, indexes) for name in known}
        assert set(known_indexes(app)) == expected
        assert self._asked(app, indexes) == expected

    @pytest.mark.parametrize("own", ["", entry("b", "OTHER", "default")])
    def test_excluded(
        self, tmp_path: Path, indexes: tuple[str, str], monkeypatch: pytest.MonkeyPatch, own: str
    ) -> None:
        """What is no member has its own settings, or those of the next directory above that has any."""
        self._environment(monkeypatch, indexes, {})
        app = tmp_path / "excluded"
        app.mkdir()
        (tmp_path / "pyproject.toml").write_text(self._fill(WORKSPACE + entry("a", "ONE", "default"), indexes))
        (app / "pyproject.toml").write_text(self._fill(MEMBER + own, indexes))
        expected = {indexes[1 if own else 0]}
        assert set(known_indexes(app)) == expected
        assert self._asked(app, indexes) == expected

    def _environment(
        self, monkeypatch: pytest.MonkeyPatch, indexes: tuple[str, str], environment: dict[str, str]
    ) -> None:
        for name in [name for name in os.environ if name.startswith("UV_")]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("UV_NO_CACHE", "1")
        for name, value in environment.items():
            monkeypatch.setenv(name, self._fill(value, indexes))

    def _fill(self, text: str, indexes: tuple[str, str]) -> str:
        return text.replace("ONE", indexes[0]).replace("OTHER", indexes[1])

    def _asked(self, directory: Path, indexes: tuple[str, str]) -> set[str]:
        """Return the indexes that have a package which uv finds."""
        names = {"on-one": indexes[0], "on-other": indexes[1]}
        command = [find_uv_bin(), "pip", "compile", "--quiet", "-"]
        return {
            url
            for name, url in names.items()
            if not subprocess.run(
                command, check=False, input=name, text=True, cwd=directory, capture_output=True
            ).returncode
        }
