# SPDX-License-Identifier: MIT
"""Install the wheel and what it needs into the AppDir."""

from __future__ import annotations

import logging
import re
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

from hatch_appimage.errors import AppImageError
from hatch_appimage.packages.bindings import Scope, check_resolved, found_by_name, has_followed, placed_names
from hatch_appimage.packages.from_source import SourcePackages, is_source
from hatch_appimage.packages.headers import missing_headers
from hatch_appimage.packages.lock import InstallRequest, read_lock, resolve, source_of, write_pylock
from hatch_appimage.packages.requirements import applies, check_fit, requirements_of
from hatch_appimage.packages.target import TargetEnvironment
from hatch_appimage.process import ProcessError
from hatch_appimage.project.wheel import Wheel, read_metadata
from hatch_appimage.python.installed import (
    installed_distributions,
    is_metadata,
    name_of,
    names_of_contested,
    paths_of,
    wheels_by_file,
)
from hatch_appimage.python.interpreter_shim import newest_glibc, write_interpreter_shim
from hatch_appimage.redact import redact
from hatch_appimage.uv import check_settings, run_uv

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from importlib.metadata import PathDistribution

    from packaging.markers import Environment
    from packaging.pylock import Package as LockedPackage

    from hatch_appimage.architecture import Architecture
    from hatch_appimage.layout import AppDir
    from hatch_appimage.libraries.build_packages import BuildPackages
    from hatch_appimage.packages.lock import Lock
    from hatch_appimage.packages.settings import InstallSettings
    from hatch_appimage.project.metadata import Project
    from hatch_appimage.project.wheel import Release
    from hatch_appimage.python import BundledPython

log = logging.getLogger(__name__)


# The architectures whose platforms uv knows by name (`uv pip install --help`, --python-platform); those for musl mean
# 1.2.
_PLATFORMS_OF_UV = frozenset({"aarch64", "x86_64"})
_MANYLINUX_OF_UV = ((2, 17), (2, 28), *((2, minor) for minor in range(31, 41)))

# How uv says that a package has no wheel that fits.
_NO_WHEEL = re.compile(r"Wheels are required for `([^`]+)` because building from source is disabled")

# A field of core metadata (https://packaging.python.org/en/latest/specifications/core-metadata/#requires-dist).
_REQUIREMENT = re.compile(r"^Requires-Dist:.*@.*$", re.MULTILINE)

# What installers note of where a package came from: directories and times of this machine (PEP 610; uv's cache key).
_ORIGINS = ("direct_url.json", "uv_cache.json", "uv_build.json")


@dataclass(frozen=True)
class Package:
    """An installed distribution.

    Attributes:
        name: normalised.
        version: as its metadata has it.
        size: of its files in bytes, without bytecode.

    """

    name: str
    version: str
    size: int


@dataclass(frozen=True)
class Installation:
    """What was installed.

    Attributes:
        packages: by name.
        sources: where all but the project's own wheel are from, as a lock file says it, by name.
        requirements: what the project and the image's further requirements ask for.
        environment: the values of markers that they were chosen by.
        lock: the lock file that decided; None if there was none.
        build_tools: what built the project's wheel and packages that have none, as sorted requirements by their names;
            the project is not among them if its wheel was there already.

    """

    packages: tuple[Package, ...]
    sources: tuple[LockedPackage, ...]
    requirements: tuple[Requirement, ...]
    environment: Environment
    lock: Lock | None = None
    build_tools: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def check_musl_platform(architecture: Architecture, *, python: str) -> None:
    """See that wheels can be chosen for a Python for musl that does not run here.

    Args:
        architecture: that it is for.
        python: where it comes from, as messages say it.

    Raises:
        AppImageError: they cannot.

    """
    if architecture.name not in _PLATFORMS_OF_UV:
        raise AppImageError(
            f"The Python at {python} is for musl and does not run here: wheels for {architecture.name} with musl can "
            "be chosen only where it runs"
        )


