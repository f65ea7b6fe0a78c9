# SPDX-License-Identifier: MIT
"""Which files are installed: from a lock file of any kind, or as uv resolves the project's requirements.

Either way the outcome is one file, or one other source, a package, with its hashes; uv verifies them.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import tomli_w
from packaging.pylock import (
    Package,
    PackageArchive,
    PackageDirectory,
    PackageSdist,
    PackageVcs,
    PackageWheel,
    Pylock,
    PylockSelectError,
    PylockValidationError,
    is_valid_pylock_path,
)
from packaging.tags import create_compatible_tags_selector
from packaging.utils import canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from hatch_appimage.errors import AppImageError
from hatch_appimage.packages.file_names import file_key, is_standard_sdist_name, last_part, standard_wheel_name
from hatch_appimage.packages.poetry import read_poetry_lock
from hatch_appimage.process import ProcessError
from hatch_appimage.project.requirements_file import read_requirements_file
from hatch_appimage.project.script import SCRIPT_LOCK
from hatch_appimage.source_build import constrain_tools
from hatch_appimage.toml import read_toml, tomllib
from hatch_appimage.uv import prefers_source, run_uv
from hatch_appimage.workspace import find_members, find_workspace, read_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from packaging.requirements import Requirement

    from hatch_appimage.packages.target import TargetEnvironment
    from hatch_appimage.project.requirements_file import RequirementsFile

log = logging.getLogger(__name__)

Source = PackageWheel | PackageSdist | PackageArchive | PackageVcs | PackageDirectory
S = TypeVar("S", bound=Source | None)
# Tells of a file, by the name of its package, its own name and its hashes, whether a lock has it.
Listed: TypeAlias = "Callable[[str, str, Mapping[str, str]], bool]"

# What is used without being named, the first that there is; a workspace of uv has one lock for all of its members.
_FOUND = ("pylock.toml", "uv.lock")
_BESIDE = "beside pyproject.toml"
KINDS = (
    "`pylock.toml`, `pylock.<name>.toml`, `uv.lock`, `<script>.py.lock`, `poetry.lock` or a `.txt` file of "
    "requirements with hashes"
)


@dataclass(frozen=True)
class Lock:
    """A lock file.

    Attributes:
        path: where it is; the name says what kind it is.
        found: where it was found without being named, in a few words; empty if somebody named it.

    """

    path: Path
    found: str = ""

    def __str__(self) -> str:
        hint = f" (found {self.found}; `lock = false` leaves it aside)" if self.found else ""
        return f"{self.path.name}{hint}"

    @classmethod
    def named(cls, path: Path) -> Lock:
        """Return the lock of a path.

        Raises:
            ValueError: no kind of lock has such a name; the text completes "Option `lock` ".

        """
        is_known = path.name in ("uv.lock", "poetry.lock") or path.suffix == ".txt" or is_valid_pylock_path(path)
        if not is_known and not _is_of_script(path):
            raise ValueError(f"names a file of a kind that cannot be read: `{path.name}`; known are {KINDS}")
        return cls(path)

    @classmethod
    def find(cls, root: Path) -> Lock | None:
        """Look for a lock beside a project's ``pyproject.toml``, and for that of its workspace."""
        for name in _FOUND:
            if (root / name).is_file():
                return cls(root / name, found=_BESIDE)
        workspace = find_workspace(root)
        if workspace and (workspace / "uv.lock").is_file():
            return cls(workspace / "uv.lock", found="in the workspace")
        if (root / "poetry.lock").is_file() and _is_of_poetry(root / "pyproject.toml"):
            return cls(root / "poetry.lock", found=_BESIDE)
        return None


def _is_of_poetry(file: Path) -> bool:
    """Whether a project is Poetry's; others may have a ``poetry.lock`` of earlier days."""
    builds = read_table(file, "build-system") or {}
    return read_table(file, "tool", "poetry") is not None or str(builds.get("build-backend")).startswith("poetry.")


