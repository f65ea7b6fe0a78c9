# SPDX-License-Identifier: MIT
"""The commands on projects, each a function of its name; they import all steps of a build."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from hatch_appimage.architecture import ARCHITECTURES, native_architecture
from hatch_appimage.builder import AppImageBuilder, hatchling_errors
from hatch_appimage.cli.check import describe
from hatch_appimage.cli.ci import WorkflowPlan, write_github_workflow, write_gitlab_pipeline
from hatch_appimage.cli.reference import write_options
from hatch_appimage.cli.status import WRONG
from hatch_appimage.errors import AppImageError, ConfigurationError, ErrorCollector
from hatch_appimage.options import OPTIONS
from hatch_appimage.project.build_input import open_source, read_requirement
from hatch_appimage.project.metadata import Project
from hatch_appimage.table import Table
from hatch_appimage.toml import tomllib

if TYPE_CHECKING:
    import argparse
    from contextlib import AbstractContextManager

    from hatch_appimage.project.build_input import BuildInput

#: Options with a path of a file that the build may write.
WRITTEN = frozenset({"library-lock", "report", "startup-order", "trace"})


def build(options: argparse.Namespace) -> int:
    """Build the AppImages of a project, a wheel or a requirement."""
    # hatchling's Application takes its verbosity from there.
    os.environ["HATCH_VERBOSE"] = str(options.verbose)
    os.environ["HATCH_QUIET"] = str(options.quiet)
    with _open(options) as source:
        output = options.output or (None if source.is_project else Path("dist"))
        builder = AppImageBuilder.of_source(source, read_settings(source, options), _further(options))
        directory = str(output.absolute() if output else builder.config.directory)
        with hatchling_errors():
            builder.metadata.validate_fields()
            builder.get_build_hooks(directory)
        for image in builder.build(directory=directory, versions=options.arch):
            print(image)
    return 0


def check(options: argparse.Namespace) -> int:
    """Show what would be built, or all that is wrong."""
    errors = ErrorCollector()
    with _open(options) as source:
        builder = AppImageBuilder.of_source(source, read_settings(source, options), _further(options))
        with hatchling_errors():
            builder.metadata.validate_fields()
            names = options.arch or builder.config.versions
        for name in names:
            with TemporaryDirectory(prefix="hatch-appimage-") as directory:
                if inputs := errors.catch(builder.resolve_inputs, ARCHITECTURES[name], Path(directory)):
                    found = errors.catch(builder.find_libraries, inputs, Path(directory)) if options.libraries else None
                    print(describe(inputs, found))
    try:
        errors.raise_all()
    except ConfigurationError as error:
        print(*dict.fromkeys(str(error).splitlines()), sep="\n", file=sys.stderr)
        return WRONG
    return 0


def _open(options: argparse.Namespace) -> AbstractContextManager[BuildInput]:
    """Open what the command line names."""
    value = dict(map(_setting, options.set)).get("build-constraints")
    path = Path(value).expanduser().absolute() if isinstance(value, str) else None
    given = [text.partition("=")[0].strip() for text in options.set]
    constraints = path if path and path.is_file() else None
    return open_source(options.source, given, constraints, lambda: find_python(options))


def find_python(options: argparse.Namespace) -> str:
    """Return the version of the Python that the command line asks to bundle.

    Args:
        options: the command's. What their value of ``python`` has wrong is told once all options are read.

    Raises:
        AppImageError: it cannot be had.

    """
    settings = _given(options)
    if "python" not in settings:
        return platform.python_version()
    nothing = Project(Path(), "", "", "", "", {}, {}, ())
    architecture = ARCHITECTURES[options.arch[0]] if options.arch else native_architecture()
    with TemporaryDirectory(prefix="hatch-appimage-") as directory:
        source = Table(settings, nothing, OPTIONS)["python"].of(architecture)
        return str(source.provide(architecture, Path(directory)).version)


def _further(options: argparse.Namespace) -> dict[str, list[str]]:
    """Return what the command line adds to options that are lists."""
    files = [str(Path(name).expanduser().absolute()) for name in options.with_requirements]
    return {"requirements": [read_requirement(text) for text in options.with_packages], "requirements-file": files}


def read_settings(source: BuildInput, options: argparse.Namespace) -> dict[str, Any]:
    """Return the settings of the command line.

    Args:
        source: what is built; optional dependencies may have been asked for with it.
        options: the command's.

    Raises:
        AppImageError: one has no value.

    """
    features = {"features": list(source.features)} if source.features else {}
    return features | _given(options)


def _given(options: argparse.Namespace) -> dict[str, Any]:
    settings = dict(map(_setting, options.set))
    if getattr(options, "appdir", False):
        settings["appdir"] = True
    if options.python:
        settings["python"] = options.python
    for key, value in settings.items():
        # Paths on a command line begin at the current directory; but `python` may also be, for one, a version.
        if (
            key in OPTIONS
            and OPTIONS[key].is_path
            and isinstance(value, str)
            and value
            and (key in WRITTEN or Path(value).exists())
        ):
            settings[key] = f"{Path(value).expanduser().absolute()}{'/' if value.endswith('/') else ''}"
    return settings


def _setting(text: str) -> tuple[str, Any]:
    key, separator, value = text.partition("=")
    if not separator:
        raise AppImageError(f"--set takes KEY=VALUE, not `{text}`")
    try:
        typed = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        typed = value
    # `3.13` stays a string: no option takes a float.
    return key.strip(), value if isinstance(typed, float) else typed


def ci(options: argparse.Namespace) -> int:
    """Print a workflow for a project."""
    if not options.path.is_dir():
        raise AppImageError(f"{options.path} is no directory of a project")
    if options.action and options.forge != "github":
        raise AppImageError("`--action` is for GitHub: on GitLab, templates/appimage.yml is what can be included")
    with open_source(str(options.path)) as source:
        builder = AppImageBuilder.of_source(source)
        with hatchling_errors():
            builder.metadata.validate_fields()
            plan = WorkflowPlan.make(builder)
        is_github = options.forge == "github"
        text = write_github_workflow(plan, options.action) if is_github else write_gitlab_pipeline(plan)
    sys.stdout.write(text)
    return 0


def options(_options: argparse.Namespace) -> int:
    """Describe every key of the table."""
    sys.stdout.write(write_options())
    return 0
