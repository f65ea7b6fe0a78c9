# SPDX-License-Identifier: MIT
"""The commit that a project is built from."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from hatch_appimage.project.commit import find_commit
from support.tools import require

if TYPE_CHECKING:
    from pathlib import Path


def git(root: Path, *arguments: str) -> str:
    settings = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    command = [require("git", "git"), *settings, *arguments]
    return subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a project in a directory of a repository that has a commit."""
    root = tmp_path / "repository" / "project"
    root.mkdir(parents=True)
    (root / "pyproject.toml").touch()
    git(root.parent, "init", "--quiet")
    git(root.parent, "add", "project")
    git(root.parent, "commit", "--quiet", "--message=a")
    return root


def test_clean(root: Path) -> None:
    (root / "dist").mkdir()
    (root / "dist" / "old.AppImage").touch()
    (root.parent / "elsewhere").touch()
    commit = find_commit(root, root / "dist")
    assert commit
    assert (commit.revision, commit.dirty) == (git(root, "rev-parse", "HEAD"), False)


@pytest.mark.parametrize("name", ["pyproject.toml", "new.py"])
def test_dirty(root: Path, name: str) -> None:
    (root / name).write_text("# changed\n")
    commit = find_commit(root, root / "dist")
    assert commit
    assert commit.dirty


def test_unknown(root: Path, tmp_path: Path) -> None:
    other = root.parent / "untracked"
    other.mkdir()
    assert find_commit(other, other / "dist") is None
    assert find_commit(tmp_path, tmp_path / "dist") is None


@pytest.mark.parametrize("name", ["out[1]", ".", "a b"])
def test_earlier_images_are_no_change(root: Path, name: str) -> None:
    output = root / name
    output.mkdir(exist_ok=True)
    (output / "app-1.AppImage").touch()
    (output / "app-1.AppImage.zsync").touch()
    commit = find_commit(root, output)
    assert commit
    assert not commit.dirty
    (root / "out1").touch()
    commit = find_commit(root, output)
    assert commit
    assert commit.dirty


def test_settings_of_git_do_not_hide_changes(root: Path) -> None:
    git(root, "config", "status.showUntrackedFiles", "no")
    (root / "new.py").touch()
    commit = find_commit(root, root / "dist")
    assert commit
    assert commit.dirty


def test_repository_of_another_user(
    root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The variable is that of Git's own tests; whether it belongs to another user is for Git to say."""
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    assert find_commit(root, root / "dist") is None
    (record,) = caplog.records
    assert record.getMessage() == (
        "The image does not say which commit it is built from: git says `detected dubious ownership in repository at "
        f"'{root.parent}'`; if you trust that repository, run `git config --global --add safe.directory {root.parent}`,"
        " or build as the user that it belongs to"
    )


def test_damaged_repository(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    (root.parent / ".git" / "index").write_bytes(b"nonsense")
    assert find_commit(root, root / "dist") is None
    (record,) = caplog.records
    assert record.getMessage().startswith("The image does not say which commit it is built from: git says `")


@pytest.mark.parametrize("in_repository", [True, False])
def test_without_git(
    root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    *,
    in_repository: bool,
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_commit(root if in_repository else tmp_path, tmp_path / "dist") is None
    assert len(caplog.records) == in_repository


def test_no_repository_is_no_fault(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert find_commit(tmp_path, tmp_path / "dist") is None
    assert not caplog.records
