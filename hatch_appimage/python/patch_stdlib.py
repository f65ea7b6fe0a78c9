# SPDX-License-Identifier: MIT
"""Teach the bundled Python to find what is not code: CA certificates, terminals, bundled libraries, Tcl's scripts.

And to import from a mount, where each system call on a file may be a question to another process. Some packages are
taught to find again what they keep for their user, although the mount is elsewhere at each start.
"""

from __future__ import annotations

import logging
import re
import shutil
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.version import Version

from hatch_appimage.errors import AppImageError
from hatch_appimage.python.left_out import bring_back_ensurepip

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hatch_appimage.layout import AppDir
    from hatch_appimage.python import BundledPython
    from hatch_appimage.system import System

log = logging.getLogger(__name__)

# What runs in the image.
_MODULE = Path(__file__).with_name("_appimage.py")
# What is written at the end of `encodings`: this module without what it says of itself.
_IMPORT_SHORTCUTS = Path(__file__).with_name("_import_shortcuts.py").read_text(encoding="utf-8").split('"""\n', 1)[1]
#: What a start imports, in the standard library's directory: see `appdir/module_list.py`.
MODULE_LIST = "_appimage.modules"
# What is written at the end of modules of the standard library.
_ADAPTED = {
    "ssl.py": "import _appimage, sys\n_appimage.patch_ssl(sys.modules[__name__])\n",
    "ctypes/util.py": "import _appimage, sys\n_appimage.patch_ctypes(sys.modules[__name__])\n",
    "curses/__init__.py": "import _appimage, sys\n_appimage.patch_curses(sys.modules[__name__])\n",
}
# The same for one that may be started by a C library of the image's own.
_ADAPTED_IF_C_LIBRARY = {
    "locale.py": "import _appimage, sys\n_appimage.patch_locale(sys.modules[__name__])\n",
}
# The same for an interpreter that starts by its own name.
_WATCH_VIRTUALENV = "import _appimage\n_appimage.watch_virtualenv()\n"
_ADAPTED_IF_EXPOSED = {
    "site.py": "_appimage.answer_virtualenv()\n",  # after main(), which would find an environment around the link
    # Whatever asks which interpreter it runs in imports it.
    "sysconfig.py": _WATCH_VIRTUALENV,
    "sysconfig/__init__.py": _WATCH_VIRTUALENV,
    "venv/__init__.py": "import _appimage, sys\n_appimage.patch_venv(sys.modules[__name__])\n",
}
# The same for Debian's Python, which has paths of its own; those in whose text the first string is. distutils has
# gone with 3.12, and sysconfig is a package from 3.14 on.
_SCHEMES = ("posix_local", "import _appimage, sys\n_appimage.patch_schemes(sys.modules[__name__])\n")
_ADAPTED_IF_OF_DEBIAN = {
    "sysconfig.py": _SCHEMES,
    "sysconfig/__init__.py": _SCHEMES,
    "distutils/sysconfig.py": (
        "dist-packages",
        "import _appimage, sys\n_appimage.patch_distutils(sys.modules[__name__])\n",
    ),
}
# What follows in a module is for `python -m` only, and ends the process.
_MAIN = re.compile(r"^if __name__ == ['\"]__main__['\"]:", re.MULTILINE)
# importlib reads modules through io.open_code(), which asks of each file whether it is a terminal; it reads other data
# as here. Every start imports this package before all that is not built in.
_GET_DATA = '''
# One system call less for each module that is imported.
import _frozen_importlib_external


def _get_data(self, path):
    """Return the data from path as raw bytes."""
    with _frozen_importlib_external._io.FileIO(path) as file:
        return file.readall()


_frozen_importlib_external.FileLoader.get_data = _get_data
'''
# Code that was compiled for an image names its source by the path below the AppDir. importlib puts the whole path there
# when it loads a module that has its source, but not for one without; tracebacks, warnings and `inspect.getfile()` have
# it from there. A user's own modules have whole paths already.
_SOURCELESS = '''
# Code of modules without sources says where it is.
import _frozen_importlib_external
import _imp


def _get_code(self, fullname, _get=_frozen_importlib_external.SourcelessFileLoader.get_code):
    """Return the code of a module, with the path that its source would have."""
    code = _get(self, fullname)
    if not code.co_filename.startswith("/"):
        _imp._fix_co_filename(code, self.path[:-1])
    return code


_frozen_importlib_external.SourcelessFileLoader.get_code = _get_code
'''
# Python 3.11 finds the names of a package's modules by the sources in its RECORD; others by what any module has there.
_ADAPTED_IF_SOURCELESS = {
    "encodings/__init__.py": ("", _SOURCELESS),
    "importlib/metadata/__init__.py": (
        'f.suffix == ".py"',
        "import _appimage, sys\n_appimage.patch_metadata(sys.modules[__name__])\n",
    ),
}
# Python does not ask any more from this version on (https://github.com/python/cpython/pull/124922).
_ASKS_NO_MORE = Version("3.14.dev0")
_ADAPTED_IF_IT_ASKS = {"encodings/__init__.py": _GET_DATA}
# It decides at its very beginning where packages are looked for.
_SITE = re.compile(r"^(?=PREFIXES = )", re.MULTILINE)
_ENTER = "import _appimage\n_appimage.enter_virtual_environment()\n\n"
# Says what was left out of the image to whoever imports it: it is asked when no other finder knows a module. This goes
# into the first module that every start reads from a file, as CPython has `site` in itself since 3.11.
_LEFT_OUT = '''
import sys


class _LeftOut:
    """Finds no module, and says of some why the image lacks them."""

    modules = {modules}

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        """Return None, as what does not know a module does."""
        if name in cls.modules:
            import _appimage

            _appimage.refuse_left_out(name, cls.modules[name])


sys.meta_path.append(_LeftOut)
'''
_READLINE_MODULE = "readline.py"
_READLINE = "import _appimage, sys\nsys.modules[__name__] = _appimage.load_readline()\n"
_NOTE = "\n# Added for the image, which runs elsewhere than this was made for.\n"

