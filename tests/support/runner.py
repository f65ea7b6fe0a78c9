# SPDX-License-Identifier: MIT
"""Ways to run an image, as root and as an ordinary user."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from support.machine import NOBODY, clean_environment, make_public
from support.tools import require

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


@dataclass(frozen=True)
class Runner:
    """One way to run an image.

    Attributes:
        mode: `mounted`, `extract-and-run` or `extracted`.
        user: a numeric user id; None for the one that runs the tests.
        home: the user's directory.

    """

    mode: str
    user: int | None
    home: Path
    extra: dict[str, str] = field(default_factory=dict)

    def command(self, image: Path) -> list[str]:
        """Return the command that starts an image this way."""
        return [*self.prefix, str(self._apprun(image) if self.mode == "extracted" else image)]

    @property
    def prefix(self) -> list[str]:
        """Return the command that becomes the user."""
        if self.user is None:
            return []
        identity = [f"--reuid={self.user}", f"--regid={self.user}", "--clear-groups"]
        return [require("setpriv", "util-linux"), *identity]

    @property
    def environment(self) -> dict[str, str]:
        """Return the clean environment that the image runs in."""
        env = {**clean_environment(self.home), **self.extra}
        if self.mode == "extract-and-run":
            env["APPIMAGE_EXTRACT_AND_RUN"] = "1"
        return env

    def run(self, image: Path, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run an image to its end."""
        return subprocess.run(
            [*self.command(image), *arguments],
            env=self.environment,
            cwd=self.home,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    @property
    def unpacked(self) -> Path:
        """Return the directory that images are unpacked to."""
        return self.home / "extracted ä"

    def _apprun(self, image: Path) -> Path:
        directory = self.unpacked / str(image.stat().st_ino)
        if not directory.exists():
            directory.mkdir(parents=True)
            subprocess.run(
                [image, "--appimage-extract"],
                cwd=directory,
                check=True,
                stdout=subprocess.DEVNULL,
                env=self.environment,
            )
            if self.user is not None:
                subprocess.run(["chown", "-R", str(self.user), directory], check=True)
        return directory / "squashfs-root" / "AppRun"


def unpack(image: Path, directory: Path) -> Path:
    """Unpack an image by what every Linux has for it, and return its tree."""
    offset = subprocess.run([image, "--appimage-offset"], capture_output=True, check=True).stdout.strip()
    unsquashfs: list[str | bytes | Path] = [
        require("unsquashfs", "squashfs-tools"),
        "-q",
        "-n",
        "-d",
        "tree",
        "-o",
        offset,
        image,
    ]
    subprocess.run(unsquashfs, cwd=directory, check=True)
    return directory / "tree"


def answers_its_version(image: Path, factory: pytest.TempPathFactory) -> None:
    """See that an image answers what its name says, for root and for nobody, mounted and unpacked."""
    version = re.search(r"-(\d+(?:\.\d+)+)", image.name)
    assert version
    for user in (None, NOBODY):
        for mode in ("mounted", "extracted"):
            home = make_public(factory, "home")
            if user:
                os.chown(home, user, user)
            result = Runner(mode, user, home).run(image, "--version")
            # Not all of it: rich-cli 1.8.1 says that it is 1.8.0.
            assert version[1].split(".")[0] in result.stdout, (mode, user, result.stdout, result.stderr)
            shutil.rmtree(home)
