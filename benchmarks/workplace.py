# SPDX-License-Identifier: MIT
"""Where one packer builds one test project, with an environment and a copy of the project of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from uv import find_uv_bin

from rounds import ENVIRONMENT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from apps import App

# The longest that a program may take to start, in seconds.
_START_LIMIT = 60


class PackerError(Exception):
    """A packer cannot build a project, or what it built does not run. The message goes onto the page."""


@dataclass(frozen=True)
class Product:
    """What a packer made.

    Attributes:
        program: what is run.
        file: what is shipped; None if that is not one file.
        tree: what the file holds, if the packer leaves that in a directory.
        settings: variables that the program is run with.

    """

    program: Path
    file: Path | None = None
    tree: Path | None = None
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Workplace:
    """The directories of one packer and one project.

    Attributes:
        directory: all of them are in it.
        shared: a directory for what several packers use.
        app: what is built.

    """

    directory: Path
    shared: Path
    app: App

    @property
    def project(self) -> Path:
        """The copy of the project."""
        return self.directory / "project"

    @property
    def environment(self) -> Path:
        """The virtual environment with the packer."""
        return self.directory / "environment"

    @property
    def work(self) -> Path:
        """Where the packer is run, and leaves what it makes."""
        return self.directory / "work"

    def set_up(self, requirements: Sequence[str]) -> None:
        """Copy the project and make the environment.

        Raises:
            PackerError: something cannot be installed.

        """
        self.work.mkdir(parents=True)
        self.app.copy(self.project)
        self.run([find_uv_bin(), "venv", "--python", base_python(), self.environment])
        if requirements:
            # As pip does: else the first run of a packer would compile it.
            self.install("--compile-bytecode", *requirements)

    def install(self, *arguments: str | Path) -> None:
        """Install into the environment, from the index or uv's cache.

        Raises:
            PackerError: it cannot be installed.

        """
        self.run([find_uv_bin(), "pip", "install", "--python", self.program("python"), *arguments])

    def program(self, name: str) -> Path:
        """Return the path of a program of the environment."""
        return self.environment / "bin" / name

    def run(self, command: Sequence[str | Path], settings: Mapping[str, str] | None = None) -> None:
        """Run a step of a build, with what it prints in a log.

        Raises:
            PackerError: it fails.

        """
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        log = self.directory / "log"
        with log.open("ab") as output:
            start = output.tell()
            process = subprocess.run(
                command,
                cwd=self.work,
                env={**environment, **(settings or {})},
                check=False,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        if process.returncode:
            raise PackerError(self._reason(Path(command[0]).name, log.read_bytes()[start:].decode(errors="replace")))

    def _reason(self, program: str, printed: str) -> str:
        """Return the last line of what a program printed, without this machine's directories."""
        last = next((line.strip() for line in reversed(printed.splitlines()) if line.strip()), "it says nothing")
        return f"{program} fails: {last.replace(f'{self.directory}/', '').replace(f'{self.shared}/', '')}"

    def check(self, product: Product) -> None:
        """See that what was made runs and prints what it should.

        Raises:
            PackerError: it does not.

        """
        try:
            process = subprocess.run(
                [product.program, *self.app.arguments],
                env={**ENVIRONMENT, **self.app.settings, **product.settings},
                check=False,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=_START_LIMIT,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise PackerError(self._reason("the program", str(error))) from error
        printed = process.stdout.decode(errors="replace")
        if process.returncode or self.app.output not in printed:
            raise PackerError(self._reason("the program", printed))

    def versions(self) -> dict[str, str]:
        """Return the versions of all that is installed in the environment."""
        command: list[str | Path] = [find_uv_bin(), "pip", "list", "--format", "json", "--python"]
        text = subprocess.run([*command, self.program("python")], check=True, capture_output=True).stdout
        return {entry["name"]: entry["version"] for entry in json.loads(text)}


def base_python() -> Path:
    """Return the Python that runs this, outside of virtual environments: all packers bundle or use this one."""
    return Path(sys.base_prefix, "bin", f"python{sys.version_info.major}.{sys.version_info.minor}")


@cache
def uv_cache() -> str:
    """Return where uv keeps downloads, which all packers that install with uv share."""
    return subprocess.run([find_uv_bin(), "cache", "dir"], check=True, capture_output=True, text=True).stdout.strip()
