# SPDX-License-Identifier: MIT
"""What an image is built from: all of it is found and checked before anything is built."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.markers import default_environment

from hatch_appimage.appdir.settings import ONLY
from hatch_appimage.appdir.trace import Trace, read_trace
from hatch_appimage.architecture import native_architecture
from hatch_appimage.download import is_offline
from hatch_appimage.errors import AppImageError, ErrorCollector
from hatch_appimage.image.name import check_length, image_name
from hatch_appimage.image.sections import check_sections
from hatch_appimage.image.sign import Signer, check_verifiable
from hatch_appimage.image.write import load_runtime
from hatch_appimage.libraries.apt import Apt, how_to_allow
from hatch_appimage.libraries.build_packages import fetch_build_packages
from hatch_appimage.libraries.fetch import add_locked, empty_system, release_system
from hatch_appimage.libraries.musl import find_musl
from hatch_appimage.packages.bindings import Scope, check_declared
from hatch_appimage.packages.install import check_musl_platform
from hatch_appimage.packages.requirements import requirements_of
from hatch_appimage.project.wheel import Release, read_metadata
from hatch_appimage.python.build_python import find_build_python
from hatch_appimage.python.local import is_runnable, own_python
from hatch_appimage.python.source import provide_python
from hatch_appimage.results import Results
from hatch_appimage.roots.releases import Release as DistributionRelease
from hatch_appimage.runtime import launcher_path, runtime_path
from hatch_appimage.system import System

if TYPE_CHECKING:
    from collections.abc import Callable

    from hatch_appimage.architecture import Architecture
    from hatch_appimage.image.write import Runtime
    from hatch_appimage.libraries.build_packages import BuildPackages
    from hatch_appimage.libraries.lock import LibraryLock
    from hatch_appimage.libraries.musl import Musl
    from hatch_appimage.libraries.policy import LibraryPolicy
    from hatch_appimage.options import Settings
    from hatch_appimage.packages.build_record import Declaration
    from hatch_appimage.project.entry_points import EntryPoint
    from hatch_appimage.project.metadata import Project
    from hatch_appimage.project.wheel import Wheel
    from hatch_appimage.python import PythonInstallation


@dataclass(frozen=True)
class BuildInputs:
    """What an image is built from, all of it checked to exist.

    Attributes:
        project: what is packed.
        package: its wheel, or what the index has of it; None to build the wheel.
        isolated: the wheel is built in an environment of its own, and not in this process's.
        settings: the values of all options.
        architecture: that the image is for.
        file_name: of the image.
        update_information: the line for update tools; None if there is to be none.
        runtime: what the image begins with.
        launcher: the program that becomes AppRun and the interpreter.
        signer: who signs the image; None for nobody.
        python: the Python to bundle.
        build_python: a Python of the same minor version that runs here; None if there is none.
        system: whose shared libraries are taken, with the packages that a lock names.
        apt: gets those that it lacks; None to get none.
        remedy: what to do so that it gets some; "" where nothing helps.
        build_packages: what compilers find beside what the machine has; None for nothing.
        library_lock: nothing is fetched but what this one names; None for none, or one that is still to be written.
        musl: the one that goes into the image; None if its Python is not for musl.
        extra_files: pairs of a file on this machine and its path below the AppDir.
        trace: what earlier runs of the application opened outside of an image.
        timestamp: of every file, in seconds since the epoch; None keeps their own.
        declaration: what the image says that somebody has decided about it.
        results: what earlier builds computed.

    """

    project: Project
    package: Wheel | Release | None
    isolated: bool
    settings: Settings
    architecture: Architecture
    file_name: str
    update_information: str | None
    runtime: Runtime
    launcher: Path
    signer: Signer | None
    python: PythonInstallation
    build_python: Path | None
    system: System
    apt: Apt | None
    remedy: str
    build_packages: BuildPackages | None
    library_lock: LibraryLock | None
    musl: Musl | None
    extra_files: list[tuple[Path, str]]
    trace: Trace
    timestamp: int | None
    declaration: Declaration
    results: Results

    @property
    def cross(self) -> bool:
        """Whether the bundled Python does not run here by itself.

        It is for another architecture than this machine's, or for a C library that this machine does not have.
        """
        return not is_runnable(self.python.elf)

    @property
    def startup_file(self) -> Path | None:
        """The file of the project that says what a start reads, or is to say it from now on; None for none."""
        order = self.settings.image.startup_order
        return None if isinstance(order, bool) else order

    @property
    def new_library_lock(self) -> Path | None:
        """The file of the project that is to say from now on what libraries are fetched from; None for none."""
        wanted = self.settings.libraries.library_lock
        return wanted.path if wanted and not self.library_lock else None

    @property
    def imports_entry_point(self) -> bool:
        """Whether the build has to find out what a start reads, or what it opens outside of the image, and can."""
        is_asked = self.finds_startup_order or self.trace_file is not None
        return self.settings.image.startup_order is not False and is_asked and not self.cross

    @property
    def finds_startup_order(self) -> bool:
        """Whether the project wants the order of a start, and has no file yet that says it."""
        stored = self.startup_file is not None and self.startup_file.exists()
        return self.settings.image.startup_order is not False and not stored

    @property
    def trace_file(self) -> Path | None:
        """The file of the project that is to say what is opened outside of the image; None if it is there, or none is.

        What cannot be run here opens nothing.
        """
        path = self.settings.image.trace
        return None if isinstance(path, bool) or path.exists() or self.cross else path

    @property
    def shows_missing_libraries(self) -> bool:
        """Whether a start during the build tells what users' machines lack: only among this machine's libraries."""
        return self.imports_entry_point and self.system.root == Path("/")

    @property
    def released(self) -> int | None:
        """When the version is released, in seconds since the epoch: the time of files, unless nobody has chosen it."""
        return self.timestamp if "SOURCE_DATE_EPOCH" in os.environ else None

    def lasting(self, path: Path, directory: Path) -> Path:
        """Return where a file is written that the project wants: what lies in an unpacked sdist is gone afterwards.

        Args:
            path: in the project.
            directory: where the image goes.

        """
        return directory / path.name if self.project.unpacked else path

    def dialogue_for(self, entry_point: EntryPoint) -> str | None:
        """Return the name that a dialogue has where the application does not start; None if it wants a terminal."""
        return None if self.settings.desktop.wants_terminal(entry_point) else self.settings.image.name.shown


def resolve_inputs(
    project: Project,
    package: Wheel | Release | None,
    settings: Settings,
    architecture: Architecture,
    work: Path,
    *,
    extra_files: Callable[[], list[tuple[Path, str]]],
    timestamp: Callable[[], int | None],
    isolated: bool,
    declare: Callable[[int | None], Declaration],
) -> BuildInputs:
    """Find all that a build needs; build nothing.

    Args:
        project: what is packed.
        package: its wheel, or what the index has of it; None if the wheel is to be built.
        settings: the values of all options.
        architecture: that the image is for.
        work: where a Python is unpacked to, if need be; it must last as long as what is returned.
        extra_files: finds what is to be added to the AppDir, as pairs of a file and its path there.
        timestamp: finds the time of every file, in seconds since the epoch; None keeps their own.
        isolated: the environment that this process runs in was not made for the project's back end.
        declare: returns what the image is to say of what was decided, of which that time is a part.

    Raises:
        ConfigurationError: with all that is not there, or cannot be, at once.

    """
    image, release = settings.image, settings.release
    file_name = image_name(image.name.in_files, project.version, architecture.name)
    errors = ErrorCollector()
    errors.catch(check_length, file_name)
    update_information = errors.catch(release.update_line, image.name, project.version, architecture.name)
    runtime = errors.catch(_load_runtime, image.runtime, architecture)
    launcher = errors.catch(launcher_path, architecture.name)
    signer = errors.catch(Signer.find, release.sign_key) if release.sign else None
    source = settings.python.python.of(architecture)
    python = errors.catch(provide_python, source, architecture, work, requires_python=project.requires_python)
    policy = settings.libraries
    library_lock = policy.library_lock if policy.library_lock and policy.library_lock.of(architecture) else None
    build_python = errors.catch(_build_python, python, project) if python else None
    system = errors.catch(_read_system, policy, architecture, python, library_lock)
    apt = errors.catch(_find_apt, policy, architecture, python) if python and system and not library_lock else None
    trace = errors.catch(_read_trace, settings.image.trace, system) if system else None
    files = errors.catch(extra_files)
    seconds = errors.catch(timestamp)
    inputs = BuildInputs(
        project=project,
        package=package,
        isolated=isolated or settings.install.build_constraints is not None or _is_other_python(build_python),
        settings=settings,
        architecture=architecture,
        file_name=file_name,
        update_information=update_information,
        runtime=runtime,
        launcher=launcher,
        signer=signer,
        python=python,
        build_python=build_python,
        system=system,
        apt=apt,
        remedy=_find_remedy(policy, architecture, python) if python and not library_lock else "",
        build_packages=errors.catch(_fetch_build_packages, settings, python, architecture, work) if python else None,
        library_lock=library_lock,
        musl=errors.catch(_find_musl, python, system, architecture) if python and system and python.musl else None,
        extra_files=[*trace.files, *files] if trace and files is not None else files,
        trace=trace or Trace(),
        timestamp=seconds,
        declaration=declare(seconds),
        results=errors.catch(Results.of_user),
    )
    if python and not settings.install.lock:
        errors.catch(_check_bindings, inputs)
    if signer and settings.launcher.manage:
        errors.catch(check_verifiable, signer)
    if inputs.runtime:
        errors.catch(check_sections, inputs.runtime, inputs.update_information, signs=inputs.signer is not None)
    if python:
        errors.catch(_check_bytecode, inputs)
        errors.catch(_check_after_install, inputs)
    errors.raise_all()
    return inputs


def _load_runtime(path: Path | None, architecture: Architecture) -> Runtime:
    return load_runtime(path or runtime_path(architecture.name), architecture)


def _build_python(python: PythonInstallation, project: Project) -> Path | None:
    if is_runnable(python.elf):
        return python.executable
    return find_build_python(python.version, project.uv_root)


def _is_other_python(path: Path | None) -> bool:
    """Whether a wheel that is built by this process's Python need not be one for the Python of an image."""
    return path is not None and path.resolve() != own_python().resolve()


