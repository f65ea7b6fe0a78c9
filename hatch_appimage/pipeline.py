# SPDX-License-Identifier: MIT
"""The whole build in one place, step by step: from what a project asks for to the finished image."""

from __future__ import annotations

import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from hatch_appimage.appdir.bytecode import compile_bytecode, compiling_ahead
from hatch_appimage.appdir.commands import check_entry_point, check_scripts, find_commands, find_linked
from hatch_appimage.appdir.docstrings import WITHOUT_DOCSTRINGS, warn_of_docstrings
from hatch_appimage.appdir.launcher import require_glibc, without_commands, write_launcher, write_stand_in
from hatch_appimage.appdir.manage import Identity, management_files, write_management
from hatch_appimage.appdir.module_list import write_module_list
from hatch_appimage.appdir.outside import OutsideSearch
from hatch_appimage.appdir.qt_display import add_display_files
from hatch_appimage.appdir.seen import NOTHING_SEEN
from hatch_appimage.appdir.self_test import write_self_test
from hatch_appimage.appdir.settings import ONLY
from hatch_appimage.appdir.startup import StartupOrder, defers, find_startup_order
from hatch_appimage.appdir.startup_file import read_startup_file, write_startup_file
from hatch_appimage.appdir.toolkits import write_toolkit_variables
from hatch_appimage.appdir.trace import Outside, warn_of_outside, write_trace_file
from hatch_appimage.desktop.files import write_desktop_files
from hatch_appimage.desktop.gui_toolkits import warn_of_terminal
from hatch_appimage.desktop.window_name import choose_window_class, warn_of_unnamed_windows
from hatch_appimage.elf_strip import Stripped
from hatch_appimage.image.block_map import write_block_map
from hatch_appimage.image.name import appdir_name
from hatch_appimage.image.publish import publish, publish_directory
from hatch_appimage.image.self_test import run_self_test
from hatch_appimage.image.sign import sign_image
from hatch_appimage.image.test_command import run_test_command
from hatch_appimage.image.write import write_image
from hatch_appimage.image.zsync import write_zsync
from hatch_appimage.introspection.closed import close_repository
from hatch_appimage.introspection.collect import collect_introspection
from hatch_appimage.layout import AppDir
from hatch_appimage.libraries.bundle import bundle_libraries
from hatch_appimage.libraries.c_library import CLibrary, NoCLibrary
from hatch_appimage.libraries.distributions import oldest_supported_glibc
from hatch_appimage.libraries.glibc import bundle_glibc, machine_libraries
from hatch_appimage.libraries.lock import write_library_lock
from hatch_appimage.libraries.musl import bundle_musl
from hatch_appimage.libraries.symbol_versions import find_requirements, find_version_for_start
from hatch_appimage.libraries.verdict import find_verdict
from hatch_appimage.packages.after_install import run_after_install
from hatch_appimage.packages.install import application_files, install_packages
from hatch_appimage.packages.provenance import write_provenance
from hatch_appimage.project.entry_points import modules_at_start
from hatch_appimage.project.wheel import build_wheel
from hatch_appimage.python.installed import update_records
from hatch_appimage.python.patch_stdlib import patch_stdlib, patched_sources
from hatch_appimage.python.relocate import bundle_python, copied_sources, place_python
from hatch_appimage.report import Report, list_files
from hatch_appimage.sources.files import installed_sources
from hatch_appimage.sources.reach import find_reach
from hatch_appimage.sources.reader import SourceReader
from hatch_appimage.squashfs import compressing_ahead
from hatch_appimage.trim.kept_sources import find_kept_sources, find_modules
from hatch_appimage.trim.packages import trim_packages
from hatch_appimage.trim.python import trim_python
from hatch_appimage.trim.qt import trim_qt
from hatch_appimage.trim.restore import restore_stdlib
from hatch_appimage.trim.settings import LIBRARIES, PACKAGES, PYTHON, STDLIB, TESTS
from hatch_appimage.trim.stdlib import lasting_sources
from hatch_appimage.trim.strip import strip_packages
from hatch_appimage.trim.test_directories import is_of_tests
from hatch_appimage.trim.tkinter import trim_tkinter

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from hatch_appimage.appdir.bytecode import Bytecode
    from hatch_appimage.appdir.launcher import Launcher
    from hatch_appimage.appdir.seen import Seen
    from hatch_appimage.image.write import Image
    from hatch_appimage.inputs import BuildInputs
    from hatch_appimage.introspection.collect import Introspection
    from hatch_appimage.libraries.bundle import Libraries, MissingLibrary
    from hatch_appimage.libraries.lock import PinnedPackages
    from hatch_appimage.libraries.symbol_versions import Graph, Requirements
    from hatch_appimage.packages.install import Installation
    from hatch_appimage.packages.provenance import Provenance
    from hatch_appimage.project.entry_points import EntryPoint
    from hatch_appimage.python import BundledPython
    from hatch_appimage.report import Steps
    from hatch_appimage.sources.reach import Reach
    from hatch_appimage.sources.reader import File
    from hatch_appimage.trim.packages import Trimmed