@dataclass(frozen=True)
class InstallRequest:
    """What is to be installed, and for what.

    Attributes:
        project: the project's name.
        own: its wheel is there already, and what a lock says of it does not count.
        root: its directory, whose settings of uv count.
        target: the bundled Python and its platform.
        options: by which uv knows that Python.
        platform: and its platform, where that is not this machine's own.
        roots: what the project requires in the target.
        features: its optional dependencies.
        groups: dependency groups (PEP 735).

    """

    project: str
    own: bool
    root: Path
    target: TargetEnvironment
    options: tuple[str | Path, ...]
    platform: tuple[str, ...] = ()
    roots: tuple[Requirement, ...] = ()
    features: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()


def read_lock(lock: Lock, request: InstallRequest) -> list[Package]:
    """Choose what a lock has for a request.

    Returns:
        packages in the order of their names, each with one source and, where that is a file, its hashes; paths are
        absolute.

    Raises:
        AppImageError: the lock cannot be read, is out of date, has no hashes, or nothing that fits the target.

    """
    path = lock.path
    if path.name == "uv.lock" or _is_of_script(path):
        return _read_uv_lock(path, request)
    if path.name == "poetry.lock":
        return _read_poetry_lock(path, request)
    if path.suffix == ".txt":
        return _read_requirements(path, request)
    return _choose(_parse(read_toml(path), path), path, request)


def resolve(
    requirements: Iterable[str],
    request: InstallRequest,
    constraints: Path | None,
    *,
    files: Iterable[RequirementsFile] = (),
    build_constraints: Path | None = None,
    project: Path | None = None,
    placed: Iterable[str] = (),
) -> list[Package]:
    """Let uv choose packages for requirements (PEP 508), as the lists of `read_lock` have them.

    Args:
        requirements: those of the image; the features of the project are among them.
        request: what else is to be installed, and for what.
        constraints: a file that narrows versions.
        files: further requirements; where they have hashes of a package, it comes from such a file.
        build_constraints: a file that narrows the versions of build tools.
        project: a ``pyproject.toml`` whose dependencies are resolved, too, by what it says to uv of their places.
        placed: names for which it does not count what that says.

    Raises:
        AppImageError: they contradict each other, or a package cannot be had; uv says which.

    """
    arguments: list[str | Path] = [f"--group={group}" for group in request.groups]
    arguments += constrain_tools(build_constraints)
    if constraints:
        arguments += ["--constraint", constraints]
    if project:
        arguments += [f"--extra={feature}" for feature in request.features]
        arguments += [*(f"--no-sources-package={name}" for name in sorted(placed)), project]
    with TemporaryDirectory() as directory:
        file = Path(directory, "requirements.txt")
        file.write_text("".join(f"{requirement}\n" for requirement in requirements), encoding="utf-8")
        everything = [*arguments, *(each.path for each in files), file]
        pylock = _compile(everything, request, doing=f"install {request.project} and its dependencies")
    hashed = next((each.path for each in files if each.hashes), None)

    def listed(package: str, _: str, found: Mapping[str, str]) -> bool:
        return all(each.allows(package, found) for each in files)

    path = hashed or request.root / "pyproject.toml"
    return _choose(pylock, path, replace(request, features=(), groups=()), listed if hashed else None)


def source_of(package: Package) -> Source:
    """Return the only source of a package that was chosen."""
    for source in (package.vcs, package.directory, package.archive, *(package.wheels or ()), package.sdist):
        if source is not None:
            return source
    raise ValueError(f"{package.name} has no source")


def write_pylock(packages: Iterable[Package], **fields: Any) -> str:
    """Write a ``pylock.toml`` (https://packaging.python.org/en/latest/specifications/pylock-toml/).

    Args:
        packages: what it locks.
        fields: further attributes of `packaging.pylock.Pylock`.

    """
    pylock = Pylock(lock_version=Version("1.0"), created_by="hatch-appimage", packages=list(packages), **fields)
    pylock.validate()
    return tomli_w.dumps(dict(pylock.to_dict()))


