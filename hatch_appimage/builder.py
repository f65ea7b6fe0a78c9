# SPDX-License-Identifier: MIT
"""The build target ``appimage``: what hatchling calls; `hatch_appimage.pipeline` does the work."""

from __future__ import annotations

import logging
import os
import re
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hatchling.builders.config import BuilderConfig
from hatchling.builders.plugin.interface import BuilderInterface
from hatchling.metadata.core import ProjectMetadata
from hatchling.plugin.exceptions import UnknownPluginError
from hatchling.plugin.manager import PluginManager

from hatch_appimage.architecture import ARCHITECTURES, native_architecture
from hatch_appimage.errors import AppImageError, explain_os_error
from hatch_appimage.garbage import searched_for_rarely
from hatch_appimage.image.name import is_image_of
from hatch_appimage.image.publish import companions, temporary_directory
from hatch_appimage.inputs import resolve_inputs
from hatch_appimage.interrupt import terminated_like_interrupted
from hatch_appimage.options import Settings, check_hook_table, record_options
from hatch_appimage.packages.build_record import Declaration, Source
from hatch_appimage.project.build_environment import find_installed
from hatch_appimage.project.commit import find_commit
from hatch_appimage.project.metadata import Project
from hatch_appimage.redact import redact
from hatch_appimage.terminal import find_terminal
from hatch_appimage.timestamp import reproducible_timestamp
from hatch_appimage.workspace import read_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from hatchling.bridge.app import Application
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface

    from hatch_appimage.architecture import Architecture
    from hatch_appimage.inputs import BuildInputs
    from hatch_appimage.libraries.bundle import Libraries
    from hatch_appimage.project.build_input import BuildInput
    from hatch_appimage.project.program import Programs
    from hatch_appimage.project.wheel import Release, Wheel