@dataclass(frozen=True)
class _LeftOut:
    """What is not in the image.

    Attributes:
        trimmed: files.
        stripped: parts of programs and libraries of installed packages.
        modules: names of modules that cannot be imported, each with the group of files that it belonged to.

    """

    trimmed: Trimmed
    stripped: Stripped
    modules: Mapping[str, str]


@dataclass(frozen=True)
class _Apart:
    """Modules that are compiled apart from those beside them, so that these need not be compiled again with them.

    Attributes:
        changing: those that every release changes, or that depend on what else is in the image.
        lasting: those of the standard library that stay whatever is left out beside them.

    """

    changing: frozenset[Path]
    lasting: frozenset[Path]

    @classmethod
    def of(cls, python: BundledPython, lasting: Iterable[File], own: Iterable[Path] = ()) -> _Apart:
        """Say which these are, from what lasts of a standard library, and from the application's own files."""
        return cls(frozenset({*own, *patched_sources(python)}), frozenset(file.path for file in lasting))

    @property
    def groups(self) -> tuple[frozenset[Path], frozenset[Path]]:
        """Both, as `compile_bytecode` wants them."""
        return self.changing, self.lasting


@dataclass(frozen=True)
class _Contents:
    """An AppDir that has all but the libraries that it needs.

    Attributes:
        appdir: the tree.
        python: the Python in it.
        packages: what is installed.
        entry_point: what starts.
        window_class: what desktops know the application's windows by.
        launcher: the commands.
        modules: the names of those that every start imports.
        apart: those that are compiled apart from others.
        reach: what the project's imports lead to.
        left_out: what is not in it.
        introspection: what was collected for PyGObject.
        reader: has read its sources.

    """

    appdir: AppDir
    python: BundledPython
    packages: Installation
    entry_point: EntryPoint
    window_class: str
    launcher: Launcher
    modules: Sequence[str]
    apart: _Apart
    reach: Reach
    left_out: _LeftOut
    introspection: Introspection
    reader: SourceReader


@dataclass(frozen=True)
class _Complete:
    """An AppDir from which an image can be made.

    Attributes:
        contents: what it had before it had its libraries.
        libraries: what was bundled of them.
        c_library: whether there is one among them.
        provenance: what is said of the packages in it.
        bytecode: what was compiled.
        startup: what a start reads.
        order: paths of the files to lay at the image's front.
        from_system: sonames of what a system must have.
        requirements: the versions of it that it must have.

    """

    contents: _Contents
    libraries: Libraries
    c_library: CLibrary | NoCLibrary
    provenance: Provenance
    bytecode: Bytecode
    startup: StartupOrder
    order: tuple[str, ...]
    from_system: Collection[str]
    requirements: Requirements


def find_libraries(inputs: BuildInputs, work: Path, step: Steps) -> Libraries:
    """Return what a build would do with shared libraries; no image is made.

    Args:
        inputs: what it would be built from.
        work: a directory for what is made on the way.
        step: runs a step and tells what came of it.

    Raises:
        AppImageError: a step fails.

    """
    return _bundle_libraries(inputs, _fill_appdir(inputs, work, step), step)


