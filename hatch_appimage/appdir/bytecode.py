# SPDX-License-Identifier: MIT
"""Compile the image's modules, so that no start ever has to."""

from __future__ import annotations

import marshal
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from typing import TYPE_CHECKING, NamedTuple

from hatch_appimage.errors import AppImageError
from hatch_appimage.process import run
from hatch_appimage.shares import work_in_shares

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from hatch_appimage.layout import AppDir
    from hatch_appimage.python import BundledPython
    from hatch_appimage.results import Results

# What marshal writes depends on which strings the process has interned so far, so what is compiled together depends on
# the tree alone: modules of one directory, at most so many, each time by a process that has compiled nothing before.
_BATCH = 25
# What is compiled ahead by one process has about so many modules: its end is waited for, and its start takes a while.
_JOB = 60
# The format of marshal without references: the Python that compiles may be of another version than this one.
_MARSHAL_FORMAT = 2

# Runs in the Python that compiles, from batches of names and sources to the bytecode of each. It is of the unchecked
# kind (PEP 552): the files of an image never change, and their times are all the same. Sources that are no Python 3
# (templates, tests of other tools) have none.
_COMPILE = """
import sys
sys.path.pop(0)
import marshal, os
from importlib.util import MAGIC_NUMBER, source_hash
directory, level, niceness = sys.argv[1:]
os.nice(int(niceness))
def compile_module(name, source):
    try:
        code = compile(source, name, "exec", dont_inherit=True, optimize=int(level))
    except Exception:
        return None
    return MAGIC_NUMBER + bytes([1, 0, 0, 0]) + source_hash(source) + marshal.dumps(code)
with open(os.path.join(directory, "sources"), "rb") as file:
    batches = marshal.load(file)
for number, batch in enumerate(batches):
    if not os.fork():
        compiled = [compile_module(*module) for module in batch]
        with open(os.path.join(directory, str(number)), "wb") as file:
            marshal.dump(compiled, file, 2)
        os._exit(0)
    if os.wait()[1]:
        sys.exit("A process that compiles has failed")
"""
# How much a process that compiles ahead gives way to all others.
_NICENESS = 10


@dataclass(frozen=True)
class Bytecode:
    """What was compiled.

    Attributes:
        compiled: modules that have bytecode now.
        skipped: files that do not compile.
        level: how far it is optimized, as by ``python -O`` (1) or ``-OO`` (2).
        removed: sources that are gone, as their bytecode takes their place.
        saved: what these had, in bytes.
        kept: how many modules keep their sources for each reason, where others do not.

    """

    compiled: int
    skipped: int
    level: int = 0
    removed: int = 0
    saved: int = 0
    kept: Mapping[str, int] = field(default_factory=dict)


def compile_bytecode(
    appdir: AppDir,
    python: BundledPython,
    results: Results,
    *,
    level: int = 0,
    apart: Sequence[Collection[Path]] = (),
    alone: Collection[Path] = (),
    kept: Mapping[str, int] | None = None,
    without: Collection[Path] = (),
) -> Bytecode:
    """Compile every module of the standard library and of the installed packages.

    The Python that the bundled one was copied from does it, as that is still being changed while modules are compiled
    ahead; for one of another architecture a Python of the same minor version on the build machine, and without that
    there is no bytecode.

    Bytecode that packages brought is replaced: with times that are the same for all files it would be taken for stale,
    and be compiled anew at every start.

    Args:
        appdir: with all modules as they stay.
        python: its Python.
        results: where bytecode is kept for the next image.
        level: how far it is optimized, as by ``python -O`` (1) or ``-OO`` (2).
        apart: sources that are compiled apart from those beside them, so that what becomes of either does not depend
            on which others there are. The first collection that has a source counts.
        alone: sources whose bytecode takes their place, beside the name that they have (PEP 3147, "legacy"). Those
            that do not compile stay.
        kept: how many others keep their sources for each reason.
        without: sources that get no bytecode.

    Raises:
        AppImageError: the Python that compiles fails.

    """
    sources = []
    for path in appdir.files():
        if path.suffix == ".pyc" and path.parent.name == "__pycache__":
            path.unlink()
        elif path.suffix == ".py" and path not in without:
            sources.append(path)
            if path in alone:  # what lies beside a source is never used
                path.with_suffix(".pyc").unlink(missing_ok=True)
    compiler = _Compiler.of(appdir, python, level, results)
    if compiler is None:
        return Bytecode(0, len(sources), level)
    batches = _divide(sources, apart)
    bytecode: dict[Path, bytes] = {}
    for batch, compiled in zip(batches, compiler.compile(batches), strict=True):
        bytecode |= {path: data for path, data in zip(batch, compiled, strict=True) if data is not None}
    for path, data in bytecode.items():
        target = compiler.target(path, alone=path in alone)
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(data)
    removed = [path for path in bytecode if path in alone]
    saved = sum(path.stat().st_size for path in removed)
    for path in removed:
        path.unlink()
    return Bytecode(len(bytecode), len(sources) - len(bytecode), level, len(removed), saved, kept or {})


