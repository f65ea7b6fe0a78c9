# SPDX-License-Identifier: MIT
"""Toolkits with a small program for each, as a project, an image and a virtual environment."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from uv import find_uv_bin

from support.projects import SUPPORT

if TYPE_CHECKING:
    from support.desktop_machines import DesktopMachine

_PROGRAMS = SUPPORT / "desktop-programs"
#: What each program can be asked for.
_CHECKS = {
    "qt_widgets": ("window", "keys", "clipboard", "dialogue", "printers", "tls"),
    "qt_sound": ("sound",),
    "qt_web": ("web",),
    "tk": ("window", "keys", "clipboard", "dialogue"),
    "pygame_": ("window", "keys", "sound"),
    "kivy_": ("window", "keys", "clipboard"),
    "pyglet_": ("window", "keys"),
    "dearpygui_": ("window",),
    "root_part": ("helper",),
}


@dataclass(frozen=True)
class Toolkit:
    """A toolkit.

    Attributes:
        requirements: what is installed.
        programs: names of modules in `desktop-programs`.
        binding: of Qt, which the programs import.
        wayland: it has windows there.

    """

    requirements: tuple[str, ...]
    programs: tuple[str, ...]
    binding: str = "PySide6"
    wayland: bool = True

    @property
    def checks(self) -> tuple[str, ...]:
        """What it can be asked for."""
        return tuple(check for program in self.programs for check in _CHECKS[program])


TOOLKITS = {
    "PySide6-Essentials": Toolkit(("PySide6-Essentials",), ("qt_widgets",)),
    "PySide6": Toolkit(("PySide6",), ("qt_widgets", "qt_sound", "qt_web")),
    "PyQt6": Toolkit(("PyQt6",), ("qt_widgets", "qt_sound"), "PyQt6"),
    "PyQt5": Toolkit(("PyQt5",), ("qt_widgets", "qt_sound"), "PyQt5"),
    "Tk": Toolkit((), ("tk", "root_part"), wayland=False),
    # SDL ends with a fault on a compositor without any input device, such as weston's without a screen.
    "pygame": Toolkit(("pygame",), ("pygame_",), wayland=False),
    # Its wheel's SDL is built for X11 alone.
    "Kivy": Toolkit(("kivy[base]",), ("kivy_",), wayland=False),
    "pyglet": Toolkit(("pyglet",), ("pyglet_",), wayland=False),
    "Dear PyGui": Toolkit(("dearpygui",), ("dearpygui_",), wayland=False),
}


def write_project(toolkit: Toolkit, directory: Path) -> Path:
    """Write a project whose command does what its argument names; return its directory."""
    shutil.rmtree(directory, ignore_errors=True)
    package = directory / "probe"
    package.mkdir(parents=True)
    lines = ["import sys", "", "def main():", "    check = sys.argv[1].lstrip('-')"]
    for name in toolkit.programs:
        text = (_PROGRAMS / f"{name}.py").read_text(encoding="utf-8").replace("PySide6", toolkit.binding)
        (package / f"{name}.py").write_text(text, encoding="utf-8")
        lines += [f"    if check in {_CHECKS[name]}:", f"        from probe.{name} import CHECKS"]
    (package / "__init__.py").write_text("\n".join([*lines, "    CHECKS[check]()", ""]))
    (package / "__main__.py").write_text("from probe import main\n\nmain()\n")
    (directory / "pyproject.toml").write_text(f"""\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "probe"
version = "1.0"
description = "Shows what a toolkit does"
license = "MIT"
urls = {{ Homepage = "https://example.org" }}
authors = [{{ name = "Jo Doe", email = "jo@example.org" }}]
dependencies = {list(toolkit.requirements)}

[project.gui-scripts]
probe = "probe:main"

[tool.hatch.build.targets.appimage]
app-id = "org.example.probe"
compression = "fast"
startup-order = false
""")
    return directory


def build_image(project: Path, image: Path) -> None:
    """Build a project's image, with a log beside it.

    Raises:
        subprocess.CalledProcessError: it cannot be built; the log says why.

    """
    output = image.with_suffix(".output")
    program = Path(sys.executable).with_name("hatch-appimage")
    command: list[str | Path] = [program, "build", project, "--output", output]
    with image.with_suffix(".log").open("w") as log:
        subprocess.run(command, check=True, stdout=log, stderr=log)
    (built,) = output.glob("*.AppImage")
    built.rename(image)
    output.rmdir()


def make_environment(project: Path, machine: DesktopMachine, name: str) -> None:
    """Make a virtual environment of a machine's Python, and install a project there.

    Args:
        project: its directory.
        machine: whose Python it is.
        name: its directory, in the one that machines share.

    """
    machine.run(["python3", "-m", "venv", "--without-pip", f"/tmp/{name}"], {}, user=0)
    (packages,) = machine.path(name).glob("lib/python*/site-packages")
    version = packages.parent.name.removeprefix("python")
    options: list[str | Path] = ["--quiet", "--python-version", version, "--target", packages]
    subprocess.run([find_uv_bin(), "pip", "install", *options, project], check=True)
