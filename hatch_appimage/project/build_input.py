# SPDX-License-Identifier: MIT
"""What ``hatch-appimage build`` is given, made into what hatchling hands to the builder of a project of its own.

That is a table ``[project]`` without dynamic fields. Projects of any back end have one once their wheel is built (PEP
517), and published ones once they are installed. A script, and a directory that is no project, get one here.
"""

from __future__ import annotations

import logging
import os
import platform
import re
import sys
from contextlib import contextmanager
from dataclasses import dataclass, replace
from email.utils import getaddresses
from importlib.metadata import PathDistribution
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from zipfile import Path as ZipPath
from zipfile import ZipFile

import tomli_w
from hatchling.metadata.utils import is_valid_project_name
from packaging.metadata import parse_email
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from hatch_appimage.errors import AppImageError
from hatch_appimage.project.license import find_license
from hatch_appimage.project.program import (
    NO_VERSION,
    Program,
    Programs,
    find_programs,
    program_directory,
)
from hatch_appimage.project.program_wheel import build_program_wheel
from hatch_appimage.project.recipe import REQUIREMENTS, is_recipe, read_recipe
from hatch_appimage.project.requirements_file import RequirementsFile, read_requirements_file
from hatch_appimage.project.script import SCRIPT_LOCK, absolute_settings, is_script, read_block
from hatch_appimage.project.wheel import Release, Wheel, build_any_wheel
from hatch_appimage.text import without_accents
from hatch_appimage.toml import read_toml
from hatch_appimage.unpack.zip import DAMAGED
from hatch_appimage.uv import OF_PROJECTS, check_settings, read_settings, run_uv

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from hatch_appimage.project.recipe import Recipe

log = logging.getLogger(__name__)

# In bytes. A small wheel could have one that fills the memory.
_MAX_METADATA = 16 << 20
# What is a file that is not there, although a package could have such a name.
_FILE = re.compile(r"^[^@\s]*\.(?:pyw?|whl|txt|toml|lock)$")
# What a build wants to know of a project: these have to be static, or the wheel has to be built for them.
_FIELDS = (
    *("name", "version", "description", "requires-python", "keywords"),
    *("scripts", "gui-scripts", "optional-dependencies", "urls"),
    *("license", "classifiers", "authors", "maintainers"),
)


@dataclass(frozen=True)
class BuildInput:
    """What is to be packed.

    Attributes:
        root: the directory that hatchling takes for the project's.
        config: what hatchling takes for its ``pyproject.toml``.
        package: what to install, if it is there already.
        features: the optional dependencies that were asked for with it.
        is_project: the directory is the user's.
        programs: what can start, of what is no project.
        metadata_root: the directory whose ``hatch.toml`` counts; None for the root.

    """

    root: Path
    config: Mapping[str, Any]
    package: Wheel | Release | None
    features: tuple[str, ...] = ()
    is_project: bool = False
    programs: Programs | None = None
    metadata_root: Path | None = None


@contextmanager
def open_source(
    argument: str,
    given: Collection[str] = (),
    build_constraints: Path | None = None,
    find_python: Callable[[], str] = platform.python_version,
) -> Iterator[BuildInput]:
    """Find out what an argument means.

    Args:
        argument: a directory with a project, with modules and requirements, or with a recipe of python-appimage; a
            script, a wheel, or a requirement (PEP 508).
        given: keys of options that are set elsewhere: nothing has to say them.
        build_constraints: a file of constraints for build tools, where it counts more than the project's; what only a
            wheel says of a project is known once it is built.
        find_python: finds the version of the Python to bundle, which decides on the releases that can be taken.

    Raises:
        AppImageError: it is none of them, or what it is cannot be built or had.

    """
    path = Path(argument).expanduser()
    with TemporaryDirectory(prefix="hatch-appimage-") as directory:
        if path.is_dir():
            yield _open_directory(path.resolve(), Path(directory), given, build_constraints, find_python)
        elif path.is_file() and is_script(path):
            yield _open_script(path.resolve(), Path(directory))
        elif path.suffix == ".whl" and path.is_file():
            yield _open_wheel(path.resolve(), Path(directory))
        elif path.exists() or os.sep in argument.partition("@")[0] or _FILE.search(argument):
            raise AppImageError(f"{argument} is neither a directory, a script nor a wheel; unpack an sdist first")
        else:
            yield _open_release(argument, Path(directory), find_python())


