# SPDX-License-Identifier: MIT
"""AppRun, the interpreter and the commands: they become the real interpreter without starting a process."""

from __future__ import annotations

import ast
import io
import logging
import os
import re
import shlex
import shutil
import tokenize
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING

from hatch_appimage.elf import read_elf
from hatch_appimage.errors import AppImageError
from hatch_appimage.runtime.launcher_settings import add_settings, write_settings
from hatch_appimage.syntax import parse_source

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from hatch_appimage.appdir.settings import LauncherSettings
    from hatch_appimage.layout import AppDir
    from hatch_appimage.libraries.c_library import CLibrary
    from hatch_appimage.libraries.symbol_versions import RequiredVersion
    from hatch_appimage.project.entry_points import EntryPoint
    from hatch_appimage.python import BundledPython
    from hatch_appimage.runtime.launcher_settings import Setting

log = logging.getLogger(__name__)

# What starts a Python script: a line that names the interpreter, or, where its path is too long or has blanks, the form
# that installers write instead: a shell command inside of a string of Python.
_SHEBANG = re.compile(rb"#!(?:\s*\S*/env\s+(?:-S\s+)?|.*/|\s*)python[\w.+-]*(?:[ \t].*)?\r?\n")
_LONG_SHEBANG = re.compile(rb"#!/bin/sh\n'''exec' .*python.*\n' '''\n")

# The application is isolated: neither PYTHON* variables, the user's site-packages nor the working directory reach it.
_APPLICATION_OPTIONS = ("-I",)
# What it starts as sys.executable is isolated from the same, but finds the script's or the working directory, as in a
# virtual environment: `python -m module` and `python script.py` are for that.
_INTERPRETER_OPTIONS = ("-E", "-s")
# What an exposed interpreter starts as sys.executable is as it is itself: variables such as PYTHONPATH reach it.
_EXPOSED_OPTIONS = ("-s",)
# Names in the image's bin by which the machine's scripts would find its interpreter on a PATH.
_INTERPRETER = re.compile(r"python[\d.]*t?")

# The same text is a shell script and a Python module: the shell never gets past exec, and to Python all of it is one
# string. The launcher keeps the first argument to itself (main.c).
_SCRIPT_HEADER = """\
#!/bin/sh
''':'
case $0 in
  */*) _appimage_here=${{0%/*}} ;;
  *) _appimage_here=. ;;
esac
if [ -h "$0" ]; then
  _appimage_here=$(readlink -f -- "$0") || exit 127
  _appimage_here=${{_appimage_here%/*}}
fi
exec "$_appimage_here/{python}" "--appimage-process=${{0##*/}}" {options} "$0" "$@"
'''
"""

_FUNCTION_SCRIPT = """\
import sys
from {module} import {name}
if __name__ == "__main__":
    sys.exit({attribute}())
"""

_MODULE_SCRIPT = """\
import runpy
if __name__ == "__main__":
    runpy.run_module({module!r}, run_name="__main__", alter_sys=True)
"""

# Runs a file as Python does, but with the bytecode that the image has of it.
_PROGRAM_SCRIPT = """\
__doc__ = None
def _load():
    import sys
    from importlib.machinery import PathFinder
    spec = PathFinder.find_spec({module!r}, [f"{{directory}}/{directory}" for directory in sys.path])
    sys.path.insert(0, spec.origin.rpartition("/")[0])
    sys.argv[0] = spec.origin
    return spec.origin, spec.loader.get_code({module!r})
if __name__ == "__main__":
    __file__, _code = _load()
    exec(_code)
"""

_PACKAGE_SCRIPT = """\
def _find():
    import sys
    from importlib.machinery import PathFinder
    spec = PathFinder.find_spec({module!r}, [f"{{directory}}/{directory}" for directory in sys.path])
    sys.path.insert(0, spec.origin.rsplit("/", 2)[0])
if __name__ == "__main__":
    import runpy
    _find()
    runpy.run_module({module!r}, run_name="__main__", alter_sys=True)
"""


@dataclass(frozen=True)
class Launcher:
    """What starts the application.

    Attributes:
        script: the command's path below the AppDir.
        commands: the names of all commands in the image that run on the bundled Python.
        links: the names that a link to the image may have to start something else than ``script``.

    """

    script: str
    commands: tuple[str, ...]
    links: tuple[str, ...] = ()


