# SPDX-License-Identifier: MIT
"""The commit that a project is built from, where Git knows it."""

from __future__ import annotations

import logging
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hatch_appimage.process import ProcessError, run

if TYPE_CHECKING:
    from pathlib import Path

log = logging.getLogger(__name__)

# What Git hooks set for the repository that they run in, which need not be the project's.
_OF_HOOKS = frozenset({"GIT_DIR", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_WORK_TREE"})
# What is a change is not for the user's settings of Git to say.
_STATUS = ("--porcelain=v2", "--branch", "--untracked-files=normal", "--ignore-submodules=none")
_HEAD = "# branch.oid "
_UNBORN = "(initial)"
_NO_REPOSITORY = "not a git repository"
# What Git says itself of how to have it read a directory of another user (git-config(1), safe.directory).
_WAY_OUT = re.compile(r"^\s*(git config .*safe\.directory .*)$", re.MULTILINE)
_NO_PROGRAM = 127


@dataclass(frozen=True)
class Commit:
    """A commit.

    Attributes:
        revision: its name, in hexadecimal.
        dirty: the project's directory has changes, or new files that Git does not ignore.

    """

    revision: str
    dirty: bool

    def __str__(self) -> str:
        return f"{self.revision}{' with changes' if self.dirty else ''}"


def find_commit(root: Path, output: Path) -> Commit | None:
    """Return the commit that is checked out in a project's directory; a warning says so if Git refuses to tell it.

    Args:
        root: the directory.
        output: what lies here is no change: earlier builds have put it there; of the root itself, images.

    Returns:
        None if there is no repository, one that has none of the project's files, or one that cannot be read.

    """
    excluded = []
    if output == root:
        excluded = [":(exclude,glob)*.AppImage*"]
    elif output.is_relative_to(root):
        excluded = [f":(exclude,literal){output.relative_to(root).as_posix()}"]
    try:
        if not _git(root, "ls-files", "--", "."):
            return None
        # https://git-scm.com/docs/git-status#_porcelain_format_version_2
        lines = _git(root, "status", *_STATUS, "--", ".", *excluded).splitlines()
    except ProcessError as error:
        if reason := _explain(error, root):
            log.warning("The image does not say which commit it is built from: %s", reason)
        return None
    heads = [line.removeprefix(_HEAD) for line in lines if line.startswith(_HEAD)]
    if not heads or heads[0] == _UNBORN:
        return None
    return Commit(heads[0], any(not line.startswith("#") for line in lines))


def _explain(error: ProcessError, root: Path) -> str | None:
    """Return why a repository cannot be read, in Git's words, and what to do; None if there is none."""
    if error.status == _NO_PROGRAM:
        is_repository = any((directory / ".git").exists() for directory in (root, *root.parents))
        return "git is not installed, and the project is in a repository" if is_repository else None
    if _NO_REPOSITORY in error.output:
        return None
    words = next((line for line in error.output.splitlines() if line.startswith("fatal: ")), error.output)
    reason = f"git says `{words.removeprefix('fatal: ')}`"
    if way_out := _WAY_OUT.search(error.output):
        return f"{reason}; if you trust that repository, run `{way_out[1]}`, or build as the user that it belongs to"
    return reason


def _git(root: Path, *arguments: str) -> str:
    # What it says is looked into, and shown among English words.
    environment = {name: value for name, value in os.environ.items() if name not in _OF_HOOKS} | {"LC_ALL": "C"}
    # Git would refresh its index, and could start a program of the repository's settings for it.
    options = ("--no-optional-locks", "-c", "core.fsmonitor=false")
    return run(["git", *options, *arguments], doing="find the project's commit", cwd=root, env=environment)