def _fill_appdir(inputs: BuildInputs, work: Path, step: Steps) -> _Contents:
    """Put all into an AppDir but the libraries that it needs."""
    project, settings, architecture = inputs.project, inputs.settings, inputs.architecture
    appdir = AppDir(work / "AppDir", settings.desktop.app_id)

    reader = SourceReader(inputs.results)
    lasting = lasting_sources(_place(inputs, appdir), copied_sources(inputs.python))
    python, packages = _install(inputs, appdir, work, step, lasting=lasting, reader=reader)

    # What starts is known for sure once everything is installed.
    entry_point = find_commands(settings.launcher, appdir, python)
    check_entry_point(entry_point, python)
    dialogue = inputs.dialogue_for(entry_point)
    launcher = step(
        "launcher",
        write_launcher,
        appdir,
        python,
        entry_point,
        settings.launcher,
        program=inputs.launcher,
        optimize=settings.bytecode.optimize,
        dialogue=dialogue,
    )
    check_scripts(entry_point, settings.launcher.entry_points, appdir, launcher.commands)
    warn_of_terminal(settings.desktop, entry_point, appdir, python)
    name = settings.image.name.shown
    window_class = choose_window_class(settings.desktop, entry_point, python)
    step(
        "desktop",
        write_desktop_files,
        appdir,
        project,
        settings.desktop,
        architecture=architecture.name,
        name=name,
        entry_point=entry_point,
        window_class=window_class,
        released=inputs.released,
        extra=[destination for _, destination in inputs.extra_files],
    )
    step("files", appdir.add, inputs.extra_files)
    if settings.install.after_install:
        step(
            "script",
            run_after_install,
            settings.install.after_install,
            appdir,
            python,
            project,
            architecture=architecture.name,
            options=settings.raw,
            timestamp=inputs.timestamp,
        )
    commands = tuple(dict.fromkeys((entry_point.command, *settings.launcher.entry_points)))
    identity = Identity(name, settings.image.name.in_files, project.version, architecture.name, commands)
    write_management(appdir, python, entry_point, identity, manage=settings.launcher.manage)

    # What is left out comes before the libraries: what is gone needs none.
    modules = modules_at_start(entry_point, appdir.bin)
    own = application_files(appdir, python, inputs.project)
    apart = _Apart.of(python, lasting, [appdir.root / name for name in own])
    likely_to_stay = (file.path for file in installed_sources(python) if not is_of_tests(file.package))
    with _compiling_ahead(inputs, appdir, python, apart, [*apart.lasting, *likely_to_stay]):
        reach = step("imports", _find_reach, inputs, python, modules, reader)
        warn_of_unnamed_windows(settings.desktop, entry_point, appdir, python, sorted(reach.own))
        left_out = _leave_out(inputs, appdir, python, reach, reader=reader, step=step)
    launcher = without_commands(launcher, appdir)
    introspection = step(
        "introspection",
        collect_introspection,
        appdir,
        architecture,
        python,
        reach,
        settings.introspection.with_namespaces(inputs.trace.namespaces),
        reader=reader,
        system=inputs.system,
        apt=inputs.apt,
        remedy=inputs.remedy,
    )
    return _Contents(
        appdir=appdir,
        python=python,
        packages=packages,
        entry_point=entry_point,
        window_class=window_class,
        launcher=launcher,
        modules=modules,
        apart=apart,
        reach=reach,
        left_out=left_out,
        introspection=introspection,
        reader=reader,
    )