def read_requirement(text: str) -> str:
    """Return the requirement (PEP 508) that a text on a command line means: one itself, or the path of what has a name.

    A project that lies here comes before what the index has of its name, as it does for what is built.

    Args:
        text: a requirement, a wheel, or the directory of a project with a static name.

    Raises:
        AppImageError: it is none of them.

    """
    path = Path(text).expanduser().absolute()
    if path.suffix == ".whl" and path.is_file():
        return Wheel.read(path).requirement(())
    if os.sep in text.partition("@")[0] or text in (".", "..") or (path.is_dir() and _is_project(path)):
        name = _read_project(path).get("project", {}).get("name")
        if not isinstance(name, str):
            raise AppImageError(f"{text} is no wheel, and no directory whose pyproject.toml has a `name` in [project]")
        return f"{name} @ {path.resolve().as_uri()}"
    return text


def read_built_wheel(root: Path, wheel: Wheel) -> BuildInput:
    """Take a project, of any back end, whose wheel a front end has just built.

    Args:
        root: its directory.
        wheel: which is to be packed.

    Raises:
        AppImageError: the project's ``pyproject.toml`` or the wheel's metadata cannot be read.

    """
    return BuildInput(root, _config(_wheel_fields(wheel), _build_table(_read_project(root))), wheel, is_project=True)


def _open_directory(
    root: Path,
    directory: Path,
    given: Collection[str],
    build_constraints: Path | None,
    find_python: Callable[[], str],
) -> BuildInput:
    document = _read_project(root)
    if _is_project(root):
        return _open_project(root, document, directory, build_constraints)
    if is_recipe(root):
        return _open_recipe(read_recipe(root, given), directory, find_python)
    programs = find_programs(root, _project_name(root, root.name))
    if not programs.by_name and not (root / REQUIREMENTS).is_file():
        raise AppImageError(
            f"{root} is no Python project: it has neither pyproject.toml nor setup.py, and neither requirements.txt "
            "nor a program such as main.py"
        )
    return _open_programs(root, document, programs, directory)


def _is_project(root: Path) -> bool:
    """Whether a back end knows the directory; tools have tables in ``pyproject.toml`` without any."""
    if any((root / name).is_file() for name in ("setup.py", "setup.cfg")):
        return True
    document = _read_project(root)
    return not {"project", "build-system"}.isdisjoint(document) or "poetry" in document.get("tool", {})


def _open_script(path: Path, directory: Path) -> BuildInput:
    """Take a script, with what it says in its comments (PEP 723)."""
    name = _project_name(path, path.stem)
    program = Program(path, program_directory(name))
    if beside := program.imports_from_beside:
        raise AppImageError(
            f"{path} imports `{'`, `'.join(beside)}` from beside it, and a script goes into an image alone: put the "
            "files that belong together into a directory, and name that"
        )
    if files := program.files_beside:
        log.warning(
            "%s has `%s` in its text and a file of this name beside it, and a script goes into an image alone: if it "
            "is data of the script, put both into a directory, and name that",
            path,
            "`, `".join(files),
        )
    programs = Programs({str(program): program}, str(program), directory / "uv")
    block = read_block(path)
    table = _program_fields(name, program, block)
    build = _build_table(block)
    options = build.setdefault("targets", {}).setdefault("appimage", {})
    lock = path.with_name(f"{path.name}{SCRIPT_LOCK}")
    if "lock" not in options and "constraints" not in options and lock.is_file():
        options["lock"] = str(lock)
    _write_uv_project(directory / "uv", table, block, path.parent)
    wheel = build_program_wheel(table, path.parent, directory, only={path: f"{program.module}.py"})
    return BuildInput(
        path.parent,
        _config(_wheel_fields(wheel), build),
        wheel,
        is_project=True,
        programs=programs,
        metadata_root=directory,
    )


