# SPDX-License-Identifier: MIT
"""The commit that a project is built from, where Git knows it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hatch_appimage.process import ProcessError, run

if TYPE_CHECKING:
    from pathlib import Path

# What Git hooks set for the repository that they run in, which need not be the project's.
_OF_HOOKS = frozenset({"GIT_DIR", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_WORK_TREE"})
# What is a change is not for the user's settings of Git to say.
_STATUS = ("--porcelain=v2", "--branch", "--untracked-files=normal", "--ignore-submodules=none")
_HEAD = "# branch.oid "
_UNBORN = "(initial)"


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
    """Return the commit that is checked out in a project's directory.

    Args:
        root: the directory.
        output: what lies here is no change: earlier builds have put it there; of the root itself, images.

    Returns:
        None if there is no Git, no repository, or one that has none of the project's files.

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
    except ProcessError:
        return None
    heads = [line.removeprefix(_HEAD) for line in lines if line.startswith(_HEAD)]
    if not heads or heads[0] == _UNBORN:
        return None
    return Commit(heads[0], any(not line.startswith("#") for line in lines))


def _git(root: Path, *arguments: str) -> str:
    environment = {name: value for name, value in os.environ.items() if name not in _OF_HOOKS}
    # Git would refresh its index, and could start a program of the repository's settings for it.
    options = ("--no-optional-locks", "-c", "core.fsmonitor=false")
    return run(["git", *options, *arguments], doing="find the project's commit", cwd=root, env=environment)