def _bundle_libraries(inputs: BuildInputs, contents: _Contents, step: Steps) -> Libraries:
    """Bring the libraries that an AppDir needs."""
    settings = inputs.settings
    libraries: Libraries = step(
        "libraries",
        bundle_libraries,
        contents.appdir,
        inputs.architecture,
        contents.python,
        settings.libraries,
        system=contents.introspection.system,
        project=inputs.project.root,
        apt=inputs.apt,
        traced=inputs.trace.libraries,
        lock=inputs.library_lock,
        collected=contents.introspection.collected,
        required=() if inputs.shows_missing_libraries else contents.reach.required,
        strip=LIBRARIES in settings.trim.strip,
        results=inputs.results,
        remedy=inputs.remedy,
    )
    close_repository(contents.appdir)
    return libraries


def _add_libraries(
    inputs: BuildInputs, contents: _Contents, step: Steps
) -> tuple[Libraries, CLibrary | NoCLibrary, Provenance]:
    """Bring the libraries that an AppDir needs, have its Python use them, and say what is in it."""
    project, settings, architecture = inputs.project, inputs.settings, inputs.architecture
    appdir, python, entry_point = contents.appdir, contents.python, contents.entry_point
    libraries = _bundle_libraries(inputs, contents, step)
    c_library = step("libc", _bundle_c_library, inputs, appdir, python, libraries)
    step(
        "toolkits",
        write_toolkit_variables,
        appdir,
        python,
        architecture,
        libraries.graph.files,
        settings.launcher.environment,
        window_name=contents.window_class,
        domains=contents.introspection.translations,
    )
    step(
        "patch",
        patch_stdlib,
        appdir,
        python,
        libraries.system,
        exposed=settings.launcher.expose_python,
        sourceless=settings.bytecode.bytecode == ONLY,
        left_out=contents.left_out.modules,
    )
    linked = find_linked(settings.launcher, entry_point, appdir, python)
    write_self_test(appdir, [entry_point, *linked], libraries)

    provenance = step(
        "provenance",
        write_provenance,
        appdir,
        project,
        python,
        contents.packages,
        _with_c_library(libraries, c_library),
        architecture=architecture,
        declaration=inputs.declaration,
        origin=inputs.python,
    )
    return libraries, c_library, provenance


def _complete_appdir(inputs: BuildInputs, contents: _Contents, step: Steps) -> _Complete:
    """Bring the libraries that an AppDir needs, and do all that has to come after them."""
    settings = inputs.settings
    appdir, python, entry_point = contents.appdir, contents.python, contents.entry_point
    modules, reach, reader = contents.modules, contents.reach, contents.reader
    remaining = (path for path in appdir.files() if path.suffix == ".py")
    with _compiling_ahead(inputs, appdir, python, contents.apart, remaining):
        libraries, c_library, provenance = _add_libraries(inputs, contents, step)
    deferred = inputs.imports_entry_point and defers(python, entry_point, modules, reader)
    bytecode = step("bytecode", _compile_bytecode, inputs, contents)
    # The files of packages are as they stay from here on, so that RECORD can be made true.
    step("records", update_records, python)

    missing = libraries.missing if inputs.shows_missing_libraries else ()
    startup = _find_startup_order(
        inputs,
        appdir,
        python,
        entry_point,
        missing=missing,
        typelibs=contents.introspection.missing,
        graph=libraries.graph,
        deferred=deferred,
        step=step,
    )
    start = {*startup.imported, *appdir.names([python.executable, *reach.required])}
    bundled = isinstance(c_library, CLibrary)
    from_system = _settle_c_library(
        appdir,
        python,
        libraries,
        c_library,
        start=start,
        program=inputs.launcher,
        dialogue=inputs.dialogue_for(entry_point),
    )
    seen = {*start, *appdir.names(reach.files)}
    requirements = step(
        "requires",
        find_requirements,
        libraries.graph,
        seen,
        limited=settings.libraries.max_glibc is not None or bundled,
    )
    listed = step("modules", write_module_list, appdir, python, startup.files)
    appdir.normalize_modes()
    return _Complete(
        contents=contents,
        libraries=libraries,
        c_library=c_library,
        provenance=provenance,
        bytecode=bytecode,
        startup=startup,
        order=listed.order,
        from_system=from_system,
        requirements=requirements,
    )


