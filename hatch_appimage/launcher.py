# SPDX-License-Identifier: MIT
"""AppRun and the commands beside the interpreter: shell scripts that become Python without starting a process."""

from __future__ import annotations

import ast
import io
import logging
import re
import shlex
import tokenize
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hatch_appimage.errors import AppImageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from hatch_appimage.appdir import AppDir
    from hatch_appimage.entry_point import EntryPoint
    from hatch_appimage.python import BundledPython

log = logging.getLogger(__name__)

# Names in the shell are ASCII.
_APPDIR_REFERENCE = re.compile(r"\$\{APPDIR\}|\$APPDIR(?![A-Za-z0-9_])")
# What starts a Python script: a line that names the interpreter, or, where its path is too long or has blanks, the form
# that installers write instead: a shell command inside of a string of Python.
_SHEBANG = re.compile(rb"#!(?:\s*\S*/env\s+(?:-S\s+)?|.*/|\s*)python[\w.+-]*(?:[ \t].*)?\r?\n")
_LONG_SHEBANG = re.compile(rb"#!/bin/sh\n'''exec' .*python.*\n' '''\n")

# Python runs isolated (-I): neither PYTHON* variables nor the user's site-packages nor the working folder reach the
# application.
#
# It finds the AppDir from $0, which the kernel sets to the script's own path. A link to the script is the one case that
# costs a process, unless APPDIR says where it leads. [ a -ef b ] is in POSIX since 2024, in dash, bash and busybox
# for much longer. Variables of its own have names that nobody else exports.
_APPRUN = """\
#!/bin/sh
case $0 in
  */*) _appimage_here=${{0%/*}} ;;
  *) _appimage_here=. ;;
esac
if [ -h "$0" ]; then
  if [ -n "$APPDIR" ] && [ "$APPDIR/AppRun" -ef "$0" ]; then
    _appimage_here=$APPDIR
  else
    _appimage_here=$(readlink -f -- "$0") || exit 127
    _appimage_here=${{_appimage_here%/*}}
  fi
elif [ ! -x "$_appimage_here/{python}" ] && [ -n "$APPDIR" ]; then
  _appimage_here=$APPDIR
fi
{called}case $_appimage_here in
  '' | /*) ;;
  .) _appimage_here=$PWD ;;
  *) _appimage_here=$PWD/$_appimage_here ;;
esac
export APPDIR="${{_appimage_here:-/}}"
unset ARGV0
{environment}{exposed}exec "$_appimage_here/{python}" -I "$_appimage_here/"{script} "$@"
"""

# The name that an image of several commands was started by: that of a link to AppRun, else what the runtime has put
# into ARGV0. Beside the APPDIR of another AppImage, ARGV0 is the other's, too.
_CALLED = """\
_appimage_called=$0
if [ "${0##*/}" = AppRun ] && { [ -z "$APPDIR" ] || [ "$APPDIR" -ef "${_appimage_here:-/}" ]; }; then
  _appimage_called=$ARGV0
fi
"""

_CHOICE = """\
case ${{_appimage_called##*/}} in
  {names}) _appimage_script=${{_appimage_called##*/}} ;;
  *) _appimage_script={main} ;;
esac
"""

# Not isolated: whoever asks for the interpreter by its name wants what every interpreter does. Only packages of the
# user's own Python stay out (-s). The options -X tell site.py by which link it was called, as a virtual environment may
# be around that, and have it read from its file, which is adapted, instead of the copy within the interpreter.
_EXPOSED = """\
case ${{_appimage_called##*/}} in
  {names}) exec "$_appimage_here/{python}" -s -X frozen_modules=off -X appimage="$_appimage_called" "$@" ;;
esac
"""
# What ends the names in the lines of the two above that have some.
_AFTER_NAMES = (") _appimage_script=${", ') exec "$_appimage_here/')

# The same text is a shell script and a Python module: the shell never gets past exec, and to Python all of it is one
# string.
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
exec "$_appimage_here/{python}" -I "$0" "$@"
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

    def __str__(self) -> str:
        return self.script


