# SPDX-License-Identifier: MIT
"""The build target ``appimage``: the whole way of the data, from the project to the finished file."""

from __future__ import annotations

import errno
import logging
import os
import signal
import sys
import threading
import time
import traceback
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from hatchling.builders.config import BuilderConfig
from hatchling.builders.plugin.interface import BuilderInterface
from hatchling.builders.utils import get_reproducible_timestamp
from hatchling.plugin.manager import PluginManager
from packaging.markers import default_environment
from packaging.utils import canonicalize_name

from hatch_appimage.appdir.bytecode import compile_bytecode
from hatch_appimage.appdir.desktop import write_desktop_files
from hatch_appimage.appdir.launcher import require_glibc, write_launcher
from hatch_appimage.appdir.reach import find_reach
from hatch_appimage.appdir.startup import find_startup_order
from hatch_appimage.appdir.trim import trim_tkinter
from hatch_appimage.architecture import ARCHITECTURES, native_architecture
from hatch_appimage.errors import AppImageError, ErrorCollector, explain_os_error
from hatch_appimage.format import UPDATE_INFORMATION
from hatch_appimage.image.name import check_length, image_name, is_image_of
from hatch_appimage.image.sign import Signer, check_room, sign_image
from hatch_appimage.image.test_command import run_test_command
from hatch_appimage.image.write import load_runtime, write_image
from hatch_appimage.image.zsync import write_zsync
from hatch_appimage.layout import AppDir
from hatch_appimage.libraries.bundle import bundle_libraries
from hatch_appimage.libraries.symbol_versions import find_requirements, find_version_for_start
from hatch_appimage.options import AppImageConfig, check_hook_table
from hatch_appimage.packages.bindings import Scope, check_declared
from hatch_appimage.packages.commands import check_entry_point, check_scripts, find_commands
from hatch_appimage.packages.install import application_files, install_packages
from hatch_appimage.packages.provenance import write_provenance
from hatch_appimage.packages.requirements import requirements_of
from hatch_appimage.project.entry_points import modules_at_start
from hatch_appimage.project.metadata import Project
from hatch_appimage.project.wheel import Release, build_wheel, read_metadata
from hatch_appimage.python.build_python import find_build_python
from hatch_appimage.python.installed import update_records
from hatch_appimage.python.patch_stdlib import patch_stdlib
from hatch_appimage.python.relocate import bundle_python
from hatch_appimage.python.source import provide_python
from hatch_appimage.redact import redact
from hatch_appimage.report import Report, Steps, list_files
from hatch_appimage.runtime import launcher_path, runtime_path
from hatch_appimage.system import System
from hatch_appimage.terminal import find_terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from hatchling.bridge.app import Application

    from hatch_appimage.architecture import Architecture
    from hatch_appimage.image.write import Runtime
    from hatch_appimage.project.wheel import Wheel
    from hatch_appimage.python import PythonInstallation


@dataclass(frozen=True)
class BuildInputs:
    """What a build starts from, all of it seen to be there.

    Attributes:
        config: the target's table.
        file_name: of the image.
        update_information: the line for update tools, if there is to be one.
        runtime: what the image begins with.
        launcher: the program that becomes AppRun and the interpreter.
        signer: who signs it; None for nobody.
        python: the Python to bundle.
        system: whose shared libraries are taken.
        extra_files: pairs of a file on this machine and its path below the AppDir.
        timestamp: of every file, in seconds since the epoch; None keeps their own.

    """

    config: AppImageConfig
    file_name: str
    update_information: str | None
    runtime: Runtime
    launcher: Path
    signer: Signer | None
    python: PythonInstallation
    system: System
    extra_files: list[tuple[Path, str]]
    timestamp: int | None

    def check_sections(self) -> None:
        """See that the runtime has room for what is to be written into it.

        Raises:
            AppImageError: it has not.

        """
        if self.signer:
            check_room(self.runtime.origin, self.runtime.sections)
        if self.update_information and UPDATE_INFORMATION not in self.runtime.sections:
            raise AppImageError(f"The runtime {self.runtime.origin} has no section for update information")