def build_appdir(inputs: BuildInputs, work: Path, beside: Path, directory: Path, step: Steps) -> Path:
    """Build the AppDir alone, and put it into its place when it is whole; see `build_image`.

    Returns:
        where it is.

    """
    complete = _complete_appdir(inputs, _fill_appdir(inputs, work, step), step)
    inputs.results.prune()
    outside = _find_outside(inputs, complete.contents.appdir, complete.libraries, complete.startup.seen, step)
    _store_findings(
        inputs, directory, step, startup=complete.startup, outside=outside, fetched=complete.libraries.fetched
    )
    return publish_directory(complete.contents.appdir.root, beside, directory / appdir_name(inputs.file_name))


def build_image(inputs: BuildInputs, work: Path, beside: Path, directory: Path, step: Steps) -> Report:
    """Build the image, and put it into its place when it is whole.

    Args:
        inputs: what it is built from.
        work: a directory for what is made on the way.
        beside: a directory for the image until it is whole, on the file system of the one where it goes.
        directory: where the image goes.
        step: runs a step and tells what came of it.

    Raises:
        AppImageError: a step fails; then the directory is as it was.
        OSError: there is no room, or something cannot be read or written.

    """
    project, settings = inputs.project, inputs.settings
    contents = _fill_appdir(inputs, work, step)
    how = settings.image.compression
    # Programs that are run for the rest of the AppDir leave processors idle.
    with compressing_ahead(
        contents.appdir.root,
        inputs.results,
        compression=how.compressor,
        level=how.level,
        block_size=how.block_size,
    ):
        complete = _complete_appdir(inputs, contents, step)
    libraries = complete.libraries
    appdir, python, left_out = contents.appdir, contents.python, contents.left_out
    image = _make_image(
        inputs,
        appdir,
        beside,
        step,
        order=complete.order,
        application=application_files(appdir, python, project),
    )
    tested = _try_image(inputs, image, libraries, step)
    _describe_image(inputs, image, step)
    outside = _find_outside(inputs, appdir, libraries, [*complete.startup.seen, *tested], step)
    inputs.results.prune()
    target = directory / inputs.file_name
    report = Report(
        name=settings.image.name.shown,
        version=project.version,
        architecture=inputs.architecture.name,
        path=target,
        image=image,
        runtime=inputs.runtime.origin,
        python=python,
        launcher=contents.launcher,
        trimmed=left_out.trimmed,
        stripped={PYTHON: python.stripped, LIBRARIES: libraries.stripped, PACKAGES: left_out.stripped},
        bytecode=complete.bytecode,
        packages=tuple(each for each in contents.packages.packages if each.name not in left_out.trimmed.packages),
        lock=contents.packages.lock,
        library_lock=settings.libraries.library_lock,
        provenance=complete.provenance,
        libraries=libraries,
        introspection=contents.introspection,
        c_library=complete.c_library,
        requirements=complete.requirements,
        verdict=find_verdict(
            complete.requirements,
            inputs.architecture.name,
            complete.from_system,
            bundled_libc=isinstance(complete.c_library, CLibrary),
        ),
        outside=outside.files,
        files=list_files(appdir),
        seconds=step.seconds,
        warnings=tuple(step.warnings),
    )
    _store_findings(inputs, directory, step, startup=complete.startup, outside=outside, fetched=libraries.fetched)
    if settings.image.report:
        report.write(inputs.lasting(settings.image.report, directory))
    publish(image.path, target)
    return report