def install_packages(
    source: Wheel | Release,
    appdir: AppDir,
    python: BundledPython,
    project: Project,
    settings: InstallSettings,
    *,
    architecture: Architecture,
    max_glibc: tuple[int, ...] | None = None,
    musl: tuple[int, ...] | None = None,
    build_packages: BuildPackages | None = None,
) -> Installation:
    """Install the project, its dependencies and further requirements.

    Which files they are is decided before anything is installed, by the lock or by uv; uv then installs these files and
    no others, and verifies their hashes.

    Args:
        source: the project's wheel, or what the index has of it.
        appdir: where they go; the Python need not lie there yet.
        python: what the Python is there.
        project: what is installed; its directory's uv settings count.
        settings: what is installed beside it, and what decides which versions.
        architecture: that the Python is for.
        max_glibc: the newest glibc that wheels may need; None for this machine's.
        musl: the version of musl that wheels are chosen for; None for a Python that is not for musl.
        build_packages: what compilers find beside what the machine has; None for nothing.

    Raises:
        AppImageError: the requirements contradict each other, a package cannot be had or built, or has another hash
            than it should (uv says which), or the lock does not fit the project.

    """
    check_settings(project.uv_root)
    if python.cross and isinstance(source, Wheel):
        _check_wheel(source, architecture, musl=python.musl)
    with (
        TemporaryDirectory(prefix="hatch-appimage-uv-") as directory,
        _explained(_platform_name(architecture, max_glibc, musl), cross=python.cross),
    ):
        interpreter = _interpreter(python, appdir, architecture, max_glibc, Path(directory))
        platform, limit = _platform(python, architecture, max_glibc)
        target = TargetEnvironment.of(interpreter, answer=python.platform, max_glibc=limit, musl=musl)
        who = "its wheel needs" if isinstance(source, Wheel) else "the image needs"
        wanted = {
            who: _needed(source, settings.features, target.environment),
            "`requirements` has": _applicable(settings.requirements, target.environment),
            "`requirements-file` has": _applicable(settings.of_files, target.environment),
        }
        further = (*wanted["`requirements` has"], *wanted["`requirements-file` has"])
        request = InstallRequest(
            project=project.name,
            own=isinstance(source, Wheel),
            root=project.uv_root,
            target=target,
            # The project may have set another version for its own requirements files.
            options=("--python", interpreter, "--python-version", python.version.removesuffix("+")),
            platform=platform,
            roots=tuple(chain(*wanted.values())),
            features=tuple(settings.features),
            groups=tuple(settings.dependency_groups),
        )
        scope = Scope.of(target.environment, settings.features, settings.dependency_groups)
        if settings.lock:
            packages = read_lock(settings.lock, request)
        else:
            asked = [source.requirement(settings.features), *settings.requirements]
            own = project.uv_root / "pyproject.toml" if has_followed(project.uv_root, scope) else None
            placed = placed_names(further, settings.constraints)
            packages = resolve(
                asked,
                request,
                settings.constraints,
                files=settings.requirements_file,
                build_constraints=settings.build_constraints,
                project=own,
                placed=placed,
            )
            directories = (Path(it.directory.path) for it in packages if it.directory)
            check_resolved(packages, project.uv_root, directories, scope, request.roots)
        if python.cross:
            _refuse_sources(packages, _platform_name(architecture, max_glibc, musl))
        from_source = SourcePackages.of(interpreter, settings.build_constraints, build_packages)
        indexes = tuple(line for file in settings.requirements_file for line in file.indexes)
        by_name = [] if settings.lock else found_by_name(packages, project.uv_root, scope)
        itself = canonicalize_name(project.name)
        install = partial(
            _install_packages,
            by_name=by_name,
            request=request,
            indexes=indexes,
            prefix=appdir.usr,
            from_source=from_source,
        )
        tools = _install_in_order(packages, itself, python, install)
        if isinstance(source, Wheel):
            _install("--no-deps", "--", source.path, request=request, prefix=appdir.usr)
            if source.build_tools is not None:
                tools[itself] = source.build_tools
    (appdir.usr / ".lock").unlink(missing_ok=True)
    for distribution in installed_distributions(python):
        _forget_origin(distribution)
        _leave_out_secrets(distribution)
    if settings.lock:
        check_fit(settings.lock, installed_distributions(python), wanted, target.environment)
    distribution = _check_installed(python, project)
    if python.cross:
        _check_platforms(python, architecture)
    installed = sorted(map(_package, installed_distributions(python)), key=lambda package: package.name)
    roots = (*requirements_of(distribution, settings.features, target.environment), *further)
    return Installation(tuple(installed), tuple(packages), roots, target.environment, settings.lock, tools)


