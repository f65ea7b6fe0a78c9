# SPDX-License-Identifier: MIT
"""Who needs which library in an AppDir or in a finished AppImage, and where each comes from."""

from __future__ import annotations

import os
import stat
from collections import Counter
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from enum import Enum
from fnmatch import fnmatchcase
from pathlib import Path, PurePath
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from hatch_appimage.architecture import ARCHITECTURES
from hatch_appimage.document import write_json
from hatch_appimage.elf import fits
from hatch_appimage.errors import AppImageError
from hatch_appimage.format import find_squashfs
from hatch_appimage.libraries.dependencies import Tree, read_directory
from hatch_appimage.libraries.plan import optional_of
from hatch_appimage.libraries.policy import group_of
from hatch_appimage.libraries.symbol_versions import LIBRARIES, Requirements, find_required_versions
from hatch_appimage.libraries.verdict import find_verdict
from hatch_appimage.squashfs import SquashFSImage
from hatch_appimage.text import printable
from hatch_appimage.unpack.links import stays_inside

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import BinaryIO

    from hatch_appimage.architecture import Architecture
    from hatch_appimage.elf import Elf
    from hatch_appimage.libraries.dependencies import Dependency
    from hatch_appimage.libraries.symbol_versions import RequiredVersion
    from hatch_appimage.libraries.verdict import Verdict

_ELF = b"\x7fELF"
# No real image has more in its ELF files, in bytes; a small hostile one could fill the disk.
_MAX_SIZE = 16 << 30


class Origin(Enum):
    """Where a library comes from."""

    IMAGE = "image"
    SYSTEM = "system"
    #: What needs it is a plugin of Qt, which is passed over without it, or speaks to a service.
    OPTIONAL = "system, if there"
    #: It is in the image, but no search path leads to it: something else has to load it before.
    IMAGE_BY_NAME = "image, by name"
    MISSING = "missing"


@dataclass(frozen=True)
class Library:
    """A library that a file needs.

    Attributes:
        soname: its name.
        source: where it comes from.
        path: in the image, below its root; None for others.
        group: why the target system has to have it; None for others.

    """

    soname: str
    source: Origin
    path: str | None
    group: str | None


@dataclass(frozen=True)
class Listing:
    """The libraries of an image.

    Attributes:
        architecture: its name.
        roots: the programs and modules that are not loaded on account of others.
        files: what each file needs, by paths below the root.
        requires: the versions of the target system's C and C++ libraries that are needed.
        verdict: the distributions on which all of its files can be loaded.

    """

    architecture: str
    roots: tuple[str, ...]
    files: dict[str, tuple[Library, ...]]
    requires: tuple[RequiredVersion, ...]
    verdict: Verdict

    @property
    def missing(self) -> list[str]:
        """The sonames of the libraries that are nowhere."""
        return self._sonames(Origin.MISSING)

    def _sonames(self, source: Origin) -> list[str]:
        return sorted({need.soname for needs in self.files.values() for need in needs if need.source is source})

    def to_json(self) -> str:
        """Return the listing as JSON."""
        document = {
            "architecture": self.architecture,
            "files": {path: [asdict(need) for need in needs] for path, needs in self.files.items()},
            "requires": [required.to_dict() for required in self.requires],
            "runs_on": self.verdict.to_dict(),
        }
        return write_json(document, version=1)

    def to_text(self) -> str:
        """Return the listing as an indented tree; what has been shown once is not unfolded again."""
        lines = [*self._tree(), ""]
        others = {source: self._sonames(source) for source in Origin if source is not Origin.IMAGE}
        lines += [f"{source.value}: {', '.join(sonames)}" for source, sonames in others.items() if sonames]
        lines += [
            f"needs {required.family} {required}, for {', '.join(required.files[:3])}" for required in self.requires
        ]
        lines.append(f"runs on {self.verdict}")
        return "".join(f"{printable(line)}\n" for line in lines)

    def _tree(self) -> Iterator[str]:
        shown: set[str] = set()
        # What remains to be written: a path with its depth, or a line. No recursion: chains may be longer than it goes.
        waiting: list[tuple[int, str, bool]] = [(0, root, True) for root in reversed(self.roots)]
        while waiting:
            depth, text, is_path = waiting.pop()
            needs = self.files.get(text, ()) if is_path else ()
            yield f"{'  ' * depth}{text}{' ...' if needs and text in shown else ''}"
            if is_path and text not in shown:
                shown.add(text)
                below = [(depth + 1, need.path, True) for need in needs if need.path is not None]
                below += [(depth + 1, line, False) for line in _others(needs)]
                waiting += reversed(below)


def _others(needs: tuple[Library, ...]) -> Iterator[str]:
    """Yield what is to be said of libraries that are not shown by a path."""
    for source in Origin:
        if sonames := [need.soname for need in needs if need.source is source and need.path is None]:
            yield f"{source.value}: {', '.join(sonames)}"


def list_libraries(path: Path) -> Listing:
    """Find out what the files of an AppDir or an AppImage need.

    Nothing is executed, and an image is not mounted: its ELF files are read with our own SquashFS reader.

    Raises:
        AppImageError: it is neither, or has no ELF file of an architecture that AppImages are for.

    """
    if path.is_dir():
        return _list_directory(path.resolve())
    with _unpacked(path) as root:
        return _list_directory(root)