def _open_programs(root: Path, document: Mapping[str, Any], programs: Programs, directory: Path) -> BuildInput:
    """Take a directory of modules, with what ``requirements.txt`` or the comments of the main program say."""
    main = programs.by_name[programs.main] if programs.main else None
    block = read_block(main.source) if main else {}
    build = _build_table(block) or _build_table(document)
    options = build.setdefault("targets", {}).setdefault("appimage", {})
    if (root / REQUIREMENTS).is_file():
        if "dependencies" in block:
            raise AppImageError(
                f"{root / REQUIREMENTS} and the comments of {main} both say what is needed: leave it in one of them"
            )
        key = "lock" if read_requirements_file(root / REQUIREMENTS).is_locked else "requirements-file"
        options.setdefault(key, REQUIREMENTS)
    table = _program_fields(_project_name(root, root.name), main, block)
    if block.get("tool", {}).get("uv"):
        _write_uv_project(directory / "uv", table, block, root)
        programs = replace(programs, uv_root=directory / "uv")
    wheel = build_program_wheel(table, root, directory)
    return BuildInput(
        root, _config(_wheel_fields(wheel), build), wheel, is_project=True, programs=programs, metadata_root=directory
    )


def _open_recipe(recipe: Recipe, directory: Path, find_python: Callable[[], str]) -> BuildInput:
    """Take a recipe: its requirement of the same name is the application, or else there is none with a version."""
    root = recipe.root
    file = root / REQUIREMENTS
    asked = read_requirements_file(file) if file.is_file() else RequirementsFile(file)
    build = {"targets": {"appimage": dict(recipe.settings)}}
    if application := recipe.package(asked.requirements):
        check_settings(root)
        source = _open_release(str(application), directory, find_python(), place=root, indexes=asked.indexes)
        config = {**source.config, **_config(source.config["project"], build)}
        return replace(source, root=root, config=config, is_project=True, metadata_root=directory)
    table = _program_fields(_project_name(root, recipe.name), None, {})
    wheel = build_program_wheel(table, directory, directory, only={})
    return BuildInput(
        root, _config(_wheel_fields(wheel), build), wheel, is_project=True, programs=Programs(), metadata_root=directory
    )


def _project_name(path: Path, text: str) -> str:
    """Return the name of a project for that of a file or directory."""
    name = re.sub(r"[^A-Za-z0-9.]+", "-", without_accents(text)).strip("-.")
    if not is_valid_project_name(name):
        raise AppImageError(f"{path} has no letter or digit in its name that a project's name can have: rename it")
    return canonicalize_name(name)


def _program_fields(name: str, program: Program | None, block: Mapping[str, Any]) -> dict[str, Any]:
    """Return what stands for ``[project]``."""
    return {
        "name": name,
        "version": program.version if program else NO_VERSION,
        "description": program.summary if program else "",
        "requires-python": block.get("requires-python", ""),
        "dependencies": block.get("dependencies", []),
    }