def _interpreter(
    python: BundledPython,
    appdir: AppDir,
    architecture: Architecture,
    max_glibc: tuple[int, ...] | None,
    directory: Path,
) -> Path:
    """Return the Python that says what packages are for; for one that does not run here a shim is written."""
    if not python.cross:
        return python.interpreter
    shim = directory / "python"
    write_interpreter_shim(
        shim,
        python,
        architecture,
        prefix=appdir.usr,
        interpreter=python.build_python or Path(sys.executable),
        glibc=newest_glibc(max_glibc),
    )
    return shim


def _platform(
    python: BundledPython, architecture: Architecture, max_glibc: tuple[int, ...] | None
) -> tuple[tuple[str, ...], tuple[int, ...] | None]:
    """Return uv's options for a platform other than the interpreter's own, and the newest glibc that they mean."""
    if python.cross:
        named = ("--python-platform", f"{architecture.machine}-unknown-linux-musl") if python.musl else ()
        return (*named, "--only-binary", ":all:"), max_glibc
    if python.musl or max_glibc is None or architecture.name not in _PLATFORMS_OF_UV:
        return (), max_glibc
    # The newest one within the limit that uv has a name for; the oldest if there is none.
    limit = max((known for known in _MANYLINUX_OF_UV if known <= max_glibc), default=_MANYLINUX_OF_UV[0])
    return ("--python-platform", f"{architecture.machine}-manylinux_{'_'.join(map(str, limit))}"), limit


@contextmanager
def _explained(platform: str, *, cross: bool) -> Iterator[None]:
    """Say what can be done about packages without wheels: for another platform, or where they cannot be compiled."""
    try:
        yield
    except ProcessError as error:
        if headers := missing_headers(error.output):
            raise AppImageError(headers) from error
        missing = dict.fromkeys(_NO_WHEEL.findall(" ".join(error.output.split())))
        if not cross or not missing:
            raise
        raise _without_wheels(missing, platform) from error


def _refuse_sources(packages: Iterable[LockedPackage], platform: str) -> None:
    """Refuse what a lock has for a platform other than this machine's that would have to be built from source."""
    missing = [package.name for package in packages if not package.wheels]
    if missing:
        raise _without_wheels(missing, platform)


def _platform_name(architecture: Architecture, max_glibc: tuple[int, ...] | None, musl: tuple[int, ...] | None) -> str:
    """Return what messages call the platform that wheels are for.

    Args:
        architecture: of the image.
        max_glibc: the newest glibc that wheels may need; None for this machine's.
        musl: the version of musl that they are for; None for glibc.

    """
    name, version = ("musl", musl[:2]) if musl else ("glibc", newest_glibc(max_glibc))
    return f"{architecture.name} with {name} {'.'.join(map(str, version))} or older"


def _without_wheels(names: Iterable[str], platform: str) -> AppImageError:
    return AppImageError(
        "\n".join(
            f"{name} has no wheel for {platform}, and nothing is built from source for a Python that does not run "
            "here: require another release, give uv a wheel (`find-links`), or build on such a machine"
            for name in names
        )
    )


