# SPDX-License-Identifier: MIT
"""The command ``reproduce``: builds an image again as it says that it was built, and compares both."""

from __future__ import annotations

import os
import platform
import re
import sys
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import tomli_w

from hatch_appimage.builder import AppImageBuilder, hatchling_errors
from hatch_appimage.cli.projects import read_settings
from hatch_appimage.cli.status import UNREADABLE, WRONG
from hatch_appimage.errors import AppImageError, ConfigurationError
from hatch_appimage.format import find_squashfs
from hatch_appimage.inspect.compare import compare_images
from hatch_appimage.options import OPTIONS, UNRECORDED, record_options
from hatch_appimage.packages.build_record import RELEASE, BuildRecord, Source, tool_versions
from hatch_appimage.project.build_input import open_source
from hatch_appimage.project.commit import find_commit
from hatch_appimage.squashfs import SquashFSImage
from hatch_appimage.text import printable
from hatch_appimage.toml import tomllib

if TYPE_CHECKING:
    import argparse
    from collections.abc import Collection, Iterable, Iterator, Mapping


_EPOCH = "SOURCE_DATE_EPOCH"
_RECORD = re.compile(r"(usr/share/[^/]+)/build\.json")
_LIBRARIES = "libraries.toml"
# The locks in the image stand for these.
_REPLACED = frozenset({"constraints", "library-lock", "lock"})
# A minor version, of which there are several releases.
_MINOR_VERSION = re.compile(r"3\.\d+t?")
# The name of an interpreter, as far as one of this name is on PATH, or its file is in the project.
_FOUND_BY_NAME = frozenset({"python"})
_ORDER = "startup-order"


@dataclass(frozen=True)
class _Records:
    """What an image says of its build.

    Attributes:
        build: how it was built.
        lock: its ``pylock.toml``.
        libraries: the text of its ``libraries.toml``; None if nothing was fetched for it.

    """

    build: BuildRecord
    lock: Mapping[str, Any]
    libraries: str | None = None

    @classmethod
    def read(cls, path: Path) -> _Records:
        with path.open("rb") as file:
            image = SquashFSImage(file, find_squashfs(path))
            files = {os.fsdecode(entry.path): entry for entry in image}
            # An application may have a file of this name, too.
            places = (match[1] for match in map(_RECORD.fullmatch, files) if match)
            place = next((place for place in places if f"{place}/pylock.toml" in files), None)
            if place is None:
                raise AppImageError(
                    f"{path} does not say how it was built: hatch-appimage did not build it, or a version did that "
                    "recorded nothing"
                )
            names = [name for name in ("build.json", "pylock.toml", _LIBRARIES) if f"{place}/{name}" in files]
            try:
                texts = {name: image.read(files[f"{place}/{name}"]).decode() for name in names}
                lock = tomllib.loads(texts["pylock.toml"])
            except ValueError as error:
                raise AppImageError(f"{path} has a damaged record of its build in {place}: {error}") from error
        build = BuildRecord.from_json(texts["build.json"], f"{place}/build.json of {path}")
        return cls(build, lock, texts.get(_LIBRARIES))


def reproduce(options: argparse.Namespace) -> int:
    """Build an image again, and compare it with the first one."""
    records = _Records.read(options.path)
    if records.build.declaration.seconds is None:
        raise AppImageError(
            f"{options.path} was built with `reproducible = false`: its files have the times that they had on that "
            "machine, which no other build has"
        )
    declared = records.build.declaration.source
    argument = options.source or (_requirement(declared) if declared.kind == RELEASE else ".")
    with TemporaryDirectory(prefix="hatch-appimage-") as name:
        work = Path(name)
        constraints = _write_build_constraints(records.build, work)
        with (
            _environment(records.build, options.verbose),
            open_source(argument, (), constraints, lambda: records.build.python.version) as source,
        ):
            builder = AppImageBuilder.of_source(source)
            for note in [*_check_tools(records.build), *_check_source(declared, builder)]:
                print(f"note: {printable(note)}", file=sys.stderr)
            pinned = {"build-constraints": str(constraints)} if constraints else {}
            settings = _recorded_settings(records, source.root, work, {**pinned, **read_settings(source, options)})
            for note in _apply(builder, settings, records.build):
                print(f"note: {printable(note)}", file=sys.stderr)
            built = _build(builder, records.build, options.output or work / "dist")
        if built is None:
            return UNREADABLE
        comparison = compare_images(options.path, built)
    sys.stdout.write(comparison.to_json() if options.json else comparison.to_text())
    return WRONG if comparison.differences else 0


