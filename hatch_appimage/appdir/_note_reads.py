# SPDX-License-Identifier: MIT
"""Import modules or run a script, and note the files below a directory that are read for it, in that order, and others.

The build runs this program in the bundled Python, whichever version that is. It uses no module beyond those that every
start loads. The arguments are the file for the answer, which exists, the directory, the path that the application is to
take for its interpreter, and ``import`` with names of modules or ``run`` with a script and its arguments.

Each line of the answer is a Python literal, a tuple that begins with one of these words. It is written at once, so that
what was read is known however the process ends:

- ``read`` and a path: the main thread opened the file.
- ``aside`` and a path: another thread or a child process did, so when that was is left to chance.
- ``mapped`` and a path: it was in memory. Shared libraries are seen by this alone.
- ``outside``, a path, and the module and line that opened it: the file is not below the directory. Where it was seen in
  memory only, the module is empty.
- ``opened``, a name, and the module and line: a library was opened by that name, which is not a path.
- ``end``, why it failed (None if it did not), the module that was missing, and the texts of all causes.
"""

import _thread
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Callable

# Where the path is among the arguments of audit events (PEP 578). Those of `import` have one for extension modules.
PLACES = {"open": 0, "import": 1, "ctypes.dlopen": 0, "os.exec": 0, "os.posix_spawn": 0, "subprocess.Popen": 0}
# After these, shared libraries may have been mapped.
LOADING = ("import", "ctypes.dlopen")
MAX_CAUSES = 100
WRITING = os.O_WRONLY | os.O_RDWR

answer, root, executable, action, *words = sys.argv[1:]
# As the application may replace any of them.
_open, _write, _close, _exit, _listdir, _scandir = os.open, os.write, os.close, os._exit, os.listdir, os.scandir
_getpid, _get_ident, _abspath, _fsdecode = os.getpid, _thread.get_ident, os.path.abspath, os.fsdecode
_main = (_getpid(), _get_ident())
_own_module = sys.modules["__main__"]  # which the application's takes the place of
_told: "set[tuple[object, ...]]" = set()
_told_outside: "set[str]" = {_abspath(__file__)}  # whoever looks at the stack reads this one
_loaded: "list[object]" = []
_globals = globals()
# Python 3.8 and 3.9 do not know their modules; these are the ones by which files are opened.
_stdlib = getattr(
    sys,
    "stdlib_module_names",
    ("codecs", "configparser", "ctypes", "importlib", "io", "json", "linecache", "os", "pathlib", "runpy", "tokenize"),
)