def _check_wheel(wheel: Wheel, architecture: Architecture, *, musl: bool) -> None:
    """Refuse a wheel that was compiled here for a Python that does not run here."""
    *_, tags = parse_wheel_filename(wheel.path.name)
    kind = "musllinux_" if musl else ""
    platforms = [tag.platform for tag in tags]
    if not any(it == "any" or (it.startswith(kind) and it.endswith(f"_{architecture.machine}")) for it in platforms):
        raise AppImageError(
            f"The project's wheel {wheel.path.name} has extension modules for this machine and cannot go into an image "
            f"for {architecture.name}{' with musl' if musl else ''}: build that on such a machine"
        )


def _check_platforms(python: BundledPython, architecture: Architecture) -> None:
    """See that uv took the wheels for the platform that it was told of."""
    for wheel in set(wheels_by_file(python).values()):
        if not any(tag == "any" or tag.endswith(f"_{architecture.machine}") for tag in wheel.tags):
            raise AppImageError(
                f"The wheel of {wheel.name} {wheel.version} is for {', '.join(wheel.tags)}, "
                f"and the image for {architecture.name}"
            )


def _needed(source: Wheel | Release, features: Iterable[str], environment: Environment) -> tuple[Requirement, ...]:
    """Return what has to be installed for the project; what the index has of it is among that itself."""
    if isinstance(source, Wheel):
        return requirements_of(read_metadata(source), features, environment)
    return (Requirement(source.requirement(features)),)


def _applicable(requirements: Iterable[str], environment: Environment) -> tuple[Requirement, ...]:
    return tuple(requirement for requirement in map(Requirement, requirements) if applies(requirement, (), environment))


def _install(*what: str | Path, request: InstallRequest, prefix: Path) -> None:
    run_uv(_install_command(request, prefix, *what), doing=_doing(request), cwd=request.root)


def _install_command(request: InstallRequest, prefix: Path, *what: str | Path) -> list[str | Path]:
    return [
        *("pip", "install", *request.options, *request.platform, "--prefix", prefix),
        # Links into the user's cache would let what is done to the files here reach it.
        *("--link-mode", "copy", "--no-compile-bytecode", "--preview-features", "pylock"),
        *what,
    ]


def _doing(request: InstallRequest) -> str:
    return f"install {request.project} and its dependencies"


def _install_in_order(
    packages: Sequence[LockedPackage],
    project: str,
    python: BundledPython,
    install: Callable[..., dict[str, tuple[str, ...]]],
) -> dict[str, tuple[str, ...]]:
    """Install packages; of a file that several have, the same one stays each time.

    Args:
        packages: all of them.
        project: the project's normalized name.
        python: the Python that they are for.
        install: `_install_packages` with all that is the same for each.

    Returns:
        what built those that have no wheel, as sorted requirements by their names.

    """
    others = [package for package in packages if package.name != project]
    tools = install(others)
    # uv installs all at once, so whose file came last is chance.
    contested = names_of_contested(python)
    for package in sorted(others, key=lambda package: package.name):
        if package.name in contested:
            tools |= install([package], options=["--reinstall"])
    # The project comes last: where another package has a command of the same name, the project's counts.
    return tools | install([package for package in packages if package.name == project])