def _requirement(source: Source) -> str:
    return f"{source.name} @ {source.url}" if source.url else f"{source.name}=={source.version}"


@contextmanager
def _environment(record: BuildRecord, verbose: int) -> Iterator[None]:
    """Set the variables that a build depends on, during the block."""
    declaration = record.declaration
    wanted = {
        _EPOCH: str(declaration.seconds) if declaration.chosen else None,
        # hatchling's Application takes its verbosity from there.
        "HATCH_VERBOSE": str(max(verbose - 1, 0)),
        "HATCH_QUIET": "0" if verbose else "1",
    }
    before = {name: os.environ.get(name) for name in wanted}
    _set_variables(wanted)
    try:
        yield
    finally:
        _set_variables(before)


def _set_variables(values: Mapping[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def _write_build_constraints(record: BuildRecord, work: Path) -> Path | None:
    """Write a file that pins the build tools; one that was used in several versions is not pinned."""
    versions: dict[str, set[str]] = defaultdict(set)
    for tool in {tool for tools in record.build_tools.values() for tool in tools}:
        versions[tool.partition("==")[0]].add(tool)
    pins = sorted(min(found) for found in versions.values() if len(found) == 1 and "==" in min(found))
    if not pins:
        return None
    file = work / "build-constraints.txt"
    file.write_text("".join(f"{pin}\n" for pin in pins), encoding="utf-8")
    return file


def _check_tools(record: BuildRecord) -> Iterator[str]:
    """Say what of this machine is not what the image was built with."""
    here = tool_versions()
    for name in sorted(record.tools.keys() | here):
        if record.tools.get(name) != here.get(name):
            yield f"{name} is {here.get(name, 'not there')} here, and was {record.tools.get(name, 'not there')}"
    if "python" not in record.declaration.options and platform.python_version() != record.python.version:
        yield (
            f"the image has Python {record.python.version}, and gets the one that runs this command: "
            f"{platform.python_version()}; `--python` names another one"
        )


def _check_source(declared: Source, builder: AppImageBuilder) -> Iterator[str]:
    """Say what of the source is not what the image was built from.

    Raises:
        AppImageError: it is another project.

    """
    project = builder.project
    if project.name != declared.name:
        raise AppImageError(f"The image is of {declared.name}, and the source is {project.name}: name the right one")
    commit = find_commit(project.root, Path(builder.config.directory)) if builder.is_project else None
    here = Source.of(project.name, project.version, None if builder.is_project else builder.package, commit)
    if here.kind != declared.kind:
        yield f"the image was built from a {declared.kind}, and the source is a {here.kind}"
    if here.version != declared.version:
        yield f"the source is version {here.version}, and the image {declared.version}"
    if here.sha256 != declared.sha256 and here.kind == declared.kind:
        yield f"the wheel is another one: its SHA-256 is {here.sha256}, and was {declared.sha256}"
    if declared.commit and commit is None:
        yield f"the image was built from commit {declared.commit}, and Git knows nothing of the source"
    elif declared.commit and commit and declared.commit.revision != commit.revision:
        yield f"the source is at commit {commit.revision}, and the image was built from {declared.commit.revision}"
    if declared.commit and declared.commit.dirty:
        yield "the image was built from a directory with changes that were in no commit"
    if commit and commit.dirty:
        yield "the source has changes that are in no commit"


def _recorded_settings(records: _Records, root: Path, work: Path, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options to build with: those of the image, but the files in it in place of the project's.

    Args:
        records: what the image says.
        root: the source's directory.
        work: for files that options name.
        given: options of the command line, which count more.

    Raises:
        ConfigurationError: with all options that name a file which is not here.

    """
    declaration = records.build.declaration
    settings = {key: value for key, value in declaration.options.items() if key not in _REPLACED | UNRECORDED}
    if _MINOR_VERSION.fullmatch(str(settings.get("python"))):
        settings["python"] = _exact_version(settings["python"], records.build.python.version)
    recorded = {key: value for key, value in settings.items() if key not in given}
    _check_files(recorded, [key for key in declaration.outside if key not in _FOUND_BY_NAME], root)
    if isinstance(order := recorded.get(_ORDER), str) and not (root / order).exists():
        del settings[_ORDER]  # the first build wrote it
    settings["lock"] = _write_lock(records, root, work)
    if records.libraries is not None:
        (work / _LIBRARIES).write_text(records.libraries, encoding="utf-8")
        settings["library-lock"] = str(work / _LIBRARIES)
    return {**settings, **given}


def _exact_version(wanted: str, version: str) -> str:
    """Return the release of a minor version of Python that an image has; what was wanted, if it has another one."""
    free_threaded = "t" if wanted.endswith("t") else ""
    return f"{version}{free_threaded}" if version.startswith(f"{wanted.removesuffix('t')}.") else wanted


def _check_files(settings: Mapping[str, Any], outside: Collection[str], root: Path) -> None:
    """See that what options named is here, as far as reading the options does not see to that.

    Args:
        settings: those of the image.
        outside: the keys of options that named a file outside of the project.
        root: the source's directory.

    Raises:
        ConfigurationError: with all that is not here.

    """
    missing = [
        f"Option `{key}` named a file outside of the project, {settings[key]}: say where it is with `--set {key}=PATH`"
        for key in outside
        if key in settings
    ]
    if isinstance(trace := settings.get("trace"), str) and not (root / trace).is_file():
        missing.append(
            f"Option `trace` named {trace}, which brought files into the image, and the source has no such file: "
            "take the source that the image was built from, or say where the file is with `--set trace=PATH`"
        )
    missing += [
        f"Option `libraries` named the file {entry}, which is not here: put it there"
        for entry in settings.get("libraries", ())
        if "/" in entry and "sysroot" not in settings and not (root / entry).is_file()
    ]
    if missing:
        raise ConfigurationError(missing)


def _write_lock(records: _Records, root: Path, work: Path) -> str:
    """Write the lock of the image as one for this machine, and return its path."""
    lock = _with_absolute_paths(records.lock, root)
    # What it has was chosen by them.
    if groups := records.build.declaration.options.get("dependency-groups"):
        lock["dependency-groups"] = groups
    file = work / "pylock.toml"
    file.write_text(tomli_w.dumps(lock), encoding="utf-8")
    return str(file)


def _with_absolute_paths(value: Any, root: Path) -> Any:
    """Return a lock whose files are found wherever it lies."""
    if isinstance(value, dict):
        return {
            key: str(root / item) if key == "path" else _with_absolute_paths(item, root) for key, item in value.items()
        }
    return [_with_absolute_paths(item, root) for item in value] if isinstance(value, list) else value


def _apply(builder: AppImageBuilder, settings: Mapping[str, Any], record: BuildRecord) -> Iterable[str]:
    """Have a builder build with these options and no others, and say which the source has set otherwise since."""
    table = record_options(builder.target_config, Path(builder.root)).options
    recorded = record.declaration.options
    for key in OPTIONS.keys() & builder.target_config.keys():
        del builder.target_config[key]
    builder.target_config.update(settings)
    builder.target_config["reproducible"] = True
    builder.declaration = record.declaration
    notes = [
        f"option `{key}` is set otherwise in the source; what the image was built with counts"
        for key in sorted(table)
        if table[key] != recorded.get(key)
    ]
    if isinstance(recorded.get(_ORDER), str) and _ORDER not in settings:
        notes.append(f"the source has no {recorded[_ORDER]} (`{_ORDER}`): what a start reads is found out anew")
    return notes


def _build(builder: AppImageBuilder, record: BuildRecord, directory: Path) -> Path | None:
    """Build the image; None if that fails, which hatchling's application has told then."""
    with hatchling_errors():
        builder.metadata.validate_fields()
    try:
        (image,) = builder.build(directory=str(directory.absolute()), versions=[record.architecture])
    except SystemExit:
        return None
    return Path(image)