# The terminals that most people use; whoever has another one has its description.
_TERMINALS = (
    "alacritty",
    "ansi",
    "dumb",
    "linux",
    "rxvt",
    "rxvt-unicode-256color",
    "screen",
    "screen-256color",
    "tmux",
    "tmux-256color",
    "vt100",
    "vt220",
    "xterm",
    "xterm-256color",
    "xterm-color",
)
_TERMINFO = ("/etc/terminfo", "/lib/terminfo", "/usr/share/terminfo")


def patched_sources(python: BundledPython) -> frozenset[Path]:
    """Return the modules of a standard library that `patch_stdlib` may change or add."""
    names = {
        *_ADAPTED,
        *_ADAPTED_IF_C_LIBRARY,
        *_ADAPTED_IF_EXPOSED,
        *_ADAPTED_IF_OF_DEBIAN,
        *_ADAPTED_IF_SOURCELESS,
        *_ADAPTED_IF_IT_ASKS,
    }
    return frozenset(python.stdlib / name for name in (*names, _MODULE.name, _READLINE_MODULE))


@dataclass(frozen=True)
class Patches:
    """The modules of the standard library that were changed, by name."""

    modules: tuple[str, ...]


def patch_stdlib(
    appdir: AppDir,
    python: BundledPython,
    system: System,
    *,
    exposed: bool = False,
    sourceless: bool = False,
    left_out: Mapping[str, str] | None = None,
) -> Patches:
    """Have the standard library look where each distribution has things.

    Args:
        appdir: with the Python in it.
        python: that Python.
        system: where descriptions of terminals are taken from.
        exposed: users can start the interpreter itself, and make virtual environments on top of it.
        sourceless: modules are to have their bytecode only.
        left_out: names of modules that were left out, each with the group of files that it belonged to,
            or the option that decided it.

    """
    shutil.copyfile(_MODULE, python.stdlib / _MODULE.name)
    left_out = left_out or {}
    patched = []
    if exposed:
        _patch_site(python.stdlib / "site.py")
        bring_back_ensurepip(appdir, python)
    elif any((directory / "virtualenv").is_dir() for directory in python.site_packages):
        log.warning(
            "Environments that the application makes with virtualenv work as long as the image runs, and pip "
            "builds no packages from source in them, as they are isolated from PYTHONPATH; set "
            "`expose-python = true` to have them work fully, and afterwards"
        )
    for name, code in _additions(appdir, python, exposed=exposed, sourceless=sourceless, left_out=left_out):
        module = python.stdlib / name
        if module.is_file():
            _add(module, code)
            patched.append(name.split(".")[0].split("/")[0])
    if any(python.stdlib.parent.parent.glob(f"lib*/{python.stdlib.name}/lib-dynload/readline.*")):
        (python.stdlib / _READLINE_MODULE).write_text(_NOTE.lstrip() + _READLINE, encoding="utf-8")
        patched.append("readline")
    _copy_tcl_scripts(appdir, system)
    # Whatever draws on a terminal finds its description by the library that it shares with curses.
    if (python.stdlib / "curses").is_dir() or ("curses" in left_out and "readline" not in left_out):
        _copy_terminals(appdir, system)
    return Patches(tuple(sorted(set(patched))))


