# SPDX-License-Identifier: MIT
"""Compile the image's modules, so that no start ever has to."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hatch_appimage.process import run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hatch_appimage.layout import AppDir
    from hatch_appimage.python import BundledPython

# What marshal writes depends on which strings the process has interned so far, so each process gets a batch that
# depends on the tree alone, whatever the number of cores.
_BATCH = 150

# Runs in the Python that compiles. Bytecode is of the unchecked kind (PEP 552): the files of an image never change, and
# their times are all the same. Sources that are no Python 3 (templates, tests of other tools) stay as they are.
_COMPILE = """
import sys
sys.path.pop(0)
import json, py_compile
unchecked = py_compile.PycInvalidationMode.UNCHECKED_HASH
compiled = 0
for source, name in json.load(sys.stdin):
    try:
        py_compile.compile(source, dfile=name, doraise=True, invalidation_mode=unchecked)
    except (py_compile.PyCompileError, SyntaxError, ValueError, RecursionError):
        continue
    compiled += 1
print(compiled)
"""


@dataclass(frozen=True)
class Bytecode:
    """What was compiled.

    Attributes:
        compiled: modules that have bytecode now.
        skipped: files that do not compile.

    """

    compiled: int
    skipped: int


def compile_bytecode(appdir: AppDir, python: BundledPython) -> Bytecode:
    """Compile every module of the standard library and of the installed packages.

    The bundled Python does it; for one of another architecture a Python of the same minor version on the build machine,
    and without that there is no bytecode.

    Bytecode that packages brought is replaced: with times that are the same for all files it would be taken for stale,
    and be compiled anew at every start.

    Raises:
        AppImageError: the Python that compiles fails.

    """
    sources = []
    for path in appdir.files():
        if path.suffix == ".pyc" and path.parent.name == "__pycache__":
            path.unlink()
        elif path.suffix == ".py":
            sources.append((str(path), str(path.relative_to(appdir.root))))
    compiler = python.build_python if python.cross else python.executable
    if compiler is None:
        return Bytecode(0, len(sources))
    batches = [sources[start : start + _BATCH] for start in range(0, len(sources), _BATCH)]
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        compiled = sum(pool.map(lambda batch: _compile(batch, compiler), batches))
    return Bytecode(compiled, len(sources) - compiled)


def _compile(batch: Sequence[tuple[str, str]], compiler: Path) -> int:
    # Before Python 3.11 the order of a frozenset of constants follows the hash seed, whose variable -I would ignore:
    # so the script itself takes the working directory off the path.
    output = run(
        [compiler, "-sS", "-c", _COMPILE],
        doing="compile bytecode",
        env={"PYTHONHASHSEED": "0", "LANG": "C.UTF-8"},
        stdin=json.dumps(batch),
    )
    return int(output)
