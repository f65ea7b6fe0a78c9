# SPDX-License-Identifier: MIT
"""What a build tells: its steps while they run, a summary at the end, the same as JSON.

The steps return what they did; the words for it are here.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import singledispatch
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, ParamSpec, TextIO, TypeVar

from hatch_appimage.appdir.bytecode import Bytecode
from hatch_appimage.appdir.launcher import Launcher
from hatch_appimage.appdir.module_list import ModuleList
from hatch_appimage.appdir.startup import StartupOrder
from hatch_appimage.appdir.startup_file import StartupFile
from hatch_appimage.appdir.toolkits import ToolkitVariables
from hatch_appimage.appdir.trace import Outside, TraceFile
from hatch_appimage.desktop.files import DesktopIntegration
from hatch_appimage.document import write_json
from hatch_appimage.elf_strip import Stripped
from hatch_appimage.errors import AppImageError
from hatch_appimage.image.block_map import WrittenMap
from hatch_appimage.image.self_test import SelfTest
from hatch_appimage.image.test_command import ImageTest
from hatch_appimage.image.write import Image
from hatch_appimage.image.zsync import Description
from hatch_appimage.introspection.collect import Introspection
from hatch_appimage.layout import ExtraFiles, walk
from hatch_appimage.libraries.bundle import Libraries
from hatch_appimage.libraries.c_library import CLibrary, NoCLibrary
from hatch_appimage.libraries.lock import LibraryLock, PinnedPackages
from hatch_appimage.libraries.plan import is_qt_module
from hatch_appimage.libraries.symbol_versions import Requirements
from hatch_appimage.packages.after_install import AfterInstall
from hatch_appimage.packages.install import Installation
from hatch_appimage.packages.provenance import Provenance
from hatch_appimage.project.wheel import Wheel
from hatch_appimage.python import BundledPython
from hatch_appimage.python.installed import Records
from hatch_appimage.python.patch_stdlib import Patches
from hatch_appimage.redact import redact, redact_all
from hatch_appimage.sources.reach import Reach
from hatch_appimage.terminal import status_line
from hatch_appimage.text import format_size, printable
from hatch_appimage.trim.packages import Trimmed
from hatch_appimage.trim.restore import Restored
from hatch_appimage.trim.tkinter import Tkinter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from hatch_appimage.appdir.outside import OutsideFile
    from hatch_appimage.layout import AppDir
    from hatch_appimage.libraries.symbol_versions import RequiredVersion
    from hatch_appimage.libraries.verdict import Verdict
    from hatch_appimage.packages.install import Package
    from hatch_appimage.packages.lock import Lock
    from hatch_appimage.trim.packages import Saved

P = ParamSpec("P")
R = TypeVar("R")

_LARGEST = 10


@dataclass
class Steps:
    """The steps of a build, told while they run.

    Attributes:
        show: prints one line.
        terminal: where a line can be overwritten; None if there is no such place.
        seconds: how long each finished step took, by its name.
        warnings: what the steps warned of.

    """

    show: Callable[[str], None]
    terminal: TextIO | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def __call__(self, name: str, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a step: time it, and tell what came of it."""
        with status_line(self.terminal) as show:
            show(f"  {name:<10} ...")
            result, seconds = _timed(function, *args, **kwargs)
        self._tell(name, result, seconds)
        return result

    @contextmanager
    def meanwhile(
        self, name: str, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs
    ) -> Iterator[Callable[[], R]]:
        """Run a step in a thread of its own while a block runs other steps.

        However the block ends, the step has ended, too, when it is left: nothing is written any more where the build
        cleans up. What the step raises is raised by the function that is provided; if the block fails, too, that is
        told, unless the step has an error of the system, from which the other one may have come.

        Returns:
            A function for after the block that tells what came of the step and returns it.

        """
        with ThreadPoolExecutor(1, name) as pool:
            started = pool.submit(_timed, function, *args, **kwargs)

            def finish() -> R:
                result, seconds = started.result()
                self._tell(name, result, seconds)
                return result

            try:
                yield finish
            except AppImageError as error:
                # Programs end in ways of their own where, for one, the disk is full, which the system tells exactly.
                if isinstance(cause := started.exception(), OSError):
                    raise cause from error
                raise

    def _tell(self, name: str, result: object, seconds: float) -> None:
        self.seconds[name] = seconds
        self.show(redact(f"  {name:<10} {seconds:5.1f} s  {describe(result)}"))