def _install(
    inputs: BuildInputs, appdir: AppDir, work: Path, step: Steps, *, lasting: Sequence[File], reader: SourceReader
) -> tuple[BundledPython, Installation]:
    """Put Python and all packages into the AppDir, at the same time.

    Python is copied while the project's back end makes the wheel and packages are installed beside it, as neither needs
    anything of the copy. Meanwhile what lasts of the standard library is read and compiled, from where it is copied.
    """
    project, settings = inputs.project, inputs.settings
    with (
        _preparing_stdlib(inputs, _place(inputs, appdir), appdir, lasting, reader),
        # The back end is waited for in this thread, which Ctrl-C interrupts, as it may take long.
        step.meanwhile(
            "python",
            bundle_python,
            inputs.python,
            appdir,
            cross=inputs.cross,
            build_python=inputs.build_python,
            strip=PYTHON in settings.trim.strip,
            results=inputs.results,
        ) as finish_python,
    ):
        interpreter = inputs.build_python or Path(sys.executable)
        found = inputs.build_packages
        wheel = inputs.package or step(
            "wheel",
            build_wheel,
            project,
            work / "wheel",
            interpreter,
            settings.install.build_constraints,
            found.environment(os.environ) if found else None,
            isolated=inputs.isolated,
        )
        apart = AppDir(work / "packages", appdir.app_id)
        packages = step(
            "install",
            install_packages,
            wheel,
            apart,
            _place(inputs, apart),
            project,
            settings.install,
            architecture=inputs.architecture,
            max_glibc=settings.libraries.max_glibc,
            musl=inputs.musl.version if inputs.musl else None,
            build_packages=inputs.build_packages,
        )
    python = finish_python()
    appdir.take(apart)
    return python, packages


def _place(inputs: BuildInputs, appdir: AppDir) -> BundledPython:
    """Return what the Python is in an AppDir."""
    return place_python(inputs.python, appdir, cross=inputs.cross, build_python=inputs.build_python)


@contextmanager
def _preparing_stdlib(
    inputs: BuildInputs, python: BundledPython, appdir: AppDir, lasting: Sequence[File], reader: SourceReader
) -> Iterator[None]:
    """Have what lasts of the standard library compiled during the block, and read if trimming looks at it.

    Its sources are taken from where they are copied, and known by the places that they will have in the AppDir.
    """
    later = {appdir.root / destination for _, destination in inputs.extra_files}

    def original(path: Path) -> Path:
        return inputs.python.stdlib / path.relative_to(python.stdlib)

    def read() -> None:
        import_module("hatch_appimage.packages.sbom")  # takes as long as reading what an earlier build has read
        # A script of the project may change any.
        if STDLIB in inputs.settings.trim.trim and inputs.settings.install.after_install is None:
            reader.read((file for file in lasting if file.path not in later), at=original)

    apart = _Apart.of(python, lasting)
    with (
        _compiling_ahead(inputs, appdir, python, apart, (file.path for file in lasting), at=original),
        ThreadPoolExecutor(1) as pool,
    ):
        reading = pool.submit(read)
        yield
        reading.result()


def _find_reach(inputs: BuildInputs, python: BundledPython, modules: Sequence[str], reader: SourceReader) -> Reach:
    """Follow the imports of the project; most installed sources are read for it, as what is left out depends on all."""
    trims_tests = TESTS in inputs.settings.trim.trim
    # Of tests, those are read that something uses.
    reader.read(file for file in installed_sources(python) if not (trims_tests and is_of_tests(file.package)))
    return find_reach(python, inputs.project.name, modules, inputs.settings.launcher.entry_points, reader=reader)


def _leave_out(
    inputs: BuildInputs, appdir: AppDir, python: BundledPython, reach: Reach, *, reader: SourceReader, step: Steps
) -> _LeftOut:
    """Remove what nothing in the image uses, and bring back what it does use of that which images come without."""
    settings = inputs.settings
    restored = step("restore", restore_stdlib, appdir, python, keep=settings.trim.keep_files, reader=reader)
    tkinter = step("tkinter", trim_tkinter, appdir, python, reach, wanted=settings.python.tkinter)
    extra = [appdir.root / destination for _, destination in inputs.extra_files]
    trimmed = step(
        "trim",
        trim_packages,
        appdir,
        python,
        inputs.project.name,
        reach,
        settings.trim,
        extra=extra,
        reader=reader,
    )
    # Modules of Qt go first: what is gone by then uses nothing of Python.
    for name, leave_out in (("qt", trim_qt), ("unused", trim_python)):
        trimmed |= step(
            name,
            leave_out,
            appdir,
            python,
            inputs.project.name,
            reach,
            settings.trim,
            exposed=settings.launcher.expose_python,
            extra=extra,
            reader=reader,
        )
    # What is gone needs no stripping. It comes before the libraries, as Python's own and those that are copied are
    # stripped before they are patched: patchelf moves what is loaded behind the symbols, where a hole would stay.
    stripped = Stripped()
    if PACKAGES in settings.trim.strip:
        stripped = step(
            "strip",
            strip_packages,
            appdir,
            inputs.architecture,
            python,
            settings.trim,
            extra=extra,
            results=inputs.results,
        )
    modules = {**restored.missing, **tkinter.modules, **trimmed.modules}
    return _LeftOut(trimmed, stripped, modules)