class AppImageBuilder(BuilderInterface[BuilderConfig, PluginManager]):
    """Builds one AppImage for each of the target's versions, which are architectures."""

    PLUGIN_NAME = "appimage"

    # What the images are made from, if it is there before the build; None has the project's wheel built.
    package: Wheel | Release | None = None
    # What can start, of what is no project.
    programs: Programs | None = None
    # Whether this process runs in an environment of which nothing is known; else hatchling runs it in one that a front
    # end has made for the project's back end.
    isolated = False
    # Whether the root is the user's directory of the project.
    is_project = True
    # What images say that somebody has decided about them, if that is not what this build was told.
    declaration: Declaration | None = None

    @classmethod
    def of_source(
        cls,
        source: BuildInput,
        settings: Mapping[str, Any] | None = None,
        further: Mapping[str, Sequence[str]] | None = None,
    ) -> AppImageBuilder:
        """Make what builds something of which hatchling has not read the metadata.

        Args:
            source: what is packed.
            settings: keys of the target's table that count more than the project's.
            further: items for keys whose values are lists.

        Raises:
            AppImageError: hatchling refuses a table of the project.

        """
        plugins = PluginManager()
        metadata = ProjectMetadata(str(source.metadata_root or source.root), plugins, dict(source.config))
        builder = cls(str(source.root), plugins, metadata=metadata)
        builder.package, builder.programs = source.package, source.programs
        builder.is_project = source.is_project
        builder.isolated = True
        with hatchling_errors():
            table = builder.target_config
            table.update(settings or {})
            for key, items in (further or {}).items():
                given = table.get(key, [])
                if items and isinstance(given, str | list):  # whatever else it is will be refused
                    table[key] = [*([given] if isinstance(given, str) else given), *items]
            builder.check_config()
        return builder

    def check_config(self) -> None:
        """See that the options of hatchling are of their types: it reads them in the middle of a build.

        Raises:
            TypeError: one is not; the message says which.
            ValueError: one has a value that it cannot have.

        """
        config = self.config
        _ = config.directory, config.versions, config.reproducible, config.hook_config, config.get_force_include()

    def get_build_hooks(self, directory: str) -> dict[str, BuildHookInterface[Any]]:
        """Return the build hooks.

        Where nobody has installed what they need, those of all targets are left out: they have run for the wheel.

        Raises:
            AppImageError: something is not installed for a hook that has not.

        """
        if not self.isolated:
            return super().get_build_hooks(directory)
        configured = self.config.hook_config
        for name, table in list(configured.items()):
            if self._is_lacking(name, table.get("dependencies", ())):
                self._leave_out(name)
        hooks = super().get_build_hooks(directory)
        for name, hook in hooks.items():
            if self._is_lacking(name, hook.dependencies()):
                self._leave_out(name)
        return {name: hook for name, hook in hooks.items() if name in configured}

    def _is_lacking(self, name: str, dependencies: Iterable[str]) -> bool:
        """Whether something is not installed here that a build hook needs."""
        table = self._wheel_build_system(name)
        if table is None:
            return find_installed(dependencies) is None
        # hatchling itself runs the hooks in whatever version it is here.
        required = [text for text in map(str, table.get("requires", ())) if not re.match(r"hatchling\b", text)]
        return self.plugin_manager.build_hook.get(name) is None or find_installed([*required, *dependencies]) is None

    def _leave_out(self, name: str) -> None:
        if self._wheel_build_system(name) is None:
            raise AppImageError(
                f"What the build hook `{name}` needs is not installed here; `hatch build -t appimage` installs what a "
                "project's hooks need"
            )
        del self.config.hook_config[name]
        self.app.display_warning(
            f"The build hook `{name}` is run for the wheel, and not for the image, as what it needs is not installed "
            "here: `hatch build -t appimage` runs it for both"
        )

    def _wheel_build_system(self, name: str) -> dict[str, Any] | None:
        """Return [build-system], if a build hook is run for the wheel, too; None if it is one of this target only."""
        table = read_table(Path(self.root, "pyproject.toml"), "build-system") or {}
        is_run = table.get("build-backend") == "hatchling.build" and name not in self.target_config.get("hooks", {})
        return table if is_run else None

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
            name = self.read_settings().image.name.in_files
        for architecture in versions:
            for image in Path(directory).glob("*.AppImage"):
                if is_image_of(image.name, name, architecture):
                    for path in (image, *companions(image)):
                        path.unlink(missing_ok=True)

    def build_architecture(self, architecture: Architecture, directory: str, **_build_data: Any) -> str:
        """Build the image for one architecture and return its absolute path."""
        warnings: list[str] = []
        target = Path(directory).absolute()
        with (
            self.report_errors(),
            searched_for_rarely(),
            self._logging(warnings),
            temporary_directory() as work,
            temporary_directory(target) as beside,
        ):
            with _importing_pipeline():
                inputs = self.resolve_inputs(architecture, work, target)
            from hatch_appimage.pipeline import build_appdir, build_image  # noqa: PLC0415 - imported meanwhile
            from hatch_appimage.report import Steps  # noqa: PLC0415 - as above

            terminal = find_terminal() if self.app.verbosity == 0 else None
            step = Steps(self.app.display_info, terminal, warnings=warnings)
            if inputs.settings.image.appdir:
                return str(build_appdir(inputs, work, beside, target, step))
            report = build_image(inputs, work, beside, target, step)
        self.app.display_info(report.summary())
        return str(report.path)

    def check_tables(self, hook: Mapping[str, Any]) -> None:
        """End the build if the target's table, or that of our build hook, is wrong."""
        with self.report_errors():
            check_hook_table(hook)
            self.read_settings()

    def read_settings(self) -> Settings:
        """Read the target's table.

        Raises:
            ConfigurationError: with all that is wrong in the table at once.

        """
        return Settings.read(self.target_config, self.project)

    def resolve_inputs(self, architecture: Architecture, directory: Path, output: Path | None = None) -> BuildInputs:
        """Find all that a build needs; build nothing.

        Args:
            architecture: that the image is for.
            directory: for a Python that has to be unpacked; it must last as long as what is returned.
            output: where the image goes; None for the configured directory.

        Raises:
            ConfigurationError: with all that is wrong in the table, or else with all that is not there.

        """
        return resolve_inputs(
            self.project,
            self.package,
            self.read_settings(),
            architecture,
            directory,
            extra_files=self._forced_files,
            timestamp=reproducible_timestamp if self.config.reproducible else lambda: None,
            isolated=self.isolated,
            declare=lambda seconds: self.declaration or self._declare(seconds, output or Path(self.config.directory)),
        )

    def _declare(self, seconds: int | None, output: Path) -> Declaration:
        """Return what this build was told."""
        project = self.project
        commit = find_commit(project.root, output) if self.is_project else None
        recorded = record_options(self.target_config, project.root)
        return Declaration(
            source=Source.of(project.name, project.version, None if self.is_project else self.package, commit),
            options=recorded.options,
            outside=recorded.outside,
            seconds=seconds,
            chosen="SOURCE_DATE_EPOCH" in os.environ,
        )

    def find_libraries(self, inputs: BuildInputs, directory: Path) -> Libraries:
        """Return what a build would do with shared libraries; no image is made.

        Args:
            inputs: what it would be built from.
            directory: for what is made on the way.

        Raises:
            AppImageError: the build would fail before that is known.

        """
        from hatch_appimage.pipeline import find_libraries  # noqa: PLC0415 - nothing else needs it but a build
        from hatch_appimage.report import Steps  # noqa: PLC0415 - as above

        return find_libraries(inputs, directory, Steps(self.app.display_debug, find_terminal()))

    @property
    def project(self) -> Project:
        """What is packed."""
        return Project.from_hatchling(Path(self.root), self.metadata, self.programs)

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
        """End the build with one clear message for errors that the user can fix; tracebacks only with ``-v``."""
        try:
            with terminated_like_interrupted():
                yield
        except (AppImageError, OSError, KeyboardInterrupt) as error:
            if self.app.verbosity > 0:
                sys.stderr.write(redact(traceback.format_exc()))
            self.app.abort(_explain(error), code=130 if isinstance(error, KeyboardInterrupt) else 1)

    @contextmanager
    def _logging(self, warnings: list[str]) -> Iterator[None]:
        """Show what the steps log, and gather warnings: these always, programs and their output with ``-v``."""
        handler = _AppHandler(self.app, warnings)
        logger = logging.getLogger("hatch_appimage")
        level, propagate = logger.level, logger.propagate
        logger.addHandler(handler)
        logger.setLevel(logging.DEBUG)
        logger.propagate = False
        try:
            yield
        finally:
            logger.removeHandler(handler)
            logger.setLevel(level)
            logger.propagate = propagate


class _AppHandler(logging.Handler):
    """Hands log records to hatchling's application."""

    def __init__(self, app: Application, warnings: list[str]) -> None:
        super().__init__()
        self.app = app
        self.warnings = warnings

    def emit(self, record: logging.LogRecord) -> None:
        message = redact(record.getMessage())
        if record.levelno >= logging.WARNING:
            self.warnings.append(message)
            self.app.display_warning(message)
        else:
            self.app.display_debug(message)


@contextmanager
def _importing_pipeline() -> Iterator[None]:
    """Import what builds during a block, which waits for a Python that is asked what it is, for about as long."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(import_module, "hatch_appimage.pipeline")
        yield


@contextmanager
def hatchling_errors() -> Iterator[None]:
    """Tell what hatchling finds wrong with its own tables as one line.

    Raises:
        AppImageError: in place of hatchling's.

    """
    try:
        yield
    except UnknownPluginError as error:
        raise AppImageError(f"{error}; `hatch build -t appimage` installs what a project's hooks need") from error
    except (TypeError, ValueError) as error:
        raise AppImageError(str(error)) from error


def _explain(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return "Interrupted: no image was written"
    return explain_os_error(error) if isinstance(error, OSError) else str(error)