def _timed(function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> tuple[R, float]:
    """Return what a function returns, and the seconds that it took."""
    start = time.perf_counter()
    result = function(*args, **kwargs)
    return result, time.perf_counter() - start


@dataclass(frozen=True)
class File:
    """A file of the AppDir.

    Attributes:
        path: below the AppDir.
        size: in bytes.

    """

    path: str
    size: int


@dataclass(frozen=True)
class Report:
    """All that is said about a finished image.

    Attributes:
        name: of the application.
        version: of the project.
        architecture: that the image is for.
        path: of the image, as it shall be named.
        image: the file.
        runtime: what starts it.
        python: the Python inside.
        launcher: the command that it starts and those beside it.
        trimmed: what was left out of the installed packages and the standard library.
        stripped: what was removed from programs and libraries, by the group that they belong to.
        bytecode: as what modules are in the image.
        packages: what is installed.
        lock: what decided on them; None for uv.
        library_lock: what pins the packages that were fetched, from now on at least; None for nothing.
        provenance: the files in the image that say what it is made of.
        libraries: what became of the shared libraries.
        introspection: what was collected for PyGObject.
        c_library: what is used where the target system's does not do, or always.
        requirements: the versions of the user's C and C++ libraries that are needed.
        verdict: the distributions on which it starts.
        outside: what the application opened outside of the image while the build ran it.
        files: every file of the AppDir.
        seconds: how long each step took.
        warnings: what the build warned of.

    """

    name: str
    version: str
    architecture: str
    path: Path
    image: Image
    runtime: str
    python: BundledPython
    launcher: Launcher
    trimmed: Trimmed
    stripped: Mapping[str, Stripped]
    bytecode: Bytecode
    packages: tuple[Package, ...]
    lock: Lock | None
    library_lock: LibraryLock | None
    provenance: Provenance
    libraries: Libraries
    introspection: Introspection
    c_library: CLibrary | NoCLibrary
    requirements: Requirements
    verdict: Verdict
    outside: tuple[OutsideFile, ...]
    files: tuple[File, ...]
    seconds: Mapping[str, float]
    warnings: tuple[str, ...]

    @property
    def largest(self) -> list[File]:
        """The largest files of the AppDir, the largest first."""
        return sorted(self.files, key=lambda file: (-file.size, file.path))[:_LARGEST]

    def summary(self) -> str:
        """Return the report as text."""
        packages = sorted(self.packages, key=lambda package: (-package.size, package.name))
        unpacked = sum(file.size for file in self.files)
        lines = [
            f"{self.name} {self.version} for {self.architecture}",
            f"  image      {self.path}",
            f"  size       {format_size(self.image.size)}; {format_size(unpacked)} in {len(self.files)} files unpacked",
            f"  starts     {self.launcher.script}",
            *([f"  by links   {', '.join(self.launcher.links)}"] if self.launcher.links else []),
            f"  python     {self.python}",
            f"  runtime    {self.runtime}",
            f"  sha256     {self.image.sha256}",
            *self._required_versions(),
            *self._runs_on(),
            *self._required_processor(),
            f"  libraries  {describe(self.libraries)}; the target system must have {self._from_system()}",
            *(f"             it may have {printable(str(library))}" for library in self.libraries.optional),
            *self._dropped_plugins(),
            *self._fetched(),
            *([f"  pygobject  {describe(self.introspection)}"] if self.introspection.typelibs else []),
            f"  left out   {describe(self.trimmed)}",
            f"  stripped   {self._stripped()}",
            f"  bytecode   {describe(self.bytecode)}",
            *(f"             {count} keep sources: {printable(why)}" for why, count in self.bytecode.kept.items()),
            f"  lock       {self.lock or 'none'}; in the image: {describe(self.provenance)}",
            f"  packages   {len(packages)}",
            *(f"    {format_size(package.size):>9}  {package.name} {package.version}" for package in packages),
            "  largest files",
            *(f"    {format_size(file.size):>9}  {printable(file.path)}" for file in self.largest),
        ]
        return redact("\n".join(lines))

    def _required_versions(self) -> list[str]:
        glibc = self.requirements.glibc
        if self._own_musl:
            return [f"  needs      no C library of the system: {self._own_musl} is in the image"]
        if glibc is None:
            return []
        others = [f"{other.family} {other}" for other in self.requirements.requires if other is not glibc]
        inside = "; it is in the image where the system has none" if isinstance(self.c_library, CLibrary) else ""
        return [
            f"  needs      glibc {glibc} or newer, for {_files_of(glibc)}{inside}",
            *([f"             {', '.join(others)}"] if others else []),
            *(f"             {printable(str(file))}" for file in self.requirements.exceeding),
        ]

    @property
    def _own_musl(self) -> CLibrary | None:
        library = self.c_library
        return library if isinstance(library, CLibrary) and library.family == "musl" else None

    def _runs_on(self) -> list[str]:
        limits = [f"{limit.family} {limit} of {_files_of(limit)}" for limit in self.verdict.limited_by]
        return [f"  runs on    {self.verdict}", *([f"             limited by {', '.join(limits)}"] if limits else [])]

    def _required_processor(self) -> list[str]:
        levels = self.libraries.isa_levels
        if not levels:
            return []
        level = max(levels.values())
        first, *others = [path for path in levels if levels[path] == level]
        return [f"  processor  x86-64-v{level}, for {printable(first)}{f' and {len(others)} more' if others else ''}"]

    def _stripped(self) -> str:
        groups = [
            f"{name} {describe(stripped)}"
            for name, stripped in self.stripped.items()
            if stripped.files or stripped.kept
        ]
        return ", ".join(groups) or "nothing"

    def _from_system(self) -> str:
        """Name the libraries that the user's machine must have, but for the C library, which is said elsewhere."""
        own = "musl" if self._own_musl else "glibc"
        sonames = [library.soname for library in self.libraries.from_system if library.group != own]
        return ", ".join(sonames) or ("nothing" if self._own_musl else "nothing but glibc")

    def _fetched(self) -> list[str]:
        """Say how much was fetched, and what pins it."""
        fetched = self.libraries.fetched
        if not fetched.packages:
            return []
        pinned = f"pinned by {self.library_lock}" if self.library_lock else "not pinned: `library-lock` does that"
        return [f"  fetched    {describe(fetched)}; {pinned}"]

    def _dropped_plugins(self) -> list[str]:
        """Name the modules and plugins that lack a library, by that library; those of absent modules of Qt together."""
        names: dict[str, list[str]] = {}
        for path, soname in sorted(self.libraries.dropped.items(), key=lambda item: (item[1], item[0])):
            lacking = "modules of Qt that are not installed" if is_qt_module(soname) else soname
            names.setdefault(lacking, []).append(PurePath(path).name)
        return [
            f"             without {printable(f'{files[0]}{_and_more(files)}')}, which "
            f"{'needs' if len(files) == 1 else 'need'} {printable(lacking)}"
            for lacking, files in names.items()
        ]

    def write(self, path: Path) -> None:
        """Write the report as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.to_json(), encoding="utf-8")

    def to_json(self) -> str:
        """Return the report as JSON, sizes in bytes and times in seconds."""
        document: dict[str, Any] = {
            "project": {"name": self.name, "version": self.version},
            "image": {
                "path": str(self.path),
                "architecture": self.architecture,
                "size": self.image.size,
                "sha256": self.image.sha256,
                "runtime": self.runtime,
                "squashfs": asdict(self.image.squashfs),
            },
            "appdir": {"size": sum(file.size for file in self.files), "files": len(self.files)},
            "python": {
                "version": self.python.version,
                "interpreter": self.python.source or str(self.python.interpreter),
                "stripped": self.python.stripped.files > 0,
            },
            "entry_point": self.launcher.script,
            "commands": list(self.launcher.commands),
            "links": list(self.launcher.links),
            "trim": {**asdict(self.trimmed), "packages": sorted(self.trimmed.packages)},
            "strip": {
                "groups": {
                    name: {"files": stripped.files, "size": stripped.size}
                    for name, stripped in self.stripped.items()
                    if stripped.files
                },
                "kept": dict(sum(self.stripped.values(), Stripped()).kept),
            },
            "introspection": {
                "typelibs": list(self.introspection.typelibs),
                "missing": list(self.introspection.missing),
                "modules": list(self.introspection.modules),
                "schemas": self.introspection.schemas,
                "data_size": self.introspection.data,
                "translations": list(self.introspection.translations),
            },
            "bytecode": asdict(self.bytecode),
            "packages": [asdict(package) for package in self.packages],
            "lock": None if self.lock is None else {"path": str(self.lock.path), "found": self.lock.found},
            "provenance": asdict(self.provenance),
            "libraries": {
                "bundled": [asdict(library) for library in self.libraries.bundled],
                "from_system": [asdict(library) for library in self.libraries.from_system],
                "by_name": list(self.libraries.by_name),
                "ignored": list(self.libraries.ignored),
                "optional": [asdict(library) for library in self.libraries.optional],
                "dropped": dict(self.libraries.dropped),
                "missing": [
                    {"soname": library.soname, "files": list(library.files), "package": library.package}
                    for library in self.libraries.missing
                ],
                "executable_stacks": list(self.libraries.executable_stacks),
                "isa_levels": {path: f"x86-64-v{level}" for path, level in self.libraries.isa_levels.items()},
                "own_loaders": dict(self.libraries.own_loaders),
                "fetched": asdict(self.libraries.fetched),
            },
            "glibc": _glibc_document(self.c_library),
            "musl": None if self._own_musl is None else _own_document(self._own_musl),
            "requires": [required.to_dict() for required in self.requirements.requires],
            "exceeding": [
                {**asdict(file), "version": file.text, "modules": list(file.modules)}
                for file in self.requirements.exceeding
            ],
            "runs_on": self.verdict.to_dict(),
            "outside": [asdict(file) for file in self.outside],
            "largest_files": [asdict(file) for file in self.largest],
            "steps": [{"name": name, "seconds": round(seconds, 3)} for name, seconds in self.seconds.items()],
            "warnings": list(self.warnings),
        }
        return write_json(redact_all(document), version=1)


def _glibc_document(library: CLibrary | NoCLibrary) -> dict[str, Any]:
    if isinstance(library, NoCLibrary):
        return {"bundled": False, "reason": library.reason}
    if library.family == "musl":
        return {"bundled": False, "reason": "the bundled Python is for musl"}
    return {"bundled": True, "needed": str(library.needed), **_own_document(library)}


def _own_document(library: CLibrary) -> dict[str, Any]:
    return {
        "version": ".".join(map(str, library.version)),
        "size": library.size,
        "libraries": [asdict(file) for file in library.files],
    }


def _files_of(required: RequiredVersion) -> str:
    return f"{printable(required.files[0])}{_and_more(required.files)}"


def _and_more(files: Sequence[str]) -> str:
    return f" and {len(files) - 1} more" if len(files) > 1 else ""


@singledispatch
def describe(result: object) -> str:
    """Say in a line what came of a step.

    Raises:
        TypeError: no words are known for such a result.

    """
    raise TypeError(f"No words for {type(result).__name__}")


@describe.register
def _(wheel: Wheel) -> str:
    return wheel.path.name


@describe.register
def _(python: BundledPython) -> str:
    return str(python)


@describe.register
def _(installation: Installation) -> str:
    lock = f" as locked by {installation.lock}" if installation.lock else ""
    return f"{len(installation.packages)} packages{lock}"


@describe.register
def _(launcher: Launcher) -> str:
    return launcher.script


@describe.register
def _(desktop: DesktopIntegration) -> str:
    icon = f"{desktop.icon} (generated)" if desktop.icon_generated else desktop.icon
    metainfo = f", {desktop.metainfo}" if desktop.metainfo else ""
    obstacle = f"; software centres show nothing of it: that needs {desktop.obstacle}" if desktop.obstacle else ""
    return f"{desktop.entry}, {icon}{metainfo}{obstacle}"


@describe.register
def _(extra: ExtraFiles) -> str:
    return f"{extra.count} extra files"


@describe.register
def _(done: AfterInstall) -> str:
    return f"{done.script} ran" + (f": {done.files:+d} files" if done.files else "")


@describe.register
def _(reach: Reach) -> str:
    return f"{len(reach.modules)} modules are within reach"


@describe.register
def _(restored: Restored) -> str:
    return ", ".join(f"{name}: {reason}" for name, reason in restored.packages.items()) or "nothing is needed"


@describe.register
def _(tkinter: Tkinter) -> str:
    return f"tkinter {'kept' if tkinter.kept else 'left out'}: {tkinter.reason}"


@describe.register
def _(trimmed: Trimmed) -> str:
    return ", ".join(f"{name} {_saving(saved)}" for name, saved in trimmed.groups.items()) or "nothing"


@describe.register
def _(stripped: Stripped) -> str:
    kept = f" ({len(stripped.kept)} left unchanged)" if stripped.kept else ""
    return f"{_saving(stripped) if stripped.files else 'nothing'}{kept}"


def _saving(saved: Saved | Stripped) -> str:
    return f"{format_size(saved.size)} in {saved.files} file{'' if saved.files == 1 else 's'}"


@describe.register
def _(variables: ToolkitVariables) -> str:
    said = [
        *([f"{len(variables.hidden)} of the user's variables do not reach them"] if variables.hidden else []),
        *(["Wayland first"] if variables.wayland else []),
        *(
            [f"{', '.join([*variables.paths, *variables.values, *variables.lists])} set for libraries"]
            if variables.paths
            else []
        ),
        *(f"windows are called {name}" for name in sorted(set(variables.names.values()))),
    ]
    return "; ".join(said) or "none that the user's variables mean"


@describe.register
def _(libraries: Libraries) -> str:
    count = len(libraries.dropped)
    what = "1 module or plugin left out that lacks a library" if count == 1 else f"{count} modules and plugins left out"
    missing = f", {len(libraries.missing)} missing" if libraries.missing else ""
    fetched = sum(library.version is not None for library in libraries.bundled)
    origin = f" ({fetched} of them fetched)" if fetched else ""
    return f"{len(libraries.bundled)} bundled{origin}{f', {what}' if count else ''}{missing}"


@describe.register
def _(introspection: Introspection) -> str:
    if not introspection.typelibs:
        plugins = len(introspection.modules)
        found = "no typelib is there" if introspection.missing else "nothing uses PyGObject"
        return f"{found}{f'; {plugins} plugins of GStreamer for Qt' if plugins else ''}"
    parts = [
        f"typelibs of {', '.join(introspection.typelibs)}",
        f"{len(introspection.modules)} modules",
        f"schemas from {introspection.schemas} files",
        f"{format_size(introspection.data)} of icons, translations and other data",
    ]
    return "; ".join(parts)


@describe.register
def _(library: CLibrary) -> str:
    systems = f"systems with an older one than {library.needed}" if library.needed else "every system"
    return f"{library} for {systems}, {format_size(library.size)}"


@describe.register
def _(library: NoCLibrary) -> str:
    return f"the target system's: {library.reason}"


@describe.register
def _(patches: Patches) -> str:
    return ", ".join(patches.modules)


@describe.register
def _(fetched: PinnedPackages) -> str:
    count = len(fetched.packages)
    return f"{count} package{'' if count == 1 else 's'} of {fetched.system}, {format_size(fetched.size)}"


@describe.register
def _(lock: LibraryLock) -> str:
    return f"{printable(str(lock.path))} says from now on what libraries are fetched from"


@describe.register
def _(provenance: Provenance) -> str:
    first, *others = provenance.files
    return ", ".join([first, *(PurePath(other).name for other in others)])


@describe.register
def _(records: Records) -> str:
    return f"{records.count} RECORD files"


@describe.register
def _(bytecode: Bytecode) -> str:
    if not bytecode.compiled:
        return "none"
    level = f", optimized as by -{'O' * bytecode.level}" if bytecode.level else ""
    alone = f", {bytecode.removed} of them without {format_size(bytecode.saved)} of sources" if bytecode.removed else ""
    return f"{bytecode.compiled} modules{level}{alone}"


@describe.register
def _(order: StartupOrder) -> str:
    shown = f", as `{printable(order.command)}` shows" if order.command else ""
    stored = f", says {printable(order.stored.name)}" if order.stored else ""
    return f"{len(order.files)} files are read at every start{shown}{stored}"


@describe.register
def _(file: StartupFile) -> str:
    return f"{printable(str(file.path))} says from now on what a start reads"


@describe.register
def _(outside: Outside) -> str:
    return f"{len(outside.files)} files were opened there" if outside.files else "nothing was opened there"


@describe.register
def _(file: TraceFile) -> str:
    return f"{printable(str(file.path))} brings these files into the image from the next build on"


@describe.register
def _(modules: ModuleList) -> str:
    return f"{modules.modules} modules are found without a search"


@describe.register
def _(requirements: Requirements) -> str:
    return f"{f'glibc {requirements.glibc}' if requirements.glibc else 'no glibc'} for a start"


@describe.register
def _(image: Image) -> str:
    return image.path.name


@describe.register
def _(test: ImageTest) -> str:
    return test.command or "not run"


@describe.register
def _(test: SelfTest) -> str:
    if test.passed is None:
        return "not run"
    return f"{test.passed} parts work{f', {len(test.skipped)} skipped' if test.skipped else ''}"


@describe.register
def _(description: Description) -> str:
    return description.path.name


@describe.register
def _(written: WrittenMap) -> str:
    return f"{written.path.name}, {written.blocks} blocks"


def list_files(appdir: AppDir) -> tuple[File, ...]:
    """List the regular files of an AppDir."""
    start = len(str(appdir.root)) + 1
    return tuple(
        File(entry.path[start:], entry.stat().st_size) for _, entries in walk(appdir.root) for entry in entries
    )