def _fetch_build_packages(
    settings: Settings, python: PythonInstallation, architecture: Architecture, work: Path
) -> BuildPackages | None:
    """Get what compiling needs; nothing is compiled for a Python that does not run here."""
    names = settings.install.build_packages
    if not names or not is_runnable(python.elf):
        return None
    return fetch_build_packages(names, architecture, work / "build-packages")


def _find_apt(policy: LibraryPolicy, architecture: Architecture, python: PythonInstallation) -> Apt | None:
    """Return what gets libraries that lack: this machine's, as far as its programs run here, or those of a release."""
    sysroot = policy.sysroot.of(architecture)
    if isinstance(sysroot, DistributionRelease):
        return Apt.of_release(sysroot, architecture)
    return Apt.of_machine() if policy.fetch_libraries and _is_for_here(sysroot, python) else None


def _find_remedy(policy: LibraryPolicy, architecture: Architecture, python: PythonInstallation) -> str:
    """Return what to do so that this machine's apt gets libraries, where it does not."""
    is_for_here = _is_for_here(policy.sysroot.of(architecture), python)
    return how_to_allow(allowed=policy.fetch_libraries) if is_for_here else ""


def _is_for_here(sysroot: Path | DistributionRelease, python: PythonInstallation) -> bool:
    """Whether libraries are this machine's, and its programs run here."""
    return sysroot == Path("/") and is_runnable(python.elf) and not python.musl