@contextmanager
def compiling_ahead(
    appdir: AppDir,
    python: BundledPython,
    results: Results,
    sources: Iterable[Path],
    *,
    level: int = 0,
    apart: Sequence[Collection[Path]] = (),
    at: Callable[[Path], Path] = Path,
) -> Iterator[None]:
    """Have modules compiled during the block of code, as far as it lasts.

    Among what is kept, `compile_bytecode` then finds the bytecode of what has stayed as it was. What changes or
    vanishes meanwhile is of no harm: bytecode is kept by the content of the sources that are compiled together.

    Args:
        appdir: with the modules.
        python: its Python.
        results: where bytecode is kept; where nothing is, nothing is done.
        sources: the modules that are likely to stay as they are.
        level: as for `compile_bytecode`.
        apart: likewise.
        at: returns where the content of each is now, by its path.

    """
    ended = Event()

    def work() -> None:
        # Whoever compiles what is left over meets the same error, and tells it.
        with suppress(AppImageError, OSError):
            compiler = _Compiler.of(appdir, python, level, results)
            for job in _jobs(_divide(sources, apart)):
                if compiler is None or ended.is_set():
                    return
                present = [batch for batch in job if all(at(path).exists() for path in batch)]
                with suppress(OSError):  # one has gone since
                    compiler.compile(present, at=at, processes=1, niceness=_NICENESS)

    with ThreadPoolExecutor(1, "compiling ahead") as pool:
        if results.are_kept:
            pool.submit(work)
        try:
            yield
        finally:
            ended.set()


def _divide(sources: Iterable[Path], apart: Sequence[Collection[Path]]) -> list[Sequence[Path]]:
    """Divide sources into batches."""

    def place(path: Path) -> tuple[int, Path, Path]:
        group = next((number for number, group in enumerate(apart) if path in group), len(apart))
        return group, path.parent, path

    batches: list[Sequence[Path]] = []
    for _, group in groupby(sorted(sources, key=place), lambda path: place(path)[:2]):
        together = list(group)
        batches += (together[start : start + _BATCH] for start in range(0, len(together), _BATCH))
    return batches


def _jobs(batches: Iterable[Sequence[Path]]) -> Iterator[Sequence[Sequence[Path]]]:
    """Yield batches for one process each."""
    job: list[Sequence[Path]] = []
    for batch in batches:
        job.append(batch)
        if sum(map(len, job)) >= _JOB:
            yield job
            job = []
    yield job


class _Identity(NamedTuple):
    """What a Python is.

    Attributes:
        version: with all that it says of itself.
        tag: of the names of its bytecode files.
        digest: of its program.

    """

    version: str
    tag: str
    digest: bytes

    @classmethod
    def of(cls, executable: Path) -> _Identity:
        digest = sha256(executable.read_bytes()).digest()
        tag, version = _ask(executable, digest)
        return cls(version, tag, digest)


