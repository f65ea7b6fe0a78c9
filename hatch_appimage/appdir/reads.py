# SPDX-License-Identifier: MIT
"""Run the bundled Python during the build, and note which files of the AppDir are read for it."""

from __future__ import annotations

import ast
import re
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from hatch_appimage.appdir.loader_log import loader_variables, read_loads
from hatch_appimage.appdir.seen import NOTHING_SEEN, Opened, Seen
from hatch_appimage.errors import AppImageError
from hatch_appimage.process import ProcessError, clean_environment, run_quietly, run_to_end
from hatch_appimage.roots.namespaces import isolated
from hatch_appimage.roots.system_calls import (
    CLONE_NEWNET,
    MS_BIND,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_REC,
    make_read_only,
    mount,
)
from hatch_appimage.runtime.launcher_settings import SETTINGS_NAME, read_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from hatch_appimage.layout import AppDir
    from hatch_appimage.python import BundledPython
    from hatch_appimage.roots.namespaces import Ending

# How long an import may take: some modules start their program when they are imported.
_IMPORT_SECONDS = 60
_PROGRAM = Path(__file__).with_name("_note_reads.py")
_APPDIR = re.compile(r"\$(?:APPDIR\b|\{APPDIR\})")
#: By this plugin, Qt does without a display.
QT_OFFSCREEN = "libqoffscreen.so"


@dataclass(frozen=True)
class Reads:
    """What a process read.

    Attributes:
        paths: files that its main thread opened, in that order.
        aside: files that other threads or forked processes opened, sorted, as their order is left to chance.
        libraries: all files that were mapped into memory, sorted.
        failure: how it failed; None if it did not.
        module: the missing module that it failed for, if that was why.
        causes: the texts of the exception and of all that led to it.
        said: what it wrote to stderr, as far as that is known.
        ended: it told of its end.
        timed_out: it took too long, and was ended.
        seen: what it opened outside of the AppDir.

    """

    paths: tuple[Path, ...] = ()
    aside: tuple[Path, ...] = ()
    libraries: tuple[Path, ...] = ()
    failure: str | None = None
    module: str | None = None
    causes: tuple[str, ...] = ()
    said: str = ""
    ended: bool = False
    timed_out: bool = False
    seen: Seen = NOTHING_SEEN


def reads_of_import(appdir: AppDir, python: BundledPython, modules: Sequence[str]) -> Reads:
    """Import modules; what fails gives what was read until then.

    Args:
        appdir: complete; the import may write into it.
        python: the Python in it.
        modules: their names.

    """
    with _places() as places:
        try:
            said = run_to_end(
                places.command(python, appdir, "import", *modules),
                doing="import the entry point",
                cwd=places.working,
                env=places.environment(appdir),
                seconds=_IMPORT_SECONDS,
            ).stderr
        except ProcessError as error:  # it crashed, or hangs
            reads = places.reads()
            causes = (*reads.causes, error.output)
            return replace(reads, failure=_describe(error), causes=causes, said=error.output)
        reads = replace(places.reads(), said=said)
        return reads if reads.ended else replace(reads, failure="the end of the process")


def _describe(error: ProcessError) -> str:
    """Return how an import ended without an exception: toolkits write why before they end the process."""
    if error.status >= 0:
        return str(error).splitlines()[0]
    last = next((line.strip() for line in reversed(error.output.splitlines()) if line.strip()), "")
    return f"signal {-error.status}{last and f': {last}'}"


def reads_of_run(
    appdir: AppDir, python: BundledPython, script: Path, arguments: Sequence[str], seconds: float
) -> Reads:
    """Run a script in an empty home: it reads nothing from stdin, nobody sees its output, and all of it is ended.

    Where the machine has user namespaces it has no network, and cannot write into the AppDir.

    Args:
        appdir: complete.
        python: the Python in it.
        script: of Python, in it.
        arguments: the script's.
        seconds: how long it may take.

    """
    with run_apart(appdir, python, script, arguments) as finish:
        reads = finish(seconds)
    if reads is not None:
        return reads
    with _places() as places:
        command = places.command(python, appdir, "run", script, *arguments)
        environment = places.environment(appdir)
        run = partial(run_quietly, command, cwd=places.working, env=environment, seconds=seconds)
        return _reads_until(run, places, seconds)