def _read_system(
    policy: LibraryPolicy, architecture: Architecture, python: PythonInstallation | None, lock: LibraryLock | None
) -> System:
    """Read where libraries are; this machine's loader looks into its user's directories first."""
    sysroot = policy.sysroot.of(architecture)
    if isinstance(sysroot, DistributionRelease):
        if lock is None:
            return release_system(sysroot, architecture, Apt.of_release(sysroot, architecture))
        system = empty_system(sysroot)
    else:
        users = os.environ.get("LD_LIBRARY_PATH", "") if sysroot == Path("/") else ""
        system = System.read(sysroot, architecture, users, musl=python is not None and python.musl)
    if lock is None:
        return system
    return add_locked(lock, system, architecture, _find_apt_for_lock(sysroot, architecture), policy.library_snapshots)


def _find_apt_for_lock(sysroot: Path | DistributionRelease, architecture: Architecture) -> Apt | None:
    """Return what can get the packages of a lock; they may be had elsewhere where there is no apt."""
    if is_offline():
        return None
    if isinstance(sysroot, Path):
        return Apt.of_machine() if architecture == native_architecture() else None
    try:
        return Apt.of_release(sysroot, architecture)
    except AppImageError:
        return None


def _read_trace(path: Path | bool, system: System) -> Trace:  # noqa: FBT001 - as the option has it
    return Trace() if isinstance(path, bool) or not path.exists() else read_trace(path, system)


def _find_musl(python: PythonInstallation, system: System, architecture: Architecture) -> Musl:
    if not is_runnable(python.elf):
        check_musl_platform(architecture, python=python.source)
    return find_musl(system, architecture, python=python.source)


def _check_bindings(inputs: BuildInputs) -> None:
    """See that nothing would come from the index that the project has elsewhere."""
    package, settings = inputs.package, inputs.settings.install
    if isinstance(package, Release):
        return
    version = inputs.python.version.removesuffix("+")
    environment = default_environment()
    environment["python_full_version"] = version
    environment["python_version"] = ".".join(version.split(".")[:2])
    environment["platform_machine"] = inputs.architecture.machine
    needed = requirements_of(read_metadata(package), settings.features, environment) if package else None
    scope = Scope.of(environment, settings.features, settings.dependency_groups)
    check_declared(inputs.project.uv_root, scope, needed, settings.further, settings.constraints)


def _check_bytecode(inputs: BuildInputs) -> None:
    """See that bytecode can be compiled where an image is to have nothing else."""
    if inputs.settings.bytecode.bytecode == ONLY and inputs.build_python is None:
        version = ".".join(inputs.python.version.split(".")[:2])
        raise AppImageError(
            f'`bytecode = "only"` needs a Python {version} that runs on this machine, and there is none: install one, '
            "or leave the option out"
        )


def _check_after_install(inputs: BuildInputs) -> None:
    """See that a script of the project is run for an image that this machine cannot run only if it may be."""
    install = inputs.settings.install
    if install.after_install and inputs.cross and not install.after_install_cross:
        raise AppImageError(
            f"`after-install` is not run for {inputs.architecture.name}: the bundled Python does not run on this "
            "machine. If the script starts nothing of the AppDir, set `after-install-cross = true`"
        )
