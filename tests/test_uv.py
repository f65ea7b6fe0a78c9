# SPDX-License-Identifier: MIT
"""Settings of uv in a project."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hatch_appimage.errors import AppImageError
from hatch_appimage.uv import check_settings, prefers_source

if TYPE_CHECKING:
    from pathlib import Path


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