class AppImageBuilder(BuilderInterface[BuilderConfig, PluginManager]):
    """Builds one AppImage for each of the target's versions, which are architectures."""

    PLUGIN_NAME = "appimage"

    # What the images are made from, if it is there before the build; None has the project's wheel built.
    source: Wheel | Release | None = None

    def get_version_api(self) -> dict[str, Callable[..., str]]:
        """Return what builds the image of each architecture."""
        return {name: partial(self.build_architecture, architecture) for name, architecture in ARCHITECTURES.items()}

    def get_default_versions(self) -> list[str]:
        """Return this machine's architecture."""
        with self.report_errors():
            return [native_architecture().name]

    def clean(self, directory: str, versions: list[str]) -> None:
        """Remove earlier images of this project for these architectures."""
        with self.report_errors():
            name = self.read_config().file_name
        for architecture in versions:
            for image in Path(directory).glob("*.AppImage"):
                if is_image_of(image.name, name, architecture):
                    for path in (image, *_companions(image)):
                        path.unlink(missing_ok=True)

    def build_architecture(self, architecture: Architecture, directory: str, **_build_data: Any) -> str:
        """Build the image for one architecture and return its absolute path."""
        with self.report_errors(), self._logging() as warnings:
            return str(self._build(architecture, Path(directory).absolute(), warnings))

    def check_tables(self, hook: Mapping[str, Any]) -> None:
        """End the build if the target's table, or that of our build hook, is wrong."""
        with self.report_errors():
            check_hook_table(hook)
            self.read_config()

    def read_config(self) -> AppImageConfig:
        """Read the target's table.

        Raises:
            ConfigurationError: with every fault of the table at once.

        """
        return AppImageConfig.read(self.target_config, self.project)

    def prepare(self, architecture: Architecture, folder: Path) -> BuildInputs:
        """See that all is there which a build needs; build nothing.

        Args:
            architecture: that the image is for.
            folder: for a Python that has to be unpacked; it must last as long as what is returned.

        Raises:
            ConfigurationError: with every fault of the table at once, or else with all that is not there.

        """
        config, project = self.read_config(), self.project
        file_name = image_name(config.file_name, project.version, architecture.name)
        faults = ErrorCollector()
        faults.catch(check_length, file_name)
        prepared = BuildInputs(
            config=config,
            file_name=file_name,
            update_information=faults.catch(config.update_line, project.version, architecture.name),
            runtime=faults.catch(load_runtime, config.runtime or runtime_path(architecture.name), architecture),
            launcher=faults.catch(launcher_path, architecture.name),
            signer=faults.catch(Signer.find, config.sign_key) if config.sign else None,
            python=faults.catch(
                provide_python,
                config.python.of(architecture),
                architecture,
                folder,
                requires_python=project.requires_python,
            ),
            system=faults.catch(_read_system, config.sysroot.of(architecture), architecture),
            extra_files=faults.catch(self._forced_files),
            timestamp=faults.catch(_timestamp) if self.config.reproducible else None,
        )
        if prepared.python and not config.lock:
            faults.catch(self._check_bindings, config, prepared.python, architecture)
        faults.raise_all()
        prepared.check_sections()
        return prepared

    def _check_bindings(self, config: AppImageConfig, python: PythonInstallation, architecture: Architecture) -> None:
        """See that nothing would come from the index that the project has elsewhere."""
        if isinstance(self.source, Release):
            return
        environment = default_environment()
        version = python.version.removesuffix("+")
        environment.update(
            {
                "python_full_version": version,
                "python_version": ".".join(version.split(".")[:2]),
                "platform_machine": architecture.machine,
            }
        )
        scope = Scope.of(environment, config.features, config.dependency_groups)
        needed = None
        if self.source is not None:
            needed = requirements_of(read_metadata(self.source), config.features, environment)
        check_declared(self.project.root, scope, needed, config.requirements, config.constraints)

    def _build(self, architecture: Architecture, directory: Path, warnings: list[str]) -> Path:
        project = self.project
        step = Steps(self.app.display_info, find_terminal() if self.app.verbosity == 0 else None)

        # The image is made beside its target, so that it appears there whole or not at all.
        with _folder() as work, _folder(directory) as beside:
            prepared = self.prepare(architecture, work)
            config, runtime = prepared.config, prepared.runtime
            target = directory / prepared.file_name
            foreign = architecture != native_architecture()
            helper = find_build_python(prepared.python.version, project.root) if foreign else prepared.python.executable
            appdir = AppDir(work / "AppDir", canonicalize_name(project.name))
            wheel = self.source or step("wheel", build_wheel, project, work / "wheel", helper or Path(sys.executable))
            python = step("python", bundle_python, prepared.python, appdir, cross=foreign, build_python=helper)
            packages = step(
                "install",
                install_packages,
                wheel,
                appdir,
                python,
                project,
                features=config.features,
                requirements=config.requirements,
                groups=config.dependency_groups,
                lock=config.lock,
                constraints=config.constraints,
                architecture=architecture,
                max_glibc=config.max_glibc,
            )
            entry_point = find_commands(config.entry_point, config.entry_points, appdir, python)
            check_entry_point(entry_point, python)
            if entry_point.gui and "terminal" not in self.target_config:
                config = replace(config, terminal=False)
            launcher = step(
                "launcher",
                write_launcher,
                appdir,
                python,
                entry_point,
                config.environment,
                program=prepared.launcher,
                links=config.entry_points,
                expose_python=config.expose_python,
                commands_on_path=config.commands_on_path,
            )
            check_scripts(
                {"entry-point": [entry_point.command], "entry-points": config.entry_points}, appdir, launcher.commands
            )
            step("desktop", write_desktop_files, appdir, project, architecture.name, config)
            step("files", appdir.add, prepared.extra_files)
            reach = step(
                "imports",
                find_reach,
                python,
                project.name,
                modules_at_start(entry_point, appdir.bin),
                config.entry_points,
            )
            step("tkinter", trim_tkinter, appdir, python, reach, wanted=config.tkinter)
            # A copy of another machine may lack what this one has: then a trial on this one says nothing.
            on_trial = config.startup_order and not foreign and prepared.system.root == Path("/")
            libraries = step(
                "libraries",
                bundle_libraries,
                appdir,
                architecture,
                python,
                config.libraries,
                system=prepared.system,
                project=project.root,
                max_glibc=config.max_glibc,
                required=() if on_trial else reach.required,
            )
            step("adapt", patch_stdlib, appdir, python, prepared.system, exposed=config.expose_python)
            records = step(
                "sbom", write_provenance, appdir, project, python, packages, libraries, timestamp=prepared.timestamp
            )
            step("records", update_records, python)
            step("bytecode", compile_bytecode, appdir, python)
            order: tuple[str, ...] = ()
            if config.startup_order and not foreign:
                missing = libraries.missing if on_trial else ()
                order = step("startup", find_startup_order, appdir, python, entry_point, missing).files
            start = {*order, *appdir.names([python.executable, *reach.required])}
            require_glibc(appdir, find_version_for_start(libraries.graph, start))
            requirements = step(
                "requires",
                find_requirements,
                libraries.graph,
                {*start, *appdir.names(reach.files)},
                limited=config.max_glibc is not None,
            )
            appdir.normalize_modes()
            image = step(
                "image",
                write_image,
                appdir,
                runtime,
                beside / target.name,
                order=order,
                application=application_files(appdir, python, project),
                update_information=prepared.update_information,
                compression=config.compression,
                compression_level=config.compression_level,
                timestamp=prepared.timestamp,
            )
            if prepared.signer:
                image = step("sign", sign_image, image, prepared.signer)
            # What is tried is what people get; and a file that has just been run cannot be written to for a while.
            if config.test_command:
                step("test", run_test_command, config.test_command, image.path, architecture, libraries.missing)
            if prepared.update_information:
                mtime = int(time.time()) if prepared.timestamp is None else prepared.timestamp
                step("zsync", write_zsync, image.path, url=quote(target.name), mtime=mtime)
            report = Report(
                name=config.name,
                version=project.version,
                architecture=architecture.name,
                image=image,
                runtime=runtime.origin,
                python=python,
                launcher=launcher,
                packages=packages.packages,
                lock=packages.lock,
                records=records,
                libraries=libraries,
                requirements=requirements,
                files=list_files(appdir),
                seconds=step.seconds,
                warnings=tuple(warnings),
            )
            if config.report:
                # What lies in an unpacked sdist is gone after the build.
                _write(directory / config.report.name if project.unpacked else config.report, report.to_json(target))
            _publish(image.path, target)
        self.app.display_info(report.summary(target))
        return target

    @property
    def project(self) -> Project:
        """What is packed."""
        return Project.from_hatchling(Path(self.root), self.metadata)

    def _forced_files(self) -> list[tuple[Path, str]]:
        """Return what ``force-include`` and build hooks add: pairs of a file and its path below the AppDir."""
        pairs = []
        for file in self.recurse_forced_files(self.config.get_force_include()):
            path = os.path.normpath(file.distribution_path)
            if path.startswith(("/", "..")):
                raise AppImageError(f"`force-include` puts {file.path} outside of the image: {file.distribution_path}")
            pairs.append((Path(file.path), path))
        return pairs

    @contextmanager
    def report_errors(self) -> Iterator[None]:
        """End the build with one clear statement for what the user can mend; tracebacks only with ``-v``."""
        try:
            with _terminated_like_interrupted():
                yield
        except (AppImageError, OSError, KeyboardInterrupt) as error:
            if self.app.verbosity > 0:
                sys.stderr.write(redact(traceback.format_exc()))
            self.app.abort(_explain(error), code=130 if isinstance(error, KeyboardInterrupt) else 1)

    @contextmanager
    def _logging(self) -> Iterator[list[str]]:
        """Show what the steps log: warnings always, programs and their output with ``-v``."""
        handler = _AppHandler(self.app)
        logger = logging.getLogger("hatch_appimage")
        level, propagate = logger.level, logger.propagate
        logger.addHandler(handler)
        logger.setLevel(logging.DEBUG)
        logger.propagate = False
        try:
            yield handler.warnings
        finally:
            logger.removeHandler(handler)
            logger.setLevel(level)
            logger.propagate = propagate


