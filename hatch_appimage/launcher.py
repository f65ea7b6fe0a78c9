# SPDX-License-Identifier: MIT
"""AppRun and the commands beside the interpreter: shell scripts that become Python without starting a process."""

from __future__ import annotations

import re
import shlex
import tokenize
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from hatch_appimage.appdir import AppDir
    from hatch_appimage.entry_point import EntryPoint
    from hatch_appimage.python import BundledPython

_APPDIR_REFERENCES = ("$APPDIR", "${APPDIR}")
_SHEBANG = re.compile(rb"#!.*python.*")

# Python runs isolated (-I): neither PYTHON* variables nor the user's site-packages nor the working folder reach the
# application.
#
# It finds the AppDir from $0, which the kernel sets to the script's own path. A link to the script is the one case that
# costs a process, unless APPDIR says where it leads. [ a -ef b ] is in POSIX since 2024, in dash, bash and busybox
# for much longer.
_APPRUN = """\
#!/bin/sh
case $0 in
  */*) here=${{0%/*}} ;;
  *) here=. ;;
esac
if [ -h "$0" ]; then
  if [ -n "$APPDIR" ] && [ "$APPDIR/AppRun" -ef "$0" ]; then
    here=$APPDIR
  else
    here=$(readlink -f -- "$0") && here=${{here%/*}}
  fi
elif [ ! -x "$here/{python}" ] && [ -n "$APPDIR" ]; then
  here=$APPDIR
fi
case $here in
  '' | /*) ;;
  .) here=$PWD ;;
  *) here=$PWD/$here ;;
esac
export APPDIR="${{here:-/}}"
unset ARGV0
{environment}exec "$here/{python}" -I "$here/"{script} "$@"
"""

# The same text is a shell script and a Python module: the shell never gets past exec, and to Python all of it is one
# string.
_SCRIPT_HEADER = """\
#!/bin/sh
''':'
case $0 in
  */*) here=${{0%/*}} ;;
  *) here=. ;;
esac
[ -h "$0" ] && here=$(readlink -f -- "$0") && here=${{here%/*}}
exec "$here/{python}" -I "$0" "$@"
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

    """

    script: str
    commands: tuple[str, ...]

    def __str__(self) -> str:
        return self.script


def write_launcher(
    appdir: AppDir, python: BundledPython, entry_point: EntryPoint, environment: Mapping[str, str]
) -> Launcher:
    """Write AppRun, the entry point's script if installing made none, and make every script relocatable.

    Args:
        appdir: with the Python and the packages in it.
        python: that Python.
        entry_point: what AppRun starts.
        environment: variables that AppRun sets where they are not set; ``$APPDIR`` in a value is the image's folder.

    """
    header = _SCRIPT_HEADER.format(python=python.executable.name)
    commands = sorted(path.name for path in appdir.bin.iterdir() if _relocate_script(path, header))
    script = appdir.bin / entry_point.command
    if not entry_point.installed:
        script.write_text(header + _script_body(entry_point), encoding="utf-8")
        script.chmod(0o755)
        commands = sorted({*commands, script.name})
    appdir.apprun.write_text(
        _APPRUN.format(
            python=python.executable.relative_to(appdir.root),
            script=shlex.quote(str(script.relative_to(appdir.root))),
            environment="".join(_default(name, value) for name, value in environment.items()),
        ),
        encoding="utf-8",
    )
    appdir.apprun.chmod(0o755)
    return Launcher(str(script.relative_to(appdir.root)), tuple(commands))


def _relocate_script(path: Path, header: str) -> bool:
    """Replace a script's ``#!`` line, which names the Python of the build; other files are not touched."""
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as file:
        if not _SHEBANG.match(file.readline()):
            return False
        file.seek(0)
        encoding, _ = tokenize.detect_encoding(file.readline)
    text = path.read_text(encoding=encoding)
    path.write_text(header + text.split("\n", 1)[-1], encoding="utf-8")
    path.chmod(0o755)
    return True


def _script_body(entry_point: EntryPoint) -> str:
    if entry_point.attribute is None:
        return _MODULE_SCRIPT.format(module=entry_point.module)
    name = entry_point.attribute.split(".")[0]
    return _FUNCTION_SCRIPT.format(module=entry_point.module, name=name, attribute=entry_point.attribute)


def _default(name: str, value: str) -> str:
    """Write the shell line that sets a variable where it is not set, be it to nothing."""
    parts = [part for part in re.split(r"(\$\{APPDIR\}|\$APPDIR\b)", value) if part] or [""]
    quoted = "".join('"$APPDIR"' if part in _APPDIR_REFERENCES else shlex.quote(part) for part in parts)
    return f'[ "${{{name}+set}}" ] || export {name}={quoted}\n'