def write_launcher(
    appdir: AppDir,
    python: BundledPython,
    entry_point: EntryPoint,
    environment: Mapping[str, str],
    *,
    links: Iterable[str] = (),
    expose_python: bool = False,
) -> Launcher:
    """Write AppRun, the entry point's script if installing made none, and make every script relocatable.

    Args:
        appdir: with the Python and the packages in it.
        python: that Python.
        entry_point: what AppRun starts.
        environment: variables that AppRun sets where they are not set; ``$APPDIR`` in a value is the image's folder.
        links: installed commands that start where the image is started by a link of their name.
        expose_python: the interpreter starts by its usual names, likewise.

    Raises:
        AppImageError: one of the commands was not installed.

    """
    header = _SCRIPT_HEADER.format(python=python.executable.name)
    commands = sorted(path.name for path in appdir.bin.iterdir() if _relocate_script(path, header))
    script = appdir.bin / entry_point.command
    if not entry_point.installed:
        script.unlink(missing_ok=True)  # never through a link
        script.write_text(header + _script_body(entry_point), encoding="utf-8")
        script.chmod(0o755)
        commands = sorted({*commands, script.name})
    interpreters = tuple(dict.fromkeys(("python", "python3", python.executable.name)))
    # Whatever is called by its own name starts the main command, and so does an interpreter that is not exposed.
    others = [name for name in dict.fromkeys(links) if name not in {"AppRun", script.name, *interpreters}]
    for name in others:
        if not (appdir.bin / name).is_file():
            raise AppImageError(f"The project's wheel installs no script `{name}`")
    exposed = interpreters if expose_python else ()
    interpreter, main = (path.relative_to(appdir.root) for path in (python.executable, script))
    appdir.apprun.write_text(_apprun(interpreter, main, environment, others, exposed), encoding="utf-8")
    appdir.apprun.chmod(0o755)
    return Launcher(str(main), tuple(commands), (*others, *exposed))


def _apprun(
    interpreter: Path, main: Path, environment: Mapping[str, str], others: Iterable[str], exposed: Iterable[str]
) -> str:
    """Write AppRun; an image of one command spends no time on its name.

    Args:
        interpreter: its path below the AppDir.
        main: that of the main command.
        environment: see write_launcher().
        others: names of commands beside the main one.
        exposed: names of the interpreter.

    """
    called, script = "", shlex.quote(str(main))
    if others or exposed:
        called = _CALLED
    if others:
        called += _CHOICE.format(names=_alternatives(others), main=shlex.quote(main.name))
        script = f'{main.parent}/"$_appimage_script"'
    return _APPRUN.format(
        python=interpreter,
        script=script,
        called=called,
        environment="".join(_default(name, value) for name, value in environment.items()),
        exposed=_EXPOSED.format(names=_alternatives(exposed), python=interpreter) if exposed else "",
    )


def _alternatives(names: Iterable[str]) -> str:
    """Write a pattern for the shell that matches these names only."""
    return " | ".join(map(shlex.quote, names))


def read_links(apprun: str) -> tuple[str, ...]:
    """Return the names of links that an image heeds.

    Args:
        apprun: the text of its AppRun; another tool's has none.

    """
    found: list[str] = []
    for line in apprun.splitlines():
        for mark in _AFTER_NAMES:
            names, known, _ = line.partition(mark)
            if known and names.startswith("  "):
                found += _read_alternatives(names)
    return tuple(found)


def _read_alternatives(names: str) -> list[str]:
    try:
        return shlex.split(names)[::2]
    except ValueError:  # nothing that shlex.quote() writes
        return []


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
    tree = ast.parse(source)
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
    ast.parse(data)
    return data.decode()


def _script_body(entry_point: EntryPoint) -> str:
    if entry_point.attribute is None:
        return _MODULE_SCRIPT.format(module=entry_point.module)
    name = entry_point.attribute.split(".")[0]
    return _FUNCTION_SCRIPT.format(module=entry_point.module, name=name, attribute=entry_point.attribute)


def _default(name: str, value: str) -> str:
    """Write the shell line that sets a variable where it is not set, be it to nothing."""
    parts = _APPDIR_REFERENCE.split(value)
    # shlex.quote() of nothing is '', so an empty value is written as one.
    quoted = '"$APPDIR"'.join(shlex.quote(part) for part in parts)
    return f'[ "${{{name}+set}}" ] || export {name}={quoted}\n'