def write_launcher(
    appdir: AppDir,
    python: BundledPython,
    entry_point: EntryPoint,
    settings: LauncherSettings,
    *,
    program: Path,
    optimize: int = 0,
    dialogue: str | None = None,
) -> Launcher:
    """Write AppRun, the interpreter, the entry point's script if installing made none, and make scripts relocatable.

    Args:
        appdir: with the Python and the packages in it.
        python: that Python.
        entry_point: what AppRun starts.
        settings: what starts beside it, and in which environment.
        program: the launcher for the image's architecture.
        optimize: how far the bytecode is optimized that the interpreter reads.
        dialogue: the application's name, for one whose users see no terminal: what keeps it from starting is told them
            in a dialogue.

    Raises:
        AppImageError: one of the commands was not installed.

    """
    _install_interpreter(python, python.launcher, program, _INTERPRETER_OPTIONS, optimize)
    options = (*_APPLICATION_OPTIONS, *settings.python_options)
    header = _SCRIPT_HEADER.format(python=python.launcher.name, options=shlex.join(options))
    commands = sorted(path.name for path in appdir.bin.iterdir() if _relocate_script(path, header))
    script = appdir.bin / entry_point.command
    if not entry_point.installed:
        script.unlink(missing_ok=True)  # never through a link
        script.write_text(header + _script_body(entry_point), encoding="utf-8")
        script.chmod(0o755)
        commands = sorted({*commands, script.name})
    interpreters = _interpreters(python)
    # Whatever is called by its own name starts the main command, and so does an interpreter that is not exposed.
    others = [
        name for name in dict.fromkeys(settings.entry_points) if name not in {"AppRun", script.name, *interpreters}
    ]
    for name in others:
        if not (appdir.bin / name).is_file():
            raise AppImageError(f"The project's wheel installs no script `{name}`")
    _link_process_names(python.executable, commands)
    exposed = interpreters if settings.expose_python else ()
    main = str(script.relative_to(appdir.root))
    lines = [
        *_settings(python, appdir.root, python.launcher, options, optimize),
        ("script", main),
        *(("link", name) for name in others),
        *(("expose", name) for name in exposed),
        *(("default", f"{name} {value}") for name, value in settings.environment.items()),
    ]
    if exposed:
        interpreter = appdir.exposed / python.launcher.name
        _install_interpreter(python, interpreter, program, _EXPOSED_OPTIONS)
        lines.append(("exposed-name", str(interpreter.relative_to(appdir.root))))
    if settings.commands_on_path:
        _link_commands(appdir)
        lines.append(("commands", str(appdir.commands.relative_to(appdir.root))))
    lines += _dialogue(dialogue)
    _install(program, appdir.apprun)
    write_settings(appdir.root, lines)
    return Launcher(main, tuple(commands), (*others, *exposed))


def require_glibc(appdir: AppDir, glibc: RequiredVersion) -> None:
    """Have the launchers say in one sentence where a machine's C library is too old.

    Args:
        appdir: with the launchers.
        glibc: the version that a start needs; none if it is empty. What only a rarely used module needs does not count:
            it would keep the application from machines on which the rest of it works.

    """
    if not glibc.version:
        return
    for directory in _launchers(appdir):
        add_settings(directory, [("glibc", str(glibc))])


def _launchers(appdir: AppDir) -> list[Path]:
    """Return the directories of the launchers that become the real interpreter."""
    return [appdir.root, appdir.bin, *([appdir.exposed] if appdir.exposed.is_dir() else [])]


def write_stand_in(
    appdir: AppDir,
    python: BundledPython,
    library: CLibrary,
    needs: Iterable[str],
    *,
    program: Path,
    dialogue: str | None = None,
) -> None:
    """Have the launchers use the image's C library where a machine has none that would do; musl is always used.

    Args:
        appdir: with the launchers and the C library.
        python: what is started by it.
        library: the C library, with the version from which on a machine's own is used: what any file needs, so that all
            of the application works.
        needs: the sonames that a start needs of the machine in any case.
        program: the launcher for the image's architecture.
        dialogue: the application's name, as for `write_launcher`.

    """
    place = library.directory(appdir)
    stand_in = place / python.launcher.name
    _install(program, stand_in)
    _link_process_names(stand_in, _names_in(appdir.process_names))
    beside = {group: _names_in(place / group) for group in ("compiler", "base") if (place / group).is_dir()}
    write_settings(
        place,
        [
            *_settings(python, place, python.launcher, ()),
            ("bundled-loader", library.loader),
            *((group, group) for group in beside),
            *(("brings", soname) for soname in beside.get("base", ())),
            *(("needs", soname) for soname in needs),
            *_dialogue(dialogue),
        ],
    )
    limits = [
        *([("glibc", str(library.needed))] if library.needed else []),
        *([("libstdc++", str(library.libstdcxx))] if library.libstdcxx else []),
        *(("brings", soname) for names in beside.values() for soname in names),
    ]
    for directory in _launchers(appdir):
        add_settings(directory, [*limits, ("stand-in", os.path.relpath(stand_in, directory))])