@contextmanager
def run_apart(
    appdir: AppDir, python: BundledPython, script: Path, arguments: Sequence[str]
) -> Iterator[Callable[[float], Reads | None]]:
    """Run a script as `reads_of_run` does, beside a block, if the machine has user namespaces.

    Args:
        appdir: complete.
        python: the Python in it.
        script: of Python, in it.
        arguments: the script's.

    Returns:
        A function that waits for the end, as many seconds as it is told, and returns what was read; None where there
        are no namespaces. What has not ended when the block does is killed.

    """
    with _places() as places:
        command = list(map(str, places.command(python, appdir, "run", script, *arguments)))
        with isolated(
            command,
            prepare=partial(_prepare, appdir.root),
            environment=places.environment(appdir),
            directory=places.working,
            flags=CLONE_NEWNET,
        ) as wait:

            def finish(seconds: float) -> Reads | None:
                try:
                    return _reads_until(lambda: _status(wait(seconds)), places, seconds)
                except AppImageError:
                    return None

            yield finish


def _reads_until(wait: Callable[[], int], places: _Places, seconds: float) -> Reads:
    """Return what a process has read that takes no longer than some seconds.

    Args:
        wait: waits for its end, and returns its status as subprocess has it.
        places: where it tells of them.
        seconds: those.

    """
    try:
        status = wait()
    except TimeoutError:
        return replace(places.reads(), failure=f"more than {seconds} s", timed_out=True)
    reads = places.reads()
    if status:
        how = f"exit status {status}" if status > 0 else f"signal {-status}"
        return replace(reads, failure=reads.failure or how)
    return reads


def _status(ending: Ending) -> int:
    return -ending.signal if ending.signal else ending.status


def _prepare(root: Path) -> None:
    """Have the AppDir read-only, as the image is, and the processes of these namespaces where they are expected."""
    mount(root, root, flags=MS_BIND | MS_REC)
    make_read_only(root)
    with suppress(OSError):  # containers with a limited /proc do not allow it
        mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)


@dataclass(frozen=True)
class _Places:
    """Where a process finds its home and writes the answer."""

    answer: Path
    home: Path
    temporary: Path
    working: Path
    loads: Path

    def command(self, python: BundledPython, appdir: AppDir, action: str, *words: str | Path) -> list[str | Path]:
        # Not -I, which would ignore the hash seed.
        options = ["-s", *(it for it in _values(appdir, "option") if it != "-I"), *_values(appdir, "optimize")]
        program = [_PROGRAM, self.answer, appdir.root, python.launcher]
        return [python.executable, *options, *program, action, *words]

    def environment(self, appdir: AppDir) -> dict[str, str]:
        return {
            **_defaults(appdir),
            **clean_environment(self.home),
            **loader_variables(self.loads),
            **({"QT_QPA_PLATFORM": "offscreen"} if any(appdir.root.rglob(QT_OFFSCREEN)) else {}),
            "APPDIR": str(appdir.root),
            "TMPDIR": str(self.temporary),
            "PYTHONHASHSEED": "0",
        }

    def _records(self) -> Iterator[tuple[Any, ...]]:
        for line in self.answer.read_text(encoding="ascii").splitlines():
            with suppress(SyntaxError, ValueError):  # the last line of a process that was killed
                yield ast.literal_eval(line)

    def reads(self) -> Reads:
        records = list(self._records())
        found = {
            kind: tuple(Path(record[1]) for record in records if record[0] == kind)
            for kind in ("read", "aside", "mapped")
        }
        ends = [record[1:] for record in records if record[0] == "end"]
        opened = {
            kind: tuple(Opened(*record[1:]) for record in records if record[0] == kind)
            for kind in ("outside", "opened")
        }
        aside, mapped = tuple(sorted(found["aside"])), tuple(sorted(found["mapped"]))
        reads = Reads(found["read"], aside, mapped, *(ends[-1] if ends else ()))
        seen = Seen(read_loads(self.loads), opened["outside"], opened["opened"])
        return replace(reads, ended=bool(ends), seen=seen)


@contextmanager
def _places() -> Iterator[_Places]:
    with TemporaryDirectory(prefix="hatch-appimage-start-", ignore_cleanup_errors=True) as name:
        parent = Path(name).resolve()
        places = _Places(parent / "answer", parent / "home", parent / "tmp", parent / "working", parent / "loads")
        places.answer.touch()
        for directory in (places.home, places.temporary, places.working, places.loads):
            directory.mkdir()
        yield places


def _defaults(appdir: AppDir) -> dict[str, str]:
    """Return the variables that the launcher sets."""
    pairs = (value.partition(" ") for value in _values(appdir, "default"))
    return {name: _APPDIR.sub(lambda _: str(appdir.root), value) for name, _, value in pairs}


def _values(appdir: AppDir, key: str) -> list[str]:
    """Return what the launcher is told by the lines with a key."""
    settings = appdir.root / SETTINGS_NAME
    if not settings.is_file():
        return []
    lines = read_settings(settings.read_text(encoding="utf-8", errors="surrogateescape"))
    return [value for name, value in lines if name == key]