def _patch_site(module: Path) -> None:
    source, count = _SITE.subn(lambda _: _NOTE.lstrip() + _ENTER, module.read_text(encoding="utf-8"), count=1)
    if count == 0:
        raise AppImageError(f"`expose-python` does not work with this Python yet: its {module.name} is an unknown one")
    module.write_text(source, encoding="utf-8")


def _additions(
    appdir: AppDir, python: BundledPython, *, exposed: bool, sourceless: bool, left_out: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    """Yield names of modules below the standard library's directory, each with what is to be written at its end."""
    yield from _ADAPTED.items()
    if (appdir.glibc / "locale").is_dir():
        yield from _ADAPTED_IF_C_LIBRARY.items()
    if exposed:
        yield from _ADAPTED_IF_EXPOSED.items()
    yield "encodings/__init__.py", _IMPORT_SHORTCUTS
    if left_out:
        yield "encodings/__init__.py", _LEFT_OUT.format(modules=repr(dict(sorted(left_out.items()))))
    if Version(python.version.rstrip("+")) < _ASKS_NO_MORE:
        yield from _ADAPTED_IF_IT_ASKS.items()
    marked = [_ADAPTED_IF_OF_DEBIAN, _ADAPTED_IF_SOURCELESS] if sourceless else [_ADAPTED_IF_OF_DEBIAN]
    for name, (mark, code) in chain.from_iterable(group.items() for group in marked):
        module = python.stdlib / name
        if module.is_file() and mark in module.read_text(encoding="utf-8"):
            yield name, code


def _add(module: Path, code: str) -> None:
    source = module.read_text(encoding="utf-8")
    main = _MAIN.search(source)
    end = main.start() if main else len(source)
    module.write_text(f"{source[:end]}{_NOTE}{code}{source[end:]}", encoding="utf-8")


def _copy_terminals(appdir: AppDir, system: System) -> None:
    for name in _TERMINALS:
        files = (system.locate(f"{directory}/{name[0]}/{name}") for directory in _TERMINFO)
        file = next((file for file in files if file.is_file()), None)
        if file is not None:
            target = appdir.usr / "share" / "terminfo" / name[0] / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)


def _copy_tcl_scripts(appdir: AppDir, system: System) -> None:
    """Copy the scripts that the bundled Tcl and Tk run on.

    Both look beside the interpreter for them, in ``lib/tcl8.6`` and ``lib/tk8.6``. Where the system has them is written
    in its Tcl library.

    """
    for library in sorted(appdir.lib.glob("libtcl*.so*")):
        for directory in _script_directories(library, system):
            version = directory.name.removeprefix("tcl")
            for name in (directory.name, f"tk{version}", f"tcl{version.split('.')[0]}"):
                source = next((path for path in (directory.parent / name, directory / name) if path.is_dir()), None)
                if source is not None:
                    ignore = shutil.ignore_patterns("demos", "*.c", "*.sh")
                    shutil.copytree(source, appdir.lib / name, ignore=ignore, dirs_exist_ok=True)
            break
        else:
            if not any(appdir.lib.glob("tcl[0-9]*/init.tcl")):
                log.warning("The scripts of %s are not on this machine: tkinter will not start", library.name)


def _script_directories(library: Path, system: System) -> Iterator[Path]:
    for match in re.finditer(rb"(/[\x21-\x7e]+/tcl\d+\.\d+)\0", library.read_bytes()):
        directory = system.locate(match[1].decode())
        if (directory / "init.tcl").is_file():
            yield directory