def _compiling_ahead(
    inputs: BuildInputs,
    appdir: AppDir,
    python: BundledPython,
    apart: _Apart,
    sources: Iterable[Path],
    *,
    at: Callable[[Path], Path] = Path,
) -> AbstractContextManager[None]:
    """Have modules compiled during a block, but for those that may still change."""
    return compiling_ahead(
        appdir,
        python,
        inputs.results,
        [path for path in sources if path not in apart.changing],
        level=inputs.settings.bytecode.optimize,
        apart=apart.groups,
        at=at,
    )


def _compile_bytecode(inputs: BuildInputs, contents: _Contents) -> Bytecode:
    """Compile all modules; where that is wanted, bytecode takes the place of their sources."""
    settings, project = inputs.settings.bytecode, inputs.project.name
    appdir, python, reach = contents.appdir, contents.python, contents.reach
    if settings.optimize >= WITHOUT_DOCSTRINGS:
        warn_of_docstrings(python, project, reach)
    compiled = partial(
        compile_bytecode,
        appdir,
        python,
        inputs.results,
        level=settings.optimize,
        apart=contents.apart.groups,
        without=management_files(python),
    )
    if settings.bytecode != ONLY:
        return compiled()
    modules = find_modules(appdir, python)
    kept = find_kept_sources(
        modules,
        python,
        project,
        reach,
        settings.keep_sources,
        exposed=inputs.settings.launcher.expose_python,
        reader=contents.reader,
    )
    staying = {path for each in kept for path in each.paths}
    return compiled(
        alone={module.path for module in modules if module.path not in staying},
        kept={each.reason: len(each.paths) for each in kept},
    )


def _find_startup_order(
    inputs: BuildInputs,
    appdir: AppDir,
    python: BundledPython,
    entry_point: EntryPoint,
    *,
    missing: Iterable[MissingLibrary],
    typelibs: Mapping[str, str],
    graph: Graph,
    deferred: bool,
    step: Steps,
) -> StartupOrder:
    """Find out what a start reads, or read it from the project's file; nothing if neither is wanted or possible."""
    seen: tuple[Seen, ...] = ()
    if inputs.imports_entry_point:
        command = inputs.settings.image.startup_command
        found = step(
            "startup",
            find_startup_order,
            appdir,
            python,
            entry_point,
            missing,
            command=command,
            deferred=deferred,
            typelibs=typelibs,
        )
        if inputs.finds_startup_order:
            return replace(found, files=add_display_files(found.files, graph))
        seen = found.seen
    if inputs.startup_file and inputs.startup_file.exists():
        return replace(step("startup", read_startup_file, inputs.startup_file, appdir), seen=seen)
    return StartupOrder(())


def _make_image(
    inputs: BuildInputs,
    appdir: AppDir,
    beside: Path,
    step: Steps,
    *,
    order: tuple[str, ...],
    application: Collection[str],
) -> Image:
    """Write the image and sign it; beside its target, to appear there as a whole."""
    settings = inputs.settings
    image = step(
        "image",
        write_image,
        appdir.root,
        inputs.runtime,
        beside / inputs.file_name,
        settings.image.compression,
        order=order,
        application=application,
        update_information=inputs.update_information,
        timestamp=inputs.timestamp,
        results=inputs.results,
    )
    return step("sign", sign_image, image, inputs.signer) if inputs.signer else image