def _compile(arguments: Sequence[str | Path], request: InstallRequest, *, doing: str) -> Pylock:
    """Let uv resolve requirements to a ``pylock.toml`` (PEP 751)."""
    platform = () if "--universal" in arguments else request.platform
    with TemporaryDirectory() as directory:
        file = Path(directory, "pylock.toml")
        run_uv(
            [
                *("pip", "compile", "--quiet", "--format", "pylock.toml", "--output-file", file),
                *(*request.options, *platform, *arguments),
            ],
            doing=doing,
            cwd=request.root,
        )
        # It is for this very Python; what uv writes of that would refuse one before its release.
        return replace(_parse(read_toml(file), file), requires_python=None)


def _parse(document: Mapping[str, Any], path: Path) -> Pylock:
    """Read a ``pylock.toml`` (https://packaging.python.org/en/latest/specifications/pylock-toml/).

    Relative paths in it are made absolute: they are relative to its directory.
    """
    try:
        pylock = Pylock.from_dict(_with_standard_names(document))
        return replace(pylock, packages=[_absolute(package, path.parent) for package in pylock.packages])
    except PylockValidationError as error:
        if "hash" in str(error):
            raise AppImageError(f"{path} lacks hashes, lock again with a tool that writes them: {error}") from error
        raise AppImageError(f"{path} does not have what a pylock.toml must have: {error}") from error