def _list_directory(root: Path) -> Listing:
    everything = {path: elf for path, elf in read_directory(root).items() if elf}
    architecture = _architecture_of(everything, root)
    tree = Tree(root, architecture, everything)
    elves = {_inside(path, root): elf for path, elf in tree.files.items()}
    names = {name for path, elf in tree.files.items() for name in (path.name, elf.soname)}
    needs = tree.needs()
    optional = optional_of(needs)
    files: dict[str, dict[str, Library]] = {path: {} for path in elves}
    for need in needs:
        files[_inside(need.file, root)].setdefault(need.soname, _library(need, names, optional, root))
    reached = {_inside(need.found, root) for need in needs if need.found is not None}
    from_system, missing = (
        {library.soname for found in files.values() for library in found.values() if library.source is source}
        for source in (Origin.SYSTEM, Origin.MISSING)
    )
    # A C library needs nothing but its own build's other parts.
    users = {path: elf for path, elf in elves.items() if group_of(PurePath(path).name) != "glibc"}
    requires = find_required_versions(users, from_system)
    carried = {PurePath(path).name for path in elves}
    own = _brings_glibc(carried, requires)
    return Listing(
        architecture=architecture.name,
        roots=tuple(path for path in elves if path not in reached),
        files={path: tuple(found.values()) for path, found in files.items()},
        requires=requires,
        verdict=find_verdict(
            # Those of other tools are always used; ours, where the system's do not do.
            Requirements(() if own else requires),
            architecture.name,
            # What no search path leads to is for systems that lack it.
            (from_system | missing) - (carried if own else set()),
            bundled_libc=own,
        ),
    )


def _brings_glibc(names: set[str], requires: Iterable[RequiredVersion]) -> bool:
    """Whether an image can do without the system's C and C++ libraries: it has its own, with their loader."""
    wanted = {"libc.so.6", *(LIBRARIES[required.family] for required in requires)}
    return wanted <= names and any(fnmatchcase(name, "ld-linux*.so.*") for name in names)


def _brings_musl(names: set[str]) -> bool:
    """Whether an image has its own musl, which its files know by several names."""
    return any(fnmatchcase(name, "ld-musl-*.so.1") for name in names)


def _inside(path: Path, root: Path) -> str:
    """Return the path of a file below the root, whatever link led to it."""
    return os.path.relpath(os.path.realpath(path), root)


def _library(need: Dependency, names: set[str], optional: set[str], root: Path) -> Library:
    if need.found is not None:
        return Library(need.soname, Origin.IMAGE, _inside(need.found, root), None)
    group = group_of(need.soname)
    if group == "musl" and _brings_musl(names):
        return Library(need.soname, Origin.IMAGE_BY_NAME, None, None)
    if need.soname in optional and need.soname not in names:
        return Library(need.soname, Origin.OPTIONAL, None, group)
    if group is not None:
        return Library(need.soname, Origin.SYSTEM, None, group)
    return Library(need.soname, Origin.IMAGE_BY_NAME if need.soname in names else Origin.MISSING, None, None)


def _architecture_of(elves: Mapping[Path, Elf], root: Path) -> Architecture:
    """Return the architecture that most of the ELF files are for."""
    count = Counter(name for elf in elves.values() for name, known in ARCHITECTURES.items() if fits(elf, known))
    if not count:
        raise AppImageError(f"{root} has no ELF files for {', '.join(ARCHITECTURES)}")
    return ARCHITECTURES[count.most_common(1)[0][0]]


@contextmanager
def _unpacked(path: Path) -> Iterator[Path]:
    """Unpack what the loader would read of an image: its ELF files, and the links to them."""
    with path.open("rb") as file, TemporaryDirectory(prefix="hatch-appimage-") as directory:
        image = SquashFSImage(file, find_squashfs(path))
        root = Path(directory).resolve()
        links: dict[bytes, bytes] = {}
        size = 0
        for entry in image:
            target = root / os.fsdecode(entry.path)
            if stat.S_ISLNK(entry.mode):
                if b"\0" not in entry.target:
                    target.parent.mkdir(parents=True, exist_ok=True)  # it may hold links only
                    links[entry.path] = entry.target
            elif stat.S_ISREG(entry.mode):
                chunks = image.chunks(entry)
                first = next(chunks, b"")
                if first.startswith(_ELF):
                    size += entry.size
                    if size > _MAX_SIZE:
                        raise AppImageError(f"{path} holds more than {_MAX_SIZE >> 30} GiB of programs and libraries")
                    target.parent.mkdir(parents=True, exist_ok=True)
                    with target.open("xb") as copy:
                        copy.write(first)
                        for chunk in chunks:
                            _write_sparse(copy, chunk)
                        copy.truncate()
        # Only now, and only into the directory, so that nothing is written or read through them elsewhere.
        for name, text in links.items():
            link = root / os.fsdecode(name)
            if stays_inside(name, links) and link.parent.is_dir():
                link.symlink_to(os.fsdecode(text))
        yield root


def _write_sparse(file: BinaryIO, chunk: bytes) -> None:
    """Write a piece of a file, or leave a hole: a small image can hold files of zeros that fill any disk."""
    if chunk.count(0) == len(chunk):
        file.seek(len(chunk), os.SEEK_CUR)
    else:
        file.write(chunk)
