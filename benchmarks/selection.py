# SPDX-License-Identifier: MIT
"""Which packers build which test projects in one run of a benchmark, as its command line says."""

from __future__ import annotations

import contextlib
import platform
import re
import shutil
import subprocess
from collections.abc import Iterator  # noqa: TC003 - dataclasses read it
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from apps import APPS, ROOT
from peers import PACKERS, require_packages
from results import Figure, Run, write_runs
from workplace import PackerError, Workplace

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from apps import App
    from peers import Packer
    from workplace import Product


@dataclass(frozen=True)
class Selection:
    """What one run compares.

    Attributes:
        benchmark: the command.
        apps: the test projects.
        packers: what builds them.
        directory: where they are built.
        versions: of what was used, by name; it grows while packers are set up.

    """

    benchmark: str
    apps: tuple[App, ...]
    packers: tuple[Packer, ...]
    directory: Path
    versions: dict[str, str] = field(default_factory=dict)

    def workplace(self, packer: Packer, app: App, *, kind: str = "") -> Workplace:
        """Return where a packer builds a project.

        Args:
            packer: that builds.
            app: what it builds.
            kind: tells several builds of one run from each other.

        """
        name = re.sub(r"\W+", "-", f"{packer.name} {kind}").strip("-")
        return Workplace(self.directory / app.project / name, self.directory / "shared", app)

    def set_up(self, packer: Packer, workplace: Workplace) -> None:
        """Make a workplace anew.

        Raises:
            PackerError: something cannot be installed.

        """
        shutil.rmtree(workplace.directory, ignore_errors=True)
        packer.set_up(workplace)

    def note_versions(self, packer: Packer, workplace: Workplace) -> None:
        """Note the versions of a packer and of what the project depends on, as far as its environment has them."""
        installed = {canonicalize_name(name): version for name, version in workplace.versions().items()}
        for name in (*(Requirement(text).name for text in packer.requirements), *workplace.app.dependencies):
            if found := installed.get(canonicalize_name(name)):
                self.versions[name] = found

    def build(self, packer: Packer, app: App) -> Product:
        """Return what a packer makes of a project, which must run; what an earlier run left is taken.

        Raises:
            PackerError: it cannot be built, or does not run.

        """
        workplace = self.workplace(packer, app)
        built = workplace.directory / "built"
        if not built.exists():
            self.set_up(packer, workplace)
            packer.build(workplace)
            workplace.check(packer.find(workplace))
            built.touch()
        self.note_versions(packer, workplace)
        return packer.find(workplace)

    def try_build(self, packer: Packer, app: App) -> Product | Figure:
        """Return what a packer makes of a project, or the figure that says why it does not."""
        print(f"{app.project}: {packer.name} …", flush=True)
        try:
            return self.build(packer, app)
        except PackerError as error:
            return Figure(app.project, packer.name, failed=str(error))

    def finish(self, figures: Iterable[Figure], options: argparse.Namespace, *, rounds: int = 1) -> None:
        """Write the file for the page, if one is wanted."""
        if options.json:
            versions = {**_own_versions(), **dict(sorted(self.versions.items(), key=lambda item: item[0].lower()))}
            run = Run.finish(self.benchmark, figures, versions, rounds=rounds, remark=options.remark)
            write_runs(options.json, [run])


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say what is compared."""
    names = ", ".join(packer.name for packer in PACKERS)
    parser.add_argument("--project", action="append", choices=[app.project for app in APPS], help="of test-projects")
    parser.add_argument("--packer", action="append", metavar="NAME", help=f"one of: {names}")
    parser.add_argument("--pin", action="append", default=[], metavar="NAME==VERSION", help="a packer's version")
    parser.add_argument("--directory", type=Path, help="where builds stay, to be used again as they are")
    parser.add_argument("--json", type=Path, metavar="FILE", help="for benchmarks/page.py")
    parser.add_argument("--remark", default="", help="for the readers of the page, such as `busy machine`")


@contextlib.contextmanager
def selected(benchmark: str, options: argparse.Namespace) -> Iterator[Selection]:
    """Yield what the command line selects; nothing of it stays unless a directory is named.

    Raises:
        SystemExit: a packer is unknown, Debian's packages are missing, or the results cannot be written.

    """
    require_packages()
    if options.json and not options.json.absolute().parent.is_dir():
        raise SystemExit(f"{options.json.parent} is not a directory")
    packers = _pin([packer for packer in PACKERS if benchmark in packer.benchmarks], options.pin)
    wanted = options.packer or [packer.name for packer in packers]
    if unknown := set(wanted) - {packer.name for packer in packers}:
        raise SystemExit(f"Not compared here: {', '.join(sorted(unknown))}")
    apps = tuple(app for app in APPS if app.project in (options.project or [app.project]))
    chosen = tuple(packer for packer in packers if packer.name in wanted)
    with TemporaryDirectory(prefix="hatch-appimage-") as temporary:
        directory = Path(options.directory or temporary).resolve()
        directory.mkdir(parents=True, exist_ok=True)
        yield Selection(benchmark, apps, chosen, directory)


def _pin(packers: Iterable[Packer], pins: Iterable[str]) -> list[Packer]:
    """Return the packers with the versions that are asked for."""
    pinned = {canonicalize_name(Requirement(pin).name): pin for pin in pins}
    return [
        replace(
            packer,
            requirements=tuple(pinned.get(canonicalize_name(name), name) for name in packer.requirements),
        )
        for packer in packers
    ]


def _own_versions() -> dict[str, str]:
    """Return the versions of what runs the benchmark."""
    commit = _printed("git", "-C", str(ROOT), "describe", "--always", "--dirty")
    return {
        "hatch-appimage": f"{version('hatch-appimage')} ({commit or 'no commit'})",
        "Python": platform.python_version(),
        "uv": version("uv"),
        "mksquashfs": re.sub(r"mksquashfs version (\S+).*", r"\1", _printed("mksquashfs", "-version")),
    }


def _printed(*command: str) -> str:
    """Return the first line that a program prints; nothing if it fails."""
    process = subprocess.run(command, check=False, capture_output=True, text=True)
    return next(iter(process.stdout.splitlines()), "")
