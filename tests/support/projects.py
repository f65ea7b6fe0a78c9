# SPDX-License-Identifier: MIT
"""Projects that tests build: those of `test-projects`, those of the package index, and ones of a single module."""

from __future__ import annotations

import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
SUPPORT = Path(__file__).resolve().parent
TEST_PROJECTS = REPOSITORY / "test-projects"


# For images whose size does not matter.
QUICK = "compression = 'fast'\n"


def copy_project(name: str, directory: Path, *, quick: bool = False) -> Path:
    """Copy a test project, so that its builds leave nothing in the repository; its table of the image ends the file."""
    project = Path(shutil.copytree(TEST_PROJECTS / name, directory / name, ignore=shutil.ignore_patterns("dist")))
    if quick:
        with (project / "pyproject.toml").open("a", encoding="utf-8") as file:
            file.write(QUICK)
    return project


def unpack_sdist(name: str, directory: Path) -> Path:
    """Fetch an application's sdist from the index, and return its unpacked tree."""
    options = ["--quiet", "--no-deps", "--no-binary", name, "--dest", str(directory)]
    subprocess.run([sys.executable, "-m", "pip", "download", *options, name], check=True)
    (archive,) = directory.glob("*.tar.gz")
    subprocess.run(["tar", "-xzf", archive, "-C", directory], check=True)
    (project,) = (path for path in directory.iterdir() if path.is_dir())
    return project


def make_project(directory: Path, body: str, *, table: str = "", project: str = "", name: str = "probe") -> Path:
    """Write a project of one module, whose `main` is its only script."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / f"{name}.py").write_text(body)
    (directory / "pyproject.toml").write_text(
        textwrap.dedent(f"""\
            [build-system]
            requires = ["hatchling"]
            build-backend = "hatchling.build"

            [project]
            name = "{name}"
            version = "1.0"
            requires-python = ">=3.10"
            {project}

            [project.scripts]
            {name} = "{name}:main"

            [tool.hatch.build.targets.wheel]
            only-include = ["{name}.py"]

            [tool.hatch.build.targets.appimage]
            """)
        + ("" if "compression" in table else QUICK)
        + table
    )
    return directory


def kinds(directory: Path) -> list[str]:
    """Return the suffixes of what is in a directory."""
    return sorted(path.suffix for path in directory.iterdir())