def _with_standard_names(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a lock whose files all have names that the specification allows, wherever they are."""
    packages = document.get("packages")
    if not isinstance(packages, list):
        return document
    return {**document, "packages": [_name_files(it) if isinstance(it, dict) else it for it in packages]}


def _name_files(package: dict[str, Any]) -> dict[str, Any]:
    named = dict(package)
    if isinstance(wheels := package.get("wheels"), list):
        named["wheels"] = [_name_wheel(wheel) if isinstance(wheel, dict) else wheel for wheel in wheels]
    sdist, name, version = package.get("sdist"), package.get("name"), package.get("version")
    if isinstance(sdist, dict) and isinstance(name, str) and isinstance(version, str):
        with suppress(InvalidVersion):
            if not is_standard_sdist_name(_document_name(sdist), name, str(Version(version))):
                named["sdist"] = {**sdist, "name": f"{name.replace('-', '_')}-{Version(version)}.tar.gz"}
    return named


def _name_wheel(wheel: dict[str, Any]) -> dict[str, Any]:
    name = _document_name(wheel)
    standard = standard_wheel_name(name)
    return wheel if standard == name else {**wheel, "name": standard}


def _document_name(file: Mapping[str, Any]) -> str:
    return str(file.get("name") or last_part(str(file.get("path") or file.get("url") or "")))


def _is_of_script(path: Path) -> bool:
    """Whether a file is named as `uv lock --script` does it: the script's name with ``.lock`` behind it."""
    return path.suffix == SCRIPT_LOCK and path.with_suffix("").suffix in (".py", ".pyw")


def _read_uv_lock(path: Path, request: InstallRequest) -> list[Package]:
    """Let uv turn its own lock into a ``pylock.toml``, after it has compared it with ``pyproject.toml``."""
    document = read_toml(path)
    hashes, unhashed = _uv_files(document)
    script = path.with_suffix("") if _is_of_script(path) else None
    arguments: list[str | Path] = [
        *("export", "--quiet", "--format", "pylock.toml", "--python", request.target.interpreter, "--no-editable"),
        *(("--script", script) if script else ("--package", request.project, "--no-emit-project")),
        "--no-default-groups",
        *(f"--extra={name}" for name in request.features),
        *(f"--group={name}" for name in request.groups),
    ]
    doing = f"read {path}"
    try:
        text = run_uv([*arguments, "--locked"], doing=doing, cwd=path.parent)
    except ProcessError as error:
        if "needs to be updated" in error.output:
            raise AppImageError(_why_out_of_date(path, script, document, request.target)) from error
        text = run_uv([*arguments, "--frozen"], doing=doing, cwd=path.parent)
        reason = error.output.splitlines()[0].removeprefix("error: ")
        log.warning("Whether %s is up to date with pyproject.toml cannot be told: %s", path.name, reason)

    def listed(_package: str, name: str, found: Mapping[str, str]) -> bool:
        if not hashes.isdisjoint(_texts(found)):
            return True
        if file_key(name) not in unhashed:
            return False
        log.warning("%s has no hash of %s, as uv writes none for files in directories: it is not verified", path, name)
        return True

    # What is exported has been chosen by features and groups already. Hashes that the lock lacks uv makes up.
    return _choose(_parse(tomllib.loads(text), path), path, replace(request, features=(), groups=()), listed)


def _why_out_of_date(path: Path, script: Path | None, document: Mapping[str, Any], target: TargetEnvironment) -> str:
    """Say what to do about a lock that uv would write anew."""
    if script:
        return (
            f"{path} is out of date with {script.name} or the index that uv is told to use: "
            f"run `uv lock --script {script.name}`"
        )
    locked, here = document.get("requires-python"), f">={target.environment['python_version']}"
    # Without the field, uv takes the minor version of the Python that it runs with for the lowest one.
    if locked != here and not any(map(_requires_python, [path.parent, *find_members(path.parent)])):
        return (
            f"{path} is for Python {locked}, and uv would make it one for {here}, as no `requires-python` says "
            f'otherwise: add `requires-python = "{locked}"` to [project] in pyproject.toml'
        )
    return f"{path} is out of date with pyproject.toml or the index that uv is told to use: run `uv lock`"


def _requires_python(root: Path) -> object:
    return (read_table(root / "pyproject.toml", "project") or {}).get("requires-python")


def _uv_files(document: Mapping[str, Any]) -> tuple[set[str], set[tuple[object, ...]]]:
    """Return the hashes in a ``uv.lock``, and the keys of files of a directory (``--find-links``), which have none.

    Which hash belongs to which file does not matter: no other file has it. uv names files in the lock as they are on
    the index, and otherwise in what it exports.
    """
    hashes, unhashed = set(), set()
    for package in document.get("package", ()):
        for file in [*package.get("wheels", ()), *([package["sdist"]] if "sdist" in package else ())]:
            if "hash" in file:
                hashes.add(str(file["hash"]).lower())
            elif "path" in file:
                unhashed.add(file_key(last_part(file["path"])))
    return hashes, unhashed


def _read_poetry_lock(path: Path, request: InstallRequest) -> list[Package]:
    document = read_toml(path)
    try:
        locked = read_poetry_lock(
            path, document, roots=request.roots, groups=request.groups, environment=request.target.environment
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise AppImageError(f"{path} is no lock that Poetry has written: {error!r}") from error
    with TemporaryDirectory() as directory:
        file = Path(directory, "requirements.txt")
        file.write_text("".join(f"{requirement}\n" for requirement in locked.requirements), encoding="utf-8")
        indexes = (f"--index={index}" for index in locked.indexes)
        pylock = _compile([*indexes, "--universal", "--no-deps", file], request, doing=f"read {path}")

    def listed(_package: str, _: str, found: Mapping[str, str]) -> bool:
        return not locked.hashes.isdisjoint(_texts(found))

    return _choose(pylock, path, replace(request, groups=()), listed)


def _read_requirements(path: Path, request: InstallRequest) -> list[Package]:
    if request.groups:
        raise AppImageError(f"{path} has no dependency groups: write a file that has what they need, or lock otherwise")
    hashes = read_requirements_file(path).all_hashes
    if not hashes:
        raise AppImageError(f"{path} has no hashes: write it with `uv pip compile --generate-hashes` or the like")
    pylock = _compile(["--universal", "--no-deps", path], request, doing=f"read {path}")
    for package in pylock.packages:
        if package.name != canonicalize_name(request.project) and (package.vcs or package.directory):
            raise AppImageError(
                f"{path} names {package.name} by a place that has no hash: name a version or an archive"
            )
    # Which hash belongs to which file does not matter: no other file has it.
    return _choose(pylock, path, request, lambda _package, _, found: not hashes.isdisjoint(_texts(found)))


def _texts(hashes: Mapping[str, str]) -> set[str]:
    return {f"{algorithm}:{digest}".lower() for algorithm, digest in hashes.items()}


def _absolute(package: Package, directory: Path) -> Package:
    def absolute(source: S) -> S:
        if source is None or not source.path:
            return source
        return replace(source, path=str((directory / source.path).resolve()))

    return replace(
        package,
        vcs=absolute(package.vcs),
        directory=absolute(package.directory),
        archive=absolute(package.archive),
        sdist=absolute(package.sdist),
        wheels=[absolute(wheel) for wheel in package.wheels] if package.wheels else None,
    )


def _choose(pylock: Pylock, path: Path, request: InstallRequest, listed: Listed | None = None) -> list[Package]:
    """Choose one source for each package that the target needs.

    Args:
        pylock: what there is.
        path: where it is from, as it stands in errors.
        request: what is to be installed, and for what.
        listed: tells whether the lock has a file; None if all of ``pylock`` is the lock.

    """
    target = request.target
    known = {canonicalize_name(feature) for feature in pylock.extras or ()}
    _check_groups(pylock, path, request.groups)
    left_out = canonicalize_name(request.project) if request.own else None
    others = replace(pylock, packages=[package for package in pylock.packages if package.name != left_out])
    try:
        selection = list(
            others.select(
                environment=target.environment,
                tags=target.tags,
                extras=[name for name in request.features if canonicalize_name(name) in known],
                dependency_groups=[*(pylock.default_groups or ()), *request.groups],
                prefer_sdist_predicate=prefers_source(request.root),
            )
        )
    except PylockSelectError as error:
        raise AppImageError(f"{path} does not fit {target}: {error}") from error
    if listed:
        selection = [(package, _find_listed(package, source, path, target, listed)) for package, source in selection]
    return sorted((_narrow(package, source) for package, source in selection), key=lambda it: it.name)


def _check_groups(pylock: Pylock, path: Path, groups: Iterable[str]) -> None:
    known = {canonicalize_name(group) for group in [*(pylock.dependency_groups or ()), *(pylock.default_groups or ())]}
    for group in groups:
        if canonicalize_name(group) not in known:
            available = f"it has {', '.join(sorted(known))}" if known else "it has none"
            raise AppImageError(f"{path} has no dependency group `{group}`: {available}")


def _find_listed(
    package: Package,
    source: Source,
    path: Path,
    target: TargetEnvironment,
    listed: Listed,
) -> Source:
    """Return the best file of a package that the lock has."""
    if isinstance(source, (PackageVcs, PackageDirectory)) or listed(package.name, file_name(source), source.hashes):
        return source
    if isinstance(source, PackageWheel):
        # An index may have got a better wheel after the lock was written. An archive of sources is no way out: the
        # lock would decide by what it lacks whether a compiler is needed.
        wheels = [wheel for wheel in package.wheels or () if listed(package.name, wheel.filename, wheel.hashes)]
        tagged = ((wheel, parse_wheel_filename(wheel.filename)[-1]) for wheel in wheels)
        for wheel in create_compatible_tags_selector(target.tags)(tagged):
            return wheel
    raise AppImageError(
        f"{path} has no hash of a file of {package.name} {package.version or ''} that fits {target}; "
        f"there is {file_name(source)} with {', '.join(sorted(_texts(source.hashes)))}"
    )


def file_name(source: PackageWheel | PackageSdist | PackageArchive) -> str:
    """Return the name of a file of a lock."""
    if isinstance(source, PackageArchive):
        return last_part(source.url or source.path or "")
    return source.filename


def _narrow(package: Package, source: Source) -> Package:
    """Return a package with nothing but one source."""
    alone = Package(name=package.name, version=package.version, index=package.index)
    if isinstance(source, PackageDirectory):
        return replace(alone, directory=replace(source, editable=None))
    if isinstance(source, PackageVcs):
        return replace(alone, vcs=source)
    if isinstance(source, PackageArchive):
        return replace(alone, archive=source)
    if isinstance(source, PackageWheel):
        return replace(alone, wheels=[source])
    place = source.path or source.url or ""
    if not is_standard_sdist_name(last_part(place), package.name, str(package.version)):
        # Installers go by the name of the file, and that is no sdist's (`_name_files` gave it one).
        return replace(alone, archive=_archive(source))
    return replace(alone, sdist=source)


def _archive(sdist: PackageSdist) -> PackageArchive:
    return PackageArchive(
        url=sdist.url, path=sdist.path, size=sdist.size, upload_time=sdist.upload_time, hashes=sdist.hashes
    )