def _install_packages(
    packages: Sequence[LockedPackage],
    *,
    by_name: Collection[LockedPackage],
    request: InstallRequest,
    indexes: Sequence[str],
    prefix: Path,
    from_source: SourcePackages,
    options: Sequence[str] = (),
) -> dict[str, tuple[str, ...]]:
    """Install the files that were chosen, and let uv verify their hashes.

    Args:
        packages: with one source each.
        by_name: those to be asked for on the index where they were found, which uv has the credentials and a cache of;
            all others come from the very addresses that were chosen.
        request: what they are for.
        indexes: the lines of files of requirements that name some.
        prefix: where they go.
        from_source: builds those that have no wheel.
        options: further options for uv.

    Returns:
        what built these, as sorted requirements by their names.

    """
    tools: dict[str, tuple[str, ...]] = {}
    with TemporaryDirectory() as directory:
        for package in filter(is_source, packages):
            alone = _choice([package], Path(directory), indexes if package in by_name else None)
            command = _install_command(request, prefix, *options, *alone)
            tools[package.name] = from_source.install(package, command, doing=_doing(request), cwd=request.root)
        wheels = [package for package in packages if not is_source(package)]
        for listed in (False, True):
            if chosen := [package for package in wheels if (package in by_name) == listed]:
                alone = _choice(chosen, Path(directory), indexes if listed else None)
                _install(*options, *alone, request=request, prefix=prefix)
    return tools


def _choice(
    packages: Sequence[LockedPackage], directory: Path, indexes: Sequence[str] | None
) -> tuple[str | Path, ...]:
    """Write down files that were chosen, and return the options of uv that mean them and no others.

    Args:
        packages: whose files they are.
        directory: where they are written down.
        indexes: lines that say where they are looked up by name, too; None for files that come from their addresses.

    """
    if indexes is not None:
        file = directory / "requirements.txt"
        # On a command line, everyone on the machine would see the passwords in them.
        file.write_text("".join([*(f"{line}\n" for line in indexes), *map(_pin, packages)]), encoding="utf-8")
        return ("--no-deps", "--require-hashes", "--requirements", file)
    file = directory / "pylock.toml"
    file.write_text(write_pylock(packages), encoding="utf-8")
    return ("--requirements", file)


def _pin(package: LockedPackage) -> str:
    """Return the line of a requirements file that means one file only."""
    source = source_of(package)
    hashes = getattr(source, "hashes", {})
    return f"{package.name}=={package.version} {' '.join(f'--hash={name}:{hashes[name]}' for name in hashes)}\n"


def _check_installed(python: BundledPython, project: Project) -> PathDistribution:
    """See that uv put the packages where it was told to, and for the Python that it was told; return the project's."""
    for distribution in installed_distributions(python):
        if name_of(distribution) == canonicalize_name(project.name):
            return distribution
    raise AppImageError(f"uv did not install {project.name} into the image: check the settings in [tool.uv.pip]")


def _package(distribution: PathDistribution) -> Package:
    size = sum(
        path.stat().st_size
        for path in (Path(str(file.locate())) for file in distribution.files or ())
        if path.is_file()
    )
    return Package(name_of(distribution), distribution.version, size)


def _forget_origin(distribution: PathDistribution) -> None:
    for file in distribution.files or ():
        if file.name in _ORIGINS and is_metadata(file):
            Path(str(file.locate())).unlink(missing_ok=True)


def _leave_out_secrets(distribution: PathDistribution) -> None:
    """Take passwords and tokens out of the direct references of a distribution's metadata."""
    for file in distribution.files or ():
        if file.name == "METADATA" and is_metadata(file):
            path = Path(str(file.locate()))
            text = path.read_bytes().decode("utf-8", "surrogateescape")
            public = _REQUIREMENT.sub(lambda match: redact(match[0]), text)
            if public != text:
                path.write_bytes(public.encode("utf-8", "surrogateescape"))


def application_files(appdir: AppDir, python: BundledPython, project: Project) -> list[str]:
    """Return what changes with every release of a project: its files and bytecode, by paths below the AppDir."""
    paths = {*appdir.root.glob("*.desktop"), *appdir.applications.glob("*.desktop"), appdir.pylock, appdir.sbom}
    paths |= {appdir.identity, appdir.build_record}
    for distribution in installed_distributions(python):
        if name_of(distribution) == canonicalize_name(project.name):
            for path in paths_of(distribution):
                paths |= {path, *path.parent.glob(f"__pycache__/{path.stem}.*.pyc")}
    return sorted(str(path.relative_to(appdir.root)) for path in paths if path.is_file())