def _names_in(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def _interpreters(python: BundledPython) -> tuple[str, ...]:
    return tuple(dict.fromkeys(("python", "python3", python.launcher.name)))


def without_commands(launcher: Launcher, appdir: AppDir) -> Launcher:
    """Take commands out of what starts whose files are gone; return what is left.

    Args:
        launcher: what starts the application.
        appdir: that files were left out of.

    """
    for link in chain(appdir.commands.glob("*"), appdir.process_names.glob("*")):
        if not (appdir.bin / link.name).is_file():
            link.unlink()
    return replace(launcher, commands=tuple(name for name in launcher.commands if (appdir.bin / name).is_file()))


def _install_interpreter(
    python: BundledPython, launcher: Path, program: Path, options: Iterable[str], optimize: int = 0
) -> None:
    _install(program, launcher)
    write_settings(launcher.parent, _settings(python, launcher.parent, launcher, options, optimize))
    for name in _interpreters(python):
        alias = launcher.with_name(name)
        if not alias.is_file():  # a package may have a command of this name
            alias.symlink_to(launcher.name)


def _install(program: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)  # never through a link
    shutil.copyfile(program, target)
    target.chmod(0o755)


def _settings(
    python: BundledPython, directory: Path, name: Path, options: Iterable[str], optimize: int = 0
) -> list[Setting]:
    """Return what all launchers are told.

    Args:
        python: what they start.
        directory: where the launcher lies.
        name: what the interpreter takes for its own path.
        options: the interpreter's.
        optimize: how far the bytecode is optimized that the interpreter reads.

    """
    elf = read_elf(python.executable)
    return [
        ("program", os.path.relpath(python.executable, directory)),
        ("name", os.path.relpath(name, directory)),
        *([("loader", elf.interpreter)] if elf and elf.interpreter else []),
        *(("option", option) for option in options),
        *([("optimize", f"-{'O' * optimize}")] if optimize else []),
    ]


def _dialogue(name: str | None) -> list[Setting]:
    return [] if name is None else [("dialogue", name)]


def _link_process_names(program: Path, commands: Iterable[str]) -> None:
    """Have a program's processes named like the commands that they run (``start.c``)."""
    for command in commands:
        link = program.parent / "process-names" / command
        link.parent.mkdir(exist_ok=True)
        link.symlink_to(f"../{program.name}")


def _link_commands(appdir: AppDir) -> None:
    """Collect the commands in a directory of their own; the machine's scripts must not find an interpreter there."""
    appdir.commands.mkdir(parents=True)
    for path in appdir.bin.iterdir():
        if os.access(path, os.X_OK) and path.is_file() and not _INTERPRETER.fullmatch(path.name):
            link = appdir.commands / path.name
            link.symlink_to(os.path.relpath(path, link.parent))


def _relocate_script(path: Path, header: str) -> bool:
    """Replace what starts a Python script with the Python of the build; other files are not touched."""
    if path.is_symlink() or not path.is_file():
        return False
    data = path.read_bytes()
    start = _SHEBANG.match(data) or _LONG_SHEBANG.match(data)
    if start is None:
        return False
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        body = _without_docstring(data[start.end() :].decode(encoding))
    except (SyntaxError, UnicodeDecodeError, ValueError):
        log.warning("%s runs on the Python of the build machine: it is no Python 3 script", path.name)
        return False
    path.write_text(header + body, encoding="utf-8")
    path.chmod(0o755)
    return True


def _without_docstring(source: str) -> str:
    """Turn a script's docstring into an assignment, as the header takes its place as the first string.

    Imports from ``__future__`` stay before everything else.

    Raises:
        SyntaxError: it is no Python 3.

    """
    tree = parse_source(source)
    docstring = ast.get_docstring(tree, clean=False)
    if docstring is None:
        return source
    assignment = f"__doc__ = {docstring!r}".encode()
    # Positions in the tree are in bytes; only newlines end a line there.
    data = source.encode()
    starts = [0, *(match.end() for match in re.finditer(rb"\n", data))]
    node = tree.body[0]
    begin = starts[node.lineno - 1] + node.col_offset
    end = starts[(node.end_lineno or 1) - 1] + (node.end_col_offset or 0)
    futures = [node for node in tree.body if isinstance(node, ast.ImportFrom) and node.module == "__future__"]
    if futures:
        last = futures[-1]
        after = starts[(last.end_lineno or 1) - 1] + (last.end_col_offset or 0)
        rest = re.sub(rb"^[ \t]*;?[ \t]*", b"", data[end:after])
        data = data[:begin] + rest + b"; " + assignment + data[after:]
    else:
        data = data[:begin] + assignment + data[end:]
    parse_source(data)
    return data.decode()


def _script_body(entry_point: EntryPoint) -> str:
    if program := entry_point.program:
        template = _PACKAGE_SCRIPT if program.is_package else _PROGRAM_SCRIPT
        return template.format(module=program.module, directory=program.directory)
    if entry_point.attribute is None:
        return _MODULE_SCRIPT.format(module=entry_point.module)
    name = entry_point.attribute.split(".")[0]
    return _FUNCTION_SCRIPT.format(module=entry_point.module, name=name, attribute=entry_point.attribute)