def _write_uv_project(directory: Path, table: Mapping[str, Any], block: Mapping[str, Any], place: Path) -> None:
    """Write what a program says to uv where uv reads it, over the settings that count where the program lies."""
    check_settings(place)
    file, around = read_settings(place)
    own = block.get("tool", {}).get("uv", {})
    inherited = absolute_settings({key: around[key] for key in around.keys() - OF_PROJECTS}, file.parent)
    settings = (
        inherited
        | own
        | {
            key: [*own[key], *inherited[key]]
            for key in own.keys() & inherited.keys()
            if isinstance(inherited[key], list)
        }
    )
    fields = {key: table[key] for key in ("name", "version", "dependencies")}
    if table["requires-python"]:
        fields["requires-python"] = table["requires-python"]
    directory.mkdir()
    document = tomli_w.dumps({"project": fields, "tool": {"uv": settings}})
    (directory / "pyproject.toml").write_text(document, encoding="utf-8")


def _open_project(
    root: Path, document: Mapping[str, Any], directory: Path, build_constraints: Path | None
) -> BuildInput:
    build = _build_table(document)
    table = _static_fields(document)
    if table is not None:
        return BuildInput(root, _config(table, build), None, is_project=True)
    constraints = build_constraints or _build_constraints(root, build)
    wheel = build_any_wheel(root, directory / "wheel", Path(sys.executable), constraints)
    # One with extension modules fits this Python, and the image may get another.
    package = wheel if wheel.pure else None
    return BuildInput(root, _config(_wheel_fields(wheel), build), package, is_project=True)


def _open_wheel(path: Path, directory: Path) -> BuildInput:
    wheel = Wheel.read(path)
    return BuildInput(directory, _config(_wheel_fields(wheel)), wheel)


def _open_release(
    argument: str, directory: Path, python: str, *, place: Path | None = None, indexes: Iterable[str] = ()
) -> BuildInput:
    """Take what an index has.

    Args:
        argument: a requirement (PEP 508).
        directory: an empty one.
        python: the version of the Python to bundle.
        place: the directory whose settings of uv count; None for no one's but the user's.
        indexes: the lines of a file of requirements that say where packages are looked for.

    """
    try:
        requirement = Requirement(argument)
    except InvalidRequirement as error:
        raise AppImageError(
            f"`{argument}` is no directory, no script, no wheel, and no requirement (PEP 508) either"
        ) from error
    if requirement.marker:
        raise AppImageError(f"`{argument}` has a marker: say what to build, not when")
    # To know of it what only its metadata says, it has to be had; the build finds it in uv's cache then.
    target = directory / "release"
    requirement.extras, extras = set(), tuple(sorted(requirement.extras))
    asked = directory / REQUIREMENTS
    asked.write_text("".join(f"{line}\n" for line in (*indexes, requirement)), encoding="utf-8")
    run_uv(
        [
            *("pip", "install", "--python", sys.executable, "--python-version", python.removesuffix("+")),
            *("--no-deps", "--target", target),
            *("--no-compile-bytecode", "--requirements", asked),
        ],
        doing=f"get {argument}",
        cwd=place or directory,
    )
    (info,) = target.glob("*.dist-info")
    table = _fields(PathDistribution(info))
    release = Release(table["name"], Version(table["version"]), requirement.url)
    root = directory / "project"
    root.mkdir()
    return BuildInput(root, _config(table), release, extras)


def _config(table: Mapping[str, Any], build: Mapping[str, Any] | None = None) -> dict[str, Any]:
    return {"project": table, "tool": {"hatch": {"build": build or {}}}}


def _read_project(root: Path) -> dict[str, Any]:
    file = root / "pyproject.toml"
    return read_toml(file) if file.is_file() else {}