@cache
def _ask(executable: Path, _digest: bytes) -> tuple[str, str]:
    """Ask a Python for the tag of its bytecode files and for its version; once, as long as it is the same."""
    code = "import sys; print(sys.implementation.cache_tag, sys.version)"
    tag, _, version = run([executable, "-BIS", "-c", code], doing="compile bytecode").partition(" ")
    return tag, version


class _Module(NamedTuple):
    """A module to compile.

    Attributes:
        name: of its source, with its path below the AppDir, which bytecode has in it.
        source: its content.

    """

    name: str
    source: bytes


def _environment() -> dict[str, str]:
    """Return the variables for a Python that compiles.

    Before 3.11 the order of a frozenset of constants follows the hash seed. Its variable is ignored by an isolated
    Python: so the script itself takes the working directory off the path. Some Pythons need a variable for their
    libraries.
    """
    found = {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}
    return {**found, "PYTHONHASHSEED": "0", "LANG": "C.UTF-8"}


@dataclass(frozen=True)
class _Compiler:
    root: Path
    executable: Path
    identity: _Identity
    level: int
    results: Results

    @classmethod
    def of(cls, appdir: AppDir, python: BundledPython, level: int, results: Results) -> _Compiler | None:
        """Return what compiles for a Python; None if nothing can."""
        executable = python.build_python if python.cross else python.interpreter
        if executable is None:
            return None
        return cls(appdir.root, executable, _Identity.of(executable), level, results)

    def target(self, source: Path, *, alone: bool) -> Path:
        """Return where the bytecode of a source goes."""
        if alone:
            return source.with_suffix(".pyc")
        optimization = f".opt-{self.level}" if self.level else ""
        return source.parent / "__pycache__" / f"{source.stem}.{self.identity.tag}{optimization}.pyc"

    def compile(
        self,
        batches: Sequence[Sequence[Path]],
        *,
        at: Callable[[Path], Path] = Path,
        processes: int | None = None,
        niceness: int = 0,
    ) -> Iterator[Sequence[bytes | None]]:
        """Return the bytecode of each source in some batches; None for what does not compile.

        Args:
            batches: what is compiled together each time.
            at: returns where the content of each is, by its path.
            processes: how many compile; None for one on each processor.
            niceness: how much they give way to others, as for `os.nice`.

        """
        modules = [
            [_Module(str(path.relative_to(self.root)), at(path).read_bytes()) for path in batch] for batch in batches
        ]
        compiled = self.results.compute_all(
            [self._dependencies(batch) for batch in modules],
            lambda missing: self._run([modules[each] for each in missing], processes, niceness),
        )
        return map(marshal.loads, compiled)

    def _dependencies(self, batch: Sequence[_Module]) -> list[bytes]:
        """Return all that the bytecode of a batch depends on."""
        version, _, digest = self.identity
        dependencies = [b"bytecode", version.encode(), digest, _COMPILE.encode(), bytes([self.level])]
        for module in batch:
            dependencies += (os.fsencode(module.name), module.source)
        return dependencies

    def _run(self, batches: Sequence[Sequence[_Module]], processes: int | None, niceness: int) -> list[bytes]:
        """Compile batches, each to a marshalled list."""
        return work_in_shares(
            lambda some: self._run_here(some, niceness),
            batches,
            lambda batch: sum(len(module.source) for module in batch),
            processes or len(os.sched_getaffinity(0)),
        )

    def _run_here(self, batches: Sequence[Sequence[_Module]], niceness: int) -> list[bytes]:
        """Compile batches in one process.

        It is given what was read here, whatever becomes of the files: what is kept for a source is of that one.
        """
        with TemporaryDirectory(prefix="hatch-appimage-bytecode-") as name:
            directory = Path(name)
            modules = [list(map(tuple, batch)) for batch in batches]
            (directory / "sources").write_bytes(marshal.dumps(modules, _MARSHAL_FORMAT))
            run(
                [self.executable, "-BsS", "-c", _COMPILE, directory, str(self.level), str(niceness)],
                doing="compile bytecode",
                env=_environment(),
            )
            return [(directory / str(number)).read_bytes() for number in range(len(batches))]
