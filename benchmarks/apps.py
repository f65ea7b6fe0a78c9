# SPDX-License-Identifier: MIT
"""The test projects that packers are compared by: the command of each that is packed, and what it prints."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Edit:
    """A change to a file of a copied project.

    Attributes:
        file: below the project.
        before: a text that must be there.
        after: what takes its place.

    """

    file: str
    before: str
    after: str

    def apply(self, project: Path) -> None:
        """Change the file.

        Raises:
            SystemExit: it does not have the text.

        """
        file = project / self.file
        text = file.read_text()
        if self.before not in text:
            raise SystemExit(f"{file} has no `{self.before}`")
        file.write_text(text.replace(self.before, self.after))


@dataclass(frozen=True)
class App:
    """A test project, and how its program is run.

    Attributes:
        project: its directory in ``test-projects``, and the name of what is installed.
        command: the script that starts.
        entry_point: what the script calls, as ``module:function``.
        arguments: that the program is run with.
        output: is in what it prints then.
        dependencies: the packages that it needs.
        settings: variables that it is run with.
        edits: what is changed in the copy that is built.

    """

    project: str
    command: str
    entry_point: str
    arguments: tuple[str, ...]
    output: str
    dependencies: tuple[str, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    edits: tuple[Edit, ...] = ()

    @property
    def package(self) -> str:
        """The name of the package that is imported."""
        return self.project.replace("-", "_")

    @property
    def main(self) -> str:
        """A script that does what the command does."""
        module, function = self.entry_point.split(":")
        return f"from {module} import {function}\n\nif __name__ == '__main__':\n    {function}()\n"

    def copy(self, directory: Path) -> Path:
        """Copy the project, with its edits, to a directory that is not there yet."""
        source = ROOT / "test-projects" / self.project
        project = Path(shutil.copytree(source, directory, ignore=shutil.ignore_patterns("dist", "__pycache__")))
        for edit in self.edits:
            edit.apply(project)
        return project

    def change_line(self, project: Path, value: int) -> None:
        """Make one line of a copied project another one, as for a next version."""
        file = project / "src" / self.package / "__init__.py"
        lines = [line for line in file.read_text().splitlines() if not line.startswith("CHANGE = ")]
        file.write_text("\n".join([*lines, f"CHANGE = {value}", ""]))


APPS = (
    App("hello-cli", "hello", "hello_cli:main", (), "Hello, world!"),
    App("flask-app", "flask-app", "flask_app.server:main", ("--version",), " 1.0", ("flask", "requests")),
    App(
        "pandas-report",
        "pandas-report",
        "pandas_report:main",
        (),
        "Oslo",
        ("numpy", "pandas"),
        # Peers do not run the image at the end of a build.
        edits=(Edit("pyproject.toml", 'test-command = "{appimage}"\n', ""),),
    ),
    App(
        "qt-window",
        "qt-window",
        "qt_window:main",
        ("--once",),
        "offscreen True",
        ("PySide6-Essentials",),
        {"QT_QPA_PLATFORM": "offscreen"},
        # The window is closed at once, as waiting would hide the differences.
        edits=(Edit("src/qt_window/__init__.py", "singleShot(300,", "singleShot(0,"),),
    ),
)