class _AppHandler(logging.Handler):
    """Hands log records to hatchling's application."""

    def __init__(self, app: Application) -> None:
        super().__init__()
        self.app = app
        self.warnings: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        message = redact(record.getMessage())
        if record.levelno >= logging.WARNING:
            self.warnings.append(message)
            self.app.display_warning(message)
        else:
            self.app.display_debug(message)


def _timestamp() -> int:
    """Return the time of every file in the image, in seconds since the epoch."""
    try:
        timestamp = get_reproducible_timestamp()
    except ValueError:
        timestamp = -1
    if not 0 <= timestamp < 1 << 32:
        value = os.environ.get("SOURCE_DATE_EPOCH")
        raise AppImageError(f"SOURCE_DATE_EPOCH must be a number of seconds from 0 to {(1 << 32) - 1}, not `{value}`")
    return timestamp


def _read_system(sysroot: Path, architecture: Architecture) -> System:
    """Read where libraries are; this machine's loader looks into its user's folders first."""
    return System.read(sysroot, architecture, os.environ.get("LD_LIBRARY_PATH", "") if sysroot == Path("/") else "")


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _companions(image: Path) -> list[Path]:
    """Return the files beside an image that are of use with this very image only."""
    return [image.with_name(f"{image.name}{ending}") for ending in (".sig", ".zsync")]


def _publish(image: Path, target: Path) -> None:
    """Move an image and its companions to their place; those of an earlier image there fit no more, and go."""
    for made, place in zip(_companions(image), _companions(target), strict=True):
        if made.exists():
            made.replace(place)
        else:
            place.unlink(missing_ok=True)
    image.replace(target)


@contextmanager
def _folder(parent: Path | None = None) -> Iterator[Path]:
    """Provide a folder that is gone afterwards, however the build ends."""
    with TemporaryDirectory(prefix=".hatch-appimage-" if parent else "hatch-appimage-", dir=parent) as name:
        yield Path(name).resolve()


@contextmanager
def _terminated_like_interrupted() -> Iterator[None]:
    """Let SIGTERM, as CI systems send it, clean up like Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _explain(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return "Interrupted: no image was written"
    if isinstance(error, OSError):
        space = " (the build needs room in the output folder and in TMPDIR)" if error.errno == errno.ENOSPC else ""
        return explain_os_error(error) + space
    return str(error)