def _build_table(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the project says to hatchling, which need not be its back end."""
    table: Any = document
    keys = ("tool", "hatch", "build")
    for number, key in enumerate(keys, 1):
        table = table.get(key, {})
        if not isinstance(table, dict):
            raise AppImageError(f"Field `{'.'.join(keys[:number])}` must be a table")  # as hatchling has it
    return dict(table)


def _build_constraints(root: Path, build: Mapping[str, Any]) -> Path | None:
    """Return the file that the project's option names; what is wrong with the option is told when all are read."""
    value = build.get("targets", {}).get("appimage", {}).get("build-constraints")
    path = root / Path(value).expanduser() if isinstance(value, str) else None
    return path if path and path.is_file() else None


def _static_fields(document: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what ``[project]`` says; None if that is not all, and the back end has the rest."""
    table = document.get("project")
    if not isinstance(table, dict) or not {"name", "version"} <= table.keys():
        return None
    if not {*_FIELDS, "entry-points"}.isdisjoint(table.get("dynamic", ())):
        return None
    fields = {field: table[field] for field in _FIELDS if field in table}
    given = fields.pop("license", "")
    expression, text = (given, "") if isinstance(given, str) else ("", given.get("text", ""))
    return fields | {
        "optional-dependencies": _features(table.get("optional-dependencies", ())),
        **_license(expression, text, fields.pop("classifiers", ())),
    }


def _wheel_fields(wheel: Wheel) -> dict[str, Any]:
    try:
        with ZipFile(wheel.path) as archive:
            infos = {name.split("/")[0] for name in archive.namelist() if name.endswith(".dist-info/METADATA")}
            if len(infos) != 1:
                raise AppImageError(f"{wheel.path} is no wheel: it has {len(infos)} METADATA files")
            info = infos.pop()
            if archive.getinfo(f"{info}/METADATA").file_size > _MAX_METADATA:
                raise AppImageError(f"{wheel.path} is no wheel: its METADATA has more than {_MAX_METADATA} bytes")
            return _fields(PathDistribution(ZipPath(archive, f"{info}/")))
    except DAMAGED as error:
        raise AppImageError(f"{wheel.path} is no wheel: {error}") from error


def _fields(distribution: PathDistribution) -> dict[str, Any]:
    """Return as ``[project]`` what a distribution's metadata says.

    https://packaging.python.org/en/latest/specifications/core-metadata/
    """
    metadata, _ = parse_email(distribution.read_text("METADATA") or "")
    scripts, gui_scripts = (
        {found.name: found.value for found in distribution.entry_points if found.group == group}
        for group in ("console_scripts", "gui_scripts")
    )
    urls = dict(metadata.get("project_urls", {}))
    if home_page := metadata.get("home_page"):
        urls.setdefault("Homepage", home_page)
    return {
        "name": metadata["name"],
        "version": metadata["version"],
        "description": " ".join(metadata.get("summary", "").split()),
        "requires-python": metadata.get("requires_python", ""),
        "scripts": scripts,
        "gui-scripts": gui_scripts,
        "optional-dependencies": _features(metadata.get("provides_extra", ())),
        "keywords": _keywords(metadata.get("keywords", ())),
        "urls": {label: url for label, url in urls.items() if label and url},
        **_license(
            metadata.get("license_expression", ""), metadata.get("license", ""), metadata.get("classifiers", ())
        ),
        "authors": _people(metadata.get("author", ""), metadata.get("author_email", "")),
        "maintainers": _people(metadata.get("maintainer", ""), metadata.get("maintainer_email", "")),
    }


def _license(expression: str, text: str, classifiers: Iterable[str]) -> dict[str, str]:
    """Return the licence if it has a name; hatchling would refuse classifiers that it does not know."""
    found = find_license(expression, text, classifiers)
    return {"license": found} if found else {}


def _people(names: str, addresses: str) -> list[dict[str, str]]:
    """Return whom two fields name; people with an address are in the second one only."""
    written = [name for name, _ in getaddresses([addresses]) if name]
    return [{"name": name} for name in (names.strip(), *written) if name]


def _keywords(words: Iterable[str]) -> list[str]:
    """Return keywords; some tools wrote nothing between two commas."""
    return [word for word in (each.strip() for each in words) if word]


def _features(names: Iterable[str]) -> dict[str, list[str]]:
    """Return optional dependencies without what they are; old tools also wrote conditions in the place of names."""
    return {canonicalize_name(name): [] for name in names if is_valid_project_name(name)}
