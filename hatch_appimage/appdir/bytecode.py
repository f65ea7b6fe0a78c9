# SPDX-License-Identifier: MIT
"""Compile the image's modules, so that no start ever has to."""

from __future__ import annotations

import io
import json
import os
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from hatch_appimage.process import run

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from hatch_appimage.layout import AppDir
    from hatch_appimage.python import BundledPython
    from hatch_appimage.results import Results

# What marshal writes depends on which strings the process has interned so far, so each process gets a batch that
# depends on the tree alone, whatever the number of cores. The project's own modules are in batches of their own: what
# the packages' bytecode is does not depend on them, and is not compiled again when they change.
_BATCH = 150

# Runs in the Python that compiles, and puts bytecode into a directory, with the paths that it has below the AppDir. It
# is of the unchecked kind (PEP 552): the files of an image never change, and their times are all the same. Sources that
# are no Python 3 (templates, tests of other tools) are passed over.
_COMPILE = """
import sys
sys.path.pop(0)
import importlib.util, json, os, py_compile
sys.pycache_prefix = None
unchecked = py_compile.PycInvalidationMode.UNCHECKED_HASH
directory, level = sys.argv[1:]
for source, name, alone in json.load(sys.stdin):
    file = name + "c" if alone else importlib.util.cache_from_source(name, optimization=level.strip("0"))
    target = os.path.join(directory, file)
    try:
        py_compile.compile(source, target, dfile=name, doraise=True, optimize=int(level), invalidation_mode=unchecked)
    except (py_compile.PyCompileError, SyntaxError, ValueError, RecursionError):
        pass
"""


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
    own: Collection[str] = (),
    alone: Collection[Path] = (),
    kept: Mapping[str, int] | None = None,
    without: Collection[Path] = (),
) -> Bytecode:
    """Compile every module of the standard library and of the installed packages.

    The bundled Python does it; for one of another architecture a Python of the same minor version on the build machine,
    and without that there is no bytecode.

    Bytecode that packages brought is replaced: with times that are the same for all files it would be taken for stale,
    and be compiled anew at every start.

    Args:
        appdir: with all modules as they stay.
        python: its Python.
        results: where bytecode is kept for the next image.
        level: how far it is optimized, as by ``python -O`` (1) or ``-OO`` (2).
        own: paths below the AppDir of the project's own files.
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
    executable = python.build_python if python.cross else python.executable
    if executable is None:
        return Bytecode(0, len(sources), level)
    compiler = _Compiler(appdir.root, executable, _identify(executable), results, str(level), frozenset(alone))
    own_paths = {appdir.root / name for name in own}
    batches = [
        *_batches([path for path in sources if path not in own_paths]),
        *_batches([path for path in sources if path in own_paths]),
    ]
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        compiled = sum(pool.map(compiler.compile, batches))
    # Not before: the Pythons that compile run on these very sources.
    removed, saved = _remove(path for path in sources if path in compiler.alone)
    return Bytecode(compiled, len(sources) - compiled, level, removed, saved, kept or {})


def _batches(sources: Sequence[Path]) -> Iterator[Sequence[Path]]:
    for start in range(0, len(sources), _BATCH):
        yield sources[start : start + _BATCH]


def _remove(sources: Iterable[Path]) -> tuple[int, int]:
    """Remove sources that have bytecode in their place; return their number and what they had in bytes."""
    sizes = []
    for path in sources:
        if path.with_suffix(".pyc").is_file():
            sizes.append(path.stat().st_size)
            path.unlink()
    return len(sizes), sum(sizes)


def _identify(executable: Path) -> bytes:
    """Return what tells a Python from all others that compile differently."""
    version = run([executable, "-BIS", "-c", "import sys; print(sys.version)"], doing="compile bytecode")
    return version.encode() + sha256(executable.read_bytes()).digest()


@dataclass(frozen=True)
class _Compiler:
    root: Path
    executable: Path
    identity: bytes
    results: Results
    level: str
    alone: frozenset[Path]

    def compile(self, batch: Sequence[Path]) -> int:
        """Have the bytecode of these modules beside them; return how many compile."""
        names = [str(path.relative_to(self.root)) for path in batch]
        dependencies = [b"bytecode", self.identity, _COMPILE.encode(), self.level.encode()]
        for path, name in zip(batch, names, strict=True):
            dependencies += (name.encode("utf-8", "surrogateescape"), bytes([path in self.alone]), path.read_bytes())
        bytecode = self.results.compute(dependencies, lambda: self._run(batch, names))
        with zipfile.ZipFile(io.BytesIO(bytecode)) as archive:
            for name in archive.namelist():
                target = self.root / name
                target.parent.mkdir(exist_ok=True)
                target.write_bytes(archive.read(name))
            return len(archive.namelist())

    def _run(self, batch: Sequence[Path], names: Sequence[str]) -> bytes:
        """Compile, and return the bytecode as an archive with paths below the root."""
        content = io.BytesIO()
        with TemporaryDirectory(prefix="hatch-appimage-bytecode-") as directory:
            # Several of these processes run on the very modules that are compiled: none reads bytecode there that
            # another one has just made, or writes its own, of another kind, over the image's.
            # Before Python 3.11 the order of a frozenset of constants follows the hash seed, whose variable -I would
            # ignore: so the script itself takes the working directory off the path.
            options = ["-BsS", "-X", f"pycache_prefix={directory}/none"]
            run(
                [self.executable, *options, "-c", _COMPILE, directory, self.level],
                doing="compile bytecode",
                env={"PYTHONHASHSEED": "0", "LANG": "C.UTF-8"},
                stdin=json.dumps(
                    [(str(path), name, path in self.alone) for path, name in zip(batch, names, strict=True)]
                ),
            )
            with zipfile.ZipFile(content, "w") as archive:
                for path in sorted(Path(directory).rglob("*.pyc")):
                    archive.writestr(zipfile.ZipInfo(str(path.relative_to(directory))), path.read_bytes())
        return content.getvalue()