def tell(*record: object) -> None:
    """Add a line to the answer; by a descriptor of its own, as the application may close all that are open."""
    if record in _told:
        return
    _told.add(record)
    try:
        descriptor = _open(answer, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        try:
            _write(descriptor, (ascii(record) + "\n").encode("ascii"))
        finally:
            _close(descriptor)
    except OSError:  # that is no matter of the application
        pass


def tell_mapped() -> None:
    """Tell of all files in memory."""
    del _loaded[:]
    try:
        with open("/proc/self/maps", errors="surrogateescape") as maps:
            paths = {line.split(None, 5)[5].strip() for line in maps if "/" in line}
    except OSError:
        return
    for path in sorted(paths):
        if path.startswith(root + "/"):
            tell("mapped", path)
        else:
            tell_outside(path, ("", 0))


def tell_outside(path: str, caller: "tuple[str, int] | None" = None) -> None:
    """Tell of a file that is not below the directory, once."""
    if path not in _told_outside:
        _told_outside.add(path)
        tell("outside", path, *(caller or find_caller()))


def find_caller() -> "tuple[str, int]":
    """Return the module and the line that led to what happens now: the innermost one that is not Python's own."""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - it is public in all but its name
    while frame is not None:
        name = frame.f_globals.get("__name__")
        if frame.f_globals is not _globals and isinstance(name, str) and name.partition(".")[0] not in _stdlib:
            return name, frame.f_lineno
        frame = frame.f_back
    return "", 0


def is_writing(arguments: "tuple[object, ...]") -> bool:
    """Whether the event `open` with these arguments is for more than reading."""
    flags = arguments[-1]  # of open(2)
    return isinstance(flags, int) and flags & WRITING != 0


def notice(event: str, arguments: "tuple[object, ...]") -> None:
    """Tell of a file that is opened; called for every audit event."""
    if event not in PLACES:
        return
    if _loaded or event == "os.exec":
        tell_mapped()
    path = arguments[PLACES[event]]
    if event == "ctypes.dlopen" and isinstance(path, str) and "/" not in path:
        tell("opened", path, *find_caller())
        _loaded.append(path)
        return
    if isinstance(path, (str, bytes)):
        try:
            path = _abspath(_fsdecode(path))
        except OSError:  # the working directory is gone
            return
        if path.startswith(root + "/"):
            tell("read" if (_getpid(), _get_ident()) == _main else "aside", path)
        elif event == "open" and not is_writing(arguments):
            tell_outside(path)
    if event in LOADING and path is not None:
        _loaded.append(path)


class PlainFunction:
    """A function that becomes no method where it is an attribute of a class, as built-in functions do not."""

    def __init__(self, function: "Callable[..., object]") -> None:
        self._function = function

    def __call__(self, *arguments: object, **named: object) -> object:
        return self._function(*arguments, **named)


class SortedDirectory:
    """What `os.scandir` returns, in the order of names, as the image's own directories have it."""

    def __init__(self, path: str = ".") -> None:
        with _scandir(path) as entries:
            self._entries = iter(sorted(entries, key=lambda entry: os.fsencode(entry.name)))

    def __iter__(self) -> "SortedDirectory":
        return self

    def __next__(self) -> "os.DirEntry[str]":
        return next(self._entries)

    def __enter__(self) -> "SortedDirectory":  # noqa: PYI034 - Python 3.8 has no `Self`
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Forget what is left."""
        self._entries = iter(())


def list_sorted(path: str = ".") -> "list[str]":
    """Return what `os.listdir` does, in the order of names."""
    return sorted(_listdir(path))


def exit_now(status: int) -> None:
    """Do as `os._exit`, once the libraries are known."""
    tell_mapped()
    _exit(status)


def import_modules(names: "list[str]") -> None:
    """Import modules by their names."""
    for name in names:
        __import__(name)


def run_script(script: str, *arguments: str) -> None:
    """Run a script as the interpreter does."""
    sys.argv[:] = [script, *arguments]
    module = type(sys)("__main__")
    module.__file__ = script
    sys.modules["__main__"] = module
    with open(script, "rb") as file:
        source = file.read()
    exec(compile(source, script, "exec", dont_inherit=True), module.__dict__)


def chain_of(error: "BaseException | None") -> "list[BaseException]":
    """Return an exception and what led to it."""
    chain: list[BaseException] = []
    while error is not None and len(chain) < MAX_CAUSES:
        chain.append(error)
        error = error.__cause__ or error.__context__
    return chain


def describe(error: "BaseException") -> str:
    """Return the kind of an exception with its text, or with where it was raised if it has none."""
    name, text = type(error).__name__, str(error)
    if text:
        return f"{name}: {text}"
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None or isinstance(error, SystemExit):
        return name
    path = trace.tb_frame.f_code.co_filename
    return f"{name} in line {trace.tb_lineno} of {path[len(root) + 1 :] if path.startswith(root + '/') else path}"


def end(error: "BaseException | None") -> None:
    """Tell how it ended, and end the process: what threads do from here on belongs to no start."""
    code = error.code if isinstance(error, SystemExit) else error
    status = code if isinstance(code, int) else int(code is not None)
    if _getpid() == _main[0]:
        failed = error is not None and (status != 0 or action == "import")
        failure = describe(error) if error is not None and failed else None
        missing = getattr(error, "name", None) if failed and isinstance(error, ModuleNotFoundError) else None
        causes = tuple(map(str, chain_of(error))) if failed else ()
        tell_mapped()
        tell("end", failure, missing, causes)
    _exit(status & 0xFF if action == "run" else 0)


for module in list(sys.modules.values()):
    cached = getattr(module, "__cached__", None)
    if isinstance(cached, str) and cached.startswith(root + "/"):
        tell("read", cached)
tell_mapped()
sys.addaudithook(notice)
vars(os).update(listdir=PlainFunction(list_sorted), scandir=SortedDirectory, _exit=PlainFunction(exit_now))
os.supports_fd.update((os.listdir, os.scandir))
sys.executable = executable
del sys.path[0]  # the directory of this program
reason = None
try:
    if action == "import":
        import_modules(words)
    else:
        run_script(*words)
except BaseException as exception:
    reason = exception
end(reason)