def _try_image(inputs: BuildInputs, image: Image, libraries: Libraries, step: Steps) -> list[Seen]:
    """Run the tests that the project wants; return what they opened."""
    settings, architecture = inputs.settings, inputs.architecture
    seen = []
    # What is tried is what people get; and a file that has just been run cannot be written to for a while.
    if command := settings.image.test_command:
        watch = settings.image.trace is not False
        test = step("test", run_test_command, command, image.path, architecture, libraries.missing, watch=watch)
        seen.append(test.seen)
    if settings.image.self_test:
        step("self-test", run_self_test, image.path, architecture)
    return seen


def _describe_image(inputs: BuildInputs, image: Image, step: Steps) -> None:
    """Describe the image for updates."""
    if inputs.update_information:
        mtime = int(time.time()) if inputs.timestamp is None else inputs.timestamp
        step("zsync", write_zsync, image.path, url=quote(inputs.file_name), mtime=mtime)
        if inputs.settings.launcher.manage:
            step("blocks", write_block_map, image.path, version=inputs.project.version)


def _find_outside(
    inputs: BuildInputs, appdir: AppDir, libraries: Libraries, seen: Sequence[Seen], step: Steps
) -> Outside:
    """Tell what the application opened outside of the image, as far as it was run and that is wanted."""
    settings = inputs.settings
    if settings.image.trace is False or all(run == NOTHING_SEEN for run in seen):
        return Outside()
    policy = settings.libraries.for_musl() if inputs.musl else settings.libraries
    search = OutsideSearch(appdir, inputs.architecture, policy, libraries.system, settings.image.system_files)
    return step("outside", warn_of_outside, search.find(seen), appdir)


def _bundle_c_library(
    inputs: BuildInputs, appdir: AppDir, python: BundledPython, libraries: Libraries
) -> CLibrary | NoCLibrary:
    """Bring the C library of a Python for musl, and glibc for systems whose own is too old."""
    if inputs.musl:
        return bundle_musl(inputs.musl, appdir, inputs.architecture, libraries=libraries, system=libraries.system)
    return bundle_glibc(
        appdir,
        inputs.architecture,
        python,
        inputs.settings.libraries,
        libraries=libraries,
        system=libraries.system,
        oldest_supported=oldest_supported_glibc(),
        results=inputs.results,
    )


def _settle_c_library(
    appdir: AppDir,
    python: BundledPython,
    libraries: Libraries,
    c_library: CLibrary | NoCLibrary,
    *,
    start: Collection[str],
    program: Path,
    dialogue: str | None,
) -> Collection[str]:
    """Have the launchers use the image's C library or demand the system's; return what a system must have."""
    if isinstance(c_library, NoCLibrary):
        require_glibc(appdir, find_version_for_start(libraries.graph, start))
        return libraries.graph.from_system
    # No library of the target system is loaded beside musl.
    needs = machine_libraries(libraries, start) if c_library.needed else ()
    write_stand_in(appdir, python, c_library, needs, program=program, dialogue=dialogue)
    return needs


def _with_c_library(libraries: Libraries, c_library: CLibrary | NoCLibrary) -> Libraries:
    """Return all that was bundled."""
    if isinstance(c_library, NoCLibrary):
        return libraries
    return replace(libraries, bundled=(*libraries.bundled, *c_library.files))


def _store_findings(
    inputs: BuildInputs,
    directory: Path,
    step: Steps,
    *,
    startup: StartupOrder,
    outside: Outside,
    fetched: PinnedPackages,
) -> None:
    """Write the files of the project that are to keep what this build has found out."""
    if inputs.startup_file and inputs.finds_startup_order and not inputs.cross:
        step("order", write_startup_file, inputs.lasting(inputs.startup_file, directory), startup)
    if inputs.trace_file:
        step("traced", write_trace_file, inputs.lasting(inputs.trace_file, directory), outside)
    if inputs.new_library_lock and fetched.packages:
        path = inputs.lasting(inputs.new_library_lock, directory)
        step("lock", write_library_lock, path, inputs.architecture, fetched)
