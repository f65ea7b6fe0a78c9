# SPDX-License-Identifier: MIT
"""Which files a start reads."""

from __future__ import annotations

import contextlib
import shutil
import socket
import sys
import time
from ctypes.util import find_library
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hatch_appimage.appdir import reads, startup
from hatch_appimage.appdir.bytecode import compile_bytecode
from hatch_appimage.appdir.seen import Opened
from hatch_appimage.appdir.startup import StartupCommand, as_loaded, defers, find_startup_order
from hatch_appimage.errors import AppImageError
from hatch_appimage.layout import AppDir
from hatch_appimage.libraries.bundle import MissingLibrary
from hatch_appimage.project.entry_points import EntryPoint
from hatch_appimage.python.local import find_host_python
from hatch_appimage.python.relocate import bundle_python
from hatch_appimage.results import Results
from hatch_appimage.runtime.launcher_settings import SETTINGS_NAME, write_settings
from support.elf_fixtures import library, program
from support.tools import unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hatch_appimage.appdir.reads import Reads
    from hatch_appimage.appdir.startup import StartupOrder
    from hatch_appimage.python import BundledPython
    from hatch_appimage.roots.namespaces import Ending

SOURCES = {
    "reads_data": "import decimal, data_reader",
    "data_reader": "from pathlib import Path\nPath(__file__).with_name('table.txt').read_text()",
    "fails": "import colorsys\nraise ImportError('no display')",
    "prints_and_exits": "import colorsys, sys\nprint('([], None)')\nsys.exit(3)",
    "crashes": "import colorsys, os\nos.abort()",
    "tells_and_crashes": "import os\nos.write(2, b'Gtk-ERROR: no display\\n\\n')\nos.abort()",
    "ends_the_process": "import os\nos._exit(0)",
    "wraps": "try:\n  raise ImportError('libtbb.so.12: cannot open shared object file')\n"
    "except ImportError as error:\n  raise SystemExit('install it') from error",
    "asserts": "import sys\nprint('WARNING: libwl.so.0: cannot open shared object file: No such file or directory',"
    " file=sys.stderr)\nassert sys is None",
    "wants_gtk": "raise ValueError('Namespace Gtk not available for version 4.0')",
    "wants_gtk_by_import": "raise ImportError('cannot import name Gtk, introspection typelib not found')",
    "wanted_gtk": "try:\n  import wants_gtk\nexcept ValueError:\n  raise ImportError('no display')",
    "lacks_symbol": "raise ImportError('/x/_gi.so: undefined symbol: g_new')",
    "copes": "try:\n  raise ImportError('libtbb.so.12: cannot open shared object file')\nexcept ImportError: pass",
    "misses": "import some_other_module",
    "misses_a_part_of_python": "import winreg",
    "misses_what_was_left_out": "raise ModuleNotFoundError(\"No module named 'a': left out of the image by x\")",
    "copes_without_it": "try:\n  import winreg\nexcept ImportError: pass",
    "writes": "from pathlib import Path\nPath(__file__).with_name('cache').joinpath('a').parent.mkdir()\n"
    "Path(__file__).with_name('cache').joinpath('a').write_text('x')",
    "changes": "from pathlib import Path\nPath(__file__).with_name('changed.txt').write_text('other text')",
}


#: What `main` is in modules of their own.
MAINS = {
    "lazy": "import sys\nprint(sys.stdin.read())\nimport colorsys",
    "reads_stdin": "import colorsys\nprint(input())",
    "prints": "import colorsys\nfor _ in range(1600):\n  print('x' * 65536)",
    "exits_hard": "import colorsys, os, _decimal\nos._exit(0)",
    "execs": "import colorsys, os, _decimal\nos.execv('/bin/true', ['true'])",
    "moves": "import os, data_reader\nos.chdir(os.path.dirname(data_reader.__file__))\nopen('changed.txt').close()",
    "tries": "import colorsys\nfor name in ('x' * 300, 'gone', b'\\xff'):\n"
    "  try: open(colorsys.__file__.encode() + (name if isinstance(name, bytes) else name.encode()))\n"
    "  except OSError: pass",
    "closes": "import os\nos.closerange(0, 100)\nimport colorsys",
    "fails": "import colorsys\nraise RuntimeError('no display')",
    "refuses": "import colorsys\nreturn 'unknown option'",
    "aborts": "import colorsys, os\nos.abort()",
    "hangs": "import colorsys, signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True: signal.pause()",
    "forks": "import os\nif os.fork() == 0:\n  import colorsys\n  raise SystemExit(3)\nos.wait()\nimport data_reader",
    "threads": "import threading\nthread = threading.Thread(target=__import__, args=['colorsys'])\n"
    "thread.start()\nthread.join()\nimport data_reader",
    "processes": "import multiprocessing\nwith multiprocessing.get_context('fork').Pool(2) as pool:\n"
    "  pool.map(exec, ['import colorsys', 'import data_reader'])",
    "lists": "import os, listed\nplace = os.path.dirname(listed.__file__)\n"
    "for name in os.listdir(place):\n  if name.endswith('.txt'): open(os.path.join(place, name)).close()\n"
    "class Path:\n  listdir, scandir = os.listdir, os.scandir\n"
    "assert Path().listdir(place) == sorted(os.listdir(place)) and Path().scandir(place)\n"
    "with os.scandir(place) as found:\n  assert [entry.name for entry in found] == sorted(os.listdir(place))",
    "connects": "import colorsys, socket, sys\nsocket.create_connection(('127.0.0.1', int(sys.argv[1])), timeout=5)",
    "writes_new": "import data_reader\nfrom pathlib import Path\n"
    "try: Path(data_reader.__file__).with_name('new').touch()\n"
    "except OSError: pass",
    "writes_over": "import data_reader\nfrom pathlib import Path\n"
    "try: Path(data_reader.__file__).with_name('changed.txt').write_text('other')\nexcept OSError: pass",
    "writes_home": "import sys, tempfile\nfrom pathlib import Path\nPath.home().joinpath('a').touch()\n"
    "Path('b').touch()\ntempfile.mkstemp()\nimport colorsys",
    "plain": "return 0",
    "opens": "import ctypes, mmap, sys\nfrom pathlib import Path\n_, library, read, mapped, written = sys.argv\n"
    "Path(read).read_text()\nctypes.CDLL(library)\n"
    "file = ctypes.CDLL(None).open(mapped.encode(), 0)\nsys.kept = mmap.mmap(file, 0, prot=mmap.PROT_READ)\n"
    "try: open(written, 'w').close()\nexcept OSError: pass\nimport colorsys",
    "checks": "import os, sys\nroot, = sys.argv[1:]\nassert os.environ['APP_DATA'] == root + '/usr/$APPDIRX'\n"
    "assert os.environ['HOME'] != '/nowhere' and os.environ['APPDIR'] == root\n"
    "assert os.environ['QT_QPA_PLATFORM'] == 'offscreen'\n"
    "open(root + '/usr/lib/plugins/platforms/libqoffscreen.so').close()\n"
    "assert os.listdir('.') == [] and sys.path[0]\nassert sys.executable.startswith(root + '/usr/bin/python')",
    "daemon": "import os, sys, time\nif os.fork() == 0:\n  os.setsid()\n  if os.fork() == 0:\n"
    "    with open(sys.argv[1], 'w') as file: file.write(os.readlink('/proc/self/ns/pid'))\n    time.sleep(60)\n"
    "  os._exit(0)\nos.wait()\nimport colorsys\nwhile not os.path.getsize(sys.argv[1]): time.sleep(0.01)",
}

#: Modules that do something when they are imported, too: whole sources.
WITH_MAIN = {
    "meets": "import os, time\nfrom pathlib import Path\n"
    "_place = Path(os.readlink(Path(__file__).with_name('place')))\n"
    "(_place / os.readlink('/proc/self/ns/pid')).touch()\n"
    "for _ in range(500):\n  if len(os.listdir(_place)) == 2: break\n  time.sleep(0.01)\n"
    "else: raise RuntimeError('nobody else came')\n"
    "def main():\n  import colorsys\n",
    "misleads": "import time\nfrom pathlib import Path\n_written = Path(__file__).with_name('written')\n"
    "try: _written.touch()\nexcept OSError: pass\n"
    "def main():\n  for _ in range(50):\n    if _written.exists():\n      import colorsys\n    time.sleep(0.01)\n"
    "  import data_reader\n",
    "locks": "import fcntl, sys, time\n_file = open(__file__)\n"
    "if not sys.argv[0].endswith('/app'):\n  fcntl.flock(_file, fcntl.LOCK_EX)\n  time.sleep(0.8)\n"
    "def main():\n  time.sleep(0.3)\n  fcntl.flock(_file, fcntl.LOCK_EX | fcntl.LOCK_NB)\n  import colorsys\n",
}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> tuple[AppDir, BundledPython]:
    appdir = AppDir(tmp_path_factory.mktemp("startup") / "AppDir", "app")
    python = bundle_python(find_host_python(Path(sys.executable)), appdir)
    for name, source in SOURCES.items():
        (python.site_packages[0] / f"{name}.py").write_text(source)
    for name, body in MAINS.items():
        lines = "".join(f"  {line}\n" for line in body.splitlines())
        (python.site_packages[0] / f"run_{name}.py").write_text(f"def main():\n{lines}")
    for name, source in WITH_MAIN.items():
        (python.site_packages[0] / f"run_{name}.py").write_text(source)
    (python.site_packages[0] / "listed").mkdir()
    for name in ("c.txt", "a.txt", "__init__.py", "b.txt"):
        (python.site_packages[0] / "listed" / name).touch()
    (python.site_packages[0] / "listed" / "__main__.py").write_text("import colorsys\n")
    for name in ("table.txt", "changed.txt"):
        (python.site_packages[0] / name).write_text("data")
    compile_bytecode(appdir, python, Results(None, 0))
    appdir.bin.mkdir(exist_ok=True)
    appdir.apprun.touch()
    (appdir.root / SETTINGS_NAME).touch()
    return appdir, python


def names(bundle: tuple[AppDir, BundledPython], module: str) -> list[str]:
    order = find_startup_order(*bundle, EntryPoint("app", module, "main"))
    for path in order.files:
        assert (bundle[0].root / path).is_file()
    return [path.rsplit("/", 1)[-1].split(".")[0] for path in order.files]


@pytest.mark.slow
def test_order_of_reading(bundle: tuple[AppDir, BundledPython]) -> None:
    found = names(bundle, "reads_data")
    assert found[:3] == ["AppRun", "launcher", bundle[1].executable.name.split(".")[0]]
    wanted = ["reads_data", "decimal", "_decimal", "data_reader", "table"]
    assert [name for name in found if name in wanted] == wanted
    assert "colorsys" not in found


def test_libraries_follow_what_needs_them(tmp_path: Path) -> None:
    program_, pyc, extension, data = tmp_path / "python", tmp_path / "a.pyc", tmp_path / "_ssl.so", tmp_path / "data"
    program("libpython.so.1", "libc.so.6").write(program_)
    library("", "libssl.so.3", "libcrypto.so.3").write(extension)
    for path in (pyc, data):
        path.write_bytes(b"data")
    python = library("libpython.so.1").write(tmp_path / "libpython.so.1.0")
    ssl = library("libssl.so.3", "libcrypto.so.3").write(tmp_path / "libssl.so.3")
    crypto = library("libcrypto.so.3").write(tmp_path / "libcrypto.so.3")
    opened = library("liba.so.1").write(tmp_path / "liba.so.1")
    table = tmp_path / "mapped.dat"
    table.write_bytes(b"data that a library has mapped")
    order = as_loaded([program_, pyc, extension, data, pyc], [opened, crypto, python, ssl, table])
    assert list(order) == [program_, python, pyc, extension, ssl, crypto, data, opened, table]


def test_no_source_that_has_bytecode(bundle: tuple[AppDir, BundledPython]) -> None:
    order = find_startup_order(*bundle, EntryPoint("app", "reads_data", "main"))
    assert not [path for path in order.files if path.endswith(".py")]


@pytest.mark.parametrize("module", ["fails", "prints_and_exits", "crashes"])
def test_what_was_read_until_it_failed(bundle: tuple[AppDir, BundledPython], module: str) -> None:
    assert {module, "colorsys"} <= set(names(bundle, module))


@pytest.mark.parametrize("module", ["crashes", "ends_the_process"])
def test_what_is_known_without_the_import(
    bundle: tuple[AppDir, BundledPython], module: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert names(bundle, module)[0] == "AppRun"
    assert f"Importing {module} for the start-up order ended with" in caplog.text


def test_what_a_crash_says(bundle: tuple[AppDir, BundledPython], caplog: pytest.LogCaptureFixture) -> None:
    """Toolkits end the process where they find no display."""
    names(bundle, "tells_and_crashes")
    assert "start-up order ended with signal 6: Gtk-ERROR: no display; set" in caplog.text


def test_module_that_the_bundled_python_does_not_find(bundle: tuple[AppDir, BundledPython]) -> None:
    with pytest.raises(AppImageError, match=r"cannot import the entry point: ModuleNotFoundError.*no_such_module"):
        names(bundle, "no_such_module.main")


def test_module_that_misses_another(bundle: tuple[AppDir, BundledPython], caplog: pytest.LogCaptureFixture) -> None:
    assert "misses" in names(bundle, "misses")
    assert "ModuleNotFoundError" in caplog.text


def test_module_that_misses_a_part_of_python(
    bundle: tuple[AppDir, BundledPython], caplog: pytest.LogCaptureFixture
) -> None:
    """Such as tkinter in a Python that was built without it: nothing in the image can start."""
    with pytest.raises(AppImageError, match=r"cannot start, as its import ended with .*'winreg'.*: the image's Python"):
        names(bundle, "misses_a_part_of_python")
    assert "copes_without_it" in names(bundle, "copes_without_it")
    assert caplog.messages == []


def test_module_that_misses_what_was_left_out(bundle: tuple[AppDir, BundledPython]) -> None:
    with pytest.raises(AppImageError, match=r"cannot start, as .*'a': left out of the image by x$"):
        names(bundle, "misses_what_was_left_out")


def test_what_the_import_writes_is_removed(bundle: tuple[AppDir, BundledPython]) -> None:
    before = set(bundle[0].root.rglob("*"))
    assert "writes" in names(bundle, "writes")
    assert set(bundle[0].root.rglob("*")) == before


def test_import_that_changes_a_file(bundle: tuple[AppDir, BundledPython]) -> None:
    with pytest.raises(
        AppImageError, match=r"Importing changes changes .*changed.txt in the image: set `startup-order"
    ):
        names(bundle, "changes")


def test_is_the_same_every_time(bundle: tuple[AppDir, BundledPython]) -> None:
    assert len({tuple(names(bundle, "reads_data")) for _ in range(3)}) == 1


def test_library_that_the_import_needs(bundle: tuple[AppDir, BundledPython]) -> None:
    """Whatever the application makes of it; with what the same file needs."""
    needed = {"libother.so.1": "u.so", "libtbb.so.12": "t.so", "libtbbmalloc.so.2": "t.so"}
    missing = [
        MissingLibrary(soname, (f"usr/lib/{file}",), "libtbb12", "in debian:12") for soname, file in needed.items()
    ]
    with pytest.raises(AppImageError) as caught:
        find_startup_order(*bundle, EntryPoint("app", "wraps", "main"), missing)
    assert str(caught.value).splitlines()[:4] == [
        "The entry point cannot be imported: SystemExit: install it",
        "2 shared libraries that the image needs are not in debian:12:",
        "  libtbb.so.12 (Debian's package libtbb12), needed by usr/lib/t.so",
        "  libtbbmalloc.so.2 (Debian's package libtbb12), needed by usr/lib/t.so",
    ]
    assert find_startup_order(*bundle, EntryPoint("app", "copes", "main"), missing).files


@pytest.mark.parametrize("package", ["libwl0", None])
def test_library_that_only_this_machine_lacks(
    bundle: tuple[AppDir, BundledPython],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    package: str | None,
) -> None:
    """GTK tells of it on stderr, and PyGObject raises an exception without any text."""
    known = {"libwl.so.0": package} if package else {}
    monkeypatch.setattr("hatch_appimage.appdir.startup.suggest_packages", lambda _: known)
    assert "asserts" in names(bundle, "asserts")
    path = f"usr/lib/{bundle[1].stdlib.name}/site-packages/asserts.py"
    (message,) = caplog.messages
    assert message == (
        f"Importing asserts for the start-up order ended with AssertionError in line 3 of {path}, as this machine has "
        f"no libwl.so.0: install it{' (apt-get install libwl0)' if package else ''}, or set `startup-order = false`; "
        "the image is complete either way, and starts a little slower without the order"
    )


def test_symbol_that_a_library_lacks(bundle: tuple[AppDir, BundledPython]) -> None:
    """GLib's have no versions, so nothing else tells."""
    with pytest.raises(AppImageError, match=r"cannot start, as .* undefined symbol: g_new: that file was compiled wi"):
        names(bundle, "lacks_symbol")


@pytest.mark.parametrize("module", ["wants_gtk", "wants_gtk_by_import"])
def test_typelib_that_the_import_needs(bundle: tuple[AppDir, BundledPython], module: str) -> None:
    missing = {"Pango-1.0": "no Pango", "Gtk-4.0": "no typelib of Gtk-4.0"}
    with pytest.raises(AppImageError) as caught:
        find_startup_order(*bundle, EntryPoint("app", module, "main"), typelibs=missing)
    first, second = str(caught.value).splitlines()
    assert first.startswith("The entry point cannot be imported: ")
    assert second == "no typelib of Gtk-4.0"
    assert find_startup_order(*bundle, EntryPoint("app", module, "main"), typelibs={"Pango-1.0": ""}).files


def test_typelib_that_the_import_does_without(bundle: tuple[AppDir, BundledPython]) -> None:
    """What it fails for then is another matter."""
    assert find_startup_order(*bundle, EntryPoint("app", "wanted_gtk", "main"), typelibs={"Gtk-4.0": ""}).files


def stems(files: tuple[str, ...]) -> list[str]:
    return [path.rsplit("/", 1)[-1].split(".")[0] for path in files]


def tree(appdir: AppDir) -> dict[Path, object]:
    """Return all that can be seen of an AppDir."""
    return {
        path: (path.lstat().st_mode, path.readlink() if path.is_symlink() else path.is_file() and path.read_bytes())
        for path in appdir.root.rglob("*")
    }


class TestRun:
    """What a run of the application adds to the import of its entry point."""

    @pytest.fixture(params=["namespaces", "no namespaces"])
    def way(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
        """Run it with user namespaces, and as on a machine without them."""
        if request.param == "no namespaces":
            monkeypatch.setattr(reads, "isolated", refusal)
        return str(request.param)

    def run(
        self, bundle: tuple[AppDir, BundledPython], name: str, *arguments: str, asked: bool = False
    ) -> StartupOrder:
        appdir, _ = bundle
        (appdir.bin / "app").write_text(f"import sys\nfrom run_{name} import main\nsys.exit(main())\n")
        command = StartupCommand(arguments or ("--help",), asked)
        entry_point = EntryPoint("app", f"run_{name}", "main")
        deferred = defers(bundle[1], entry_point, [f"run_{name}"])
        return find_startup_order(*bundle, entry_point, command=command, deferred=deferred)

    @pytest.mark.parametrize(
        ("name", "wanted"),
        [
            ("lazy", "colorsys"),
            ("prints", "colorsys"),
            ("exits_hard", "_decimal"),
            ("execs", "_decimal"),
            ("moves", "changed"),
            ("closes", "colorsys"),
            ("tries", "colorsys"),
            ("forks", "colorsys"),
            ("threads", "colorsys"),
            ("processes", "colorsys"),
            ("writes_new", "data_reader"),
            ("writes_home", "colorsys"),
        ],
    )
    @pytest.mark.usefixtures("way")
    def test_what_main_reads(self, bundle: tuple[AppDir, BundledPython], name: str, wanted: str) -> None:
        before = set(tree(bundle[0])) | {bundle[0].bin / "app"}
        order = self.run(bundle, name)
        assert order.command == "app --help"
        assert wanted in stems(order.files)
        assert wanted not in stems(order.imported)
        assert order.files[: len(order.imported)] == order.imported
        assert set(tree(bundle[0])) == before

    @pytest.mark.usefixtures("way")
    def test_what_is_opened_outside(self, bundle: tuple[AppDir, BundledPython], tmp_path: Path) -> None:
        """Files by Python, by C code that has them in memory, and libraries; not what is written."""
        library = find_library("crypt") or unavailable("there is no libcrypt")
        read, mapped, written = (tmp_path / name for name in ("read", "mapped", "written"))
        for path in (read, mapped):
            path.write_text("data")
        order = self.run(bundle, "opens", library, str(read), str(mapped), str(written))
        assert order.command is not None
        _, seen = order.seen
        files = {file.name: file for file in seen.files}
        assert files[str(read)] == Opened(str(read), "run_opens", 5)
        assert files[str(mapped)] == Opened(str(mapped))
        assert str(written) not in files
        assert seen.libraries == (Opened(library, "run_opens", 6),)
        (load,) = (load for load in seen.loads if load.name == library)
        assert load.loader.startswith(str(bundle[0].root))
        assert not load.needed

    @pytest.mark.parametrize(
        ("name", "reason"),
        [
            ("reads_stdin", "EOFError: EOF when reading a line"),
            ("fails", "RuntimeError: no display"),
            ("refuses", "SystemExit: unknown option"),
            ("aborts", "signal 6"),
        ],
    )
    @pytest.mark.parametrize("asked", [True, False])
    @pytest.mark.usefixtures("way")
    def test_that_fails(
        self,
        bundle: tuple[AppDir, BundledPython],
        name: str,
        reason: str,
        caplog: pytest.LogCaptureFixture,
        *,
        asked: bool,
    ) -> None:
        """The import counts, and a line says why where the project asks for the run."""
        order = self.run(bundle, name, asked=asked)
        assert order.files == order.imported
        assert order.command is None
        assert f"run_{name}" in stems(order.files)
        assert "colorsys" not in stems(order.files)
        warning = f"`app --help` for the start-up order ended with {reason}: what the import reads is used instead"
        assert caplog.messages == ([warning] if asked else [])

    @pytest.mark.usefixtures("way")
    def test_that_takes_too_long(
        self, bundle: tuple[AppDir, BundledPython], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        """It is told even if nobody asked, as it costs time at each build."""
        monkeypatch.setattr(StartupCommand, "seconds", 1)
        order = self.run(bundle, "hangs")
        assert order.files == order.imported
        (message,) = caplog.messages
        assert message.startswith("`app --help` for the start-up order took more than 1 s: set `startup-command`")

    def test_cannot_write_into_the_image(self, bundle: tuple[AppDir, BundledPython]) -> None:
        self.run(bundle, "lazy")
        before = tree(bundle[0])
        script = bundle[0].bin / "app"
        for name in ("writes_new", "writes_over"):
            assert "data_reader" in stems(self.run(bundle, name).files)
            assert {path: state for path, state in tree(bundle[0]).items() if path != script} == {
                path: state for path, state in before.items() if path != script
            }

    def test_changes_the_image_where_nothing_prevents_it(
        self, bundle: tuple[AppDir, BundledPython], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(reads, "isolated", refusal)
        with pytest.raises(
            AppImageError, match=r"`app --help` changes .*changed.txt in the image: set `startup-command = false`"
        ):
            self.run(bundle, "writes_over")

    def test_at_the_same_time_as_the_import(self, bundle: tuple[AppDir, BundledPython], tmp_path: Path) -> None:
        link = bundle[1].site_packages[0] / "place"
        link.symlink_to(tmp_path)
        try:
            assert "colorsys" in stems(self.run(bundle, "meets").files)
        finally:
            link.unlink()

    @pytest.mark.parametrize(("name", "wanted"), [("misleads", "data_reader"), ("locks", "colorsys")])
    def test_not_misled_by_the_import(self, bundle: tuple[AppDir, BundledPython], name: str, wanted: str) -> None:
        order = self.run(bundle, name)
        assert order.command == "app --help"
        assert {"data_reader", "colorsys"} & {*stems(order.files)} == {wanted}

    def test_ends_with_an_interrupted_import(
        self, bundle: tuple[AppDir, BundledPython], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        mark = tmp_path / "mark"
        mark.touch()

        def interrupt(*_: object) -> Reads:
            while not mark.read_text():
                time.sleep(0.01)
            raise KeyboardInterrupt

        monkeypatch.setattr(startup, "reads_of_import", interrupt)
        with pytest.raises(KeyboardInterrupt):
            self.run(bundle, "daemon", str(mark), asked=True)
        assert mark.read_text() not in processes_by_namespace()

    def test_has_no_network(self, bundle: tuple[AppDir, BundledPython], caplog: pytest.LogCaptureFixture) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            self.run(bundle, "connects", str(server.getsockname()[1]), asked=True)
        assert "ended with OSError: [Errno 101] Network is unreachable" in caplog.text

    def test_no_daemon_stays(self, bundle: tuple[AppDir, BundledPython], tmp_path: Path) -> None:
        mark = tmp_path / "mark"
        mark.touch()
        order = self.run(bundle, "daemon", str(mark), asked=True)
        assert order.command == f"app {mark}"
        namespace = mark.read_text()
        assert namespace.startswith("pid:")
        assert namespace not in processes_by_namespace()

    def test_is_asked_for(self, bundle: tuple[AppDir, BundledPython]) -> None:
        """It is run though no function imports anything."""
        assert self.run(bundle, "plain", "a b", "$x").command is None
        assert self.run(bundle, "plain", "a b", "$x", asked=True).command == "app 'a b' '$x'"

    @pytest.mark.parametrize("name", ["threads", "processes", "forks", "lists"])
    def test_is_the_same_every_time(self, bundle: tuple[AppDir, BundledPython], name: str) -> None:
        assert len({self.run(bundle, name).files for _ in range(3)}) == 1

    def test_directories_are_listed_by_name(self, bundle: tuple[AppDir, BundledPython]) -> None:
        files = [path for path in self.run(bundle, "lists").files if "/listed/" in path and path.endswith(".txt")]
        assert [path.rsplit("/", 1)[-1] for path in files] == ["a.txt", "b.txt", "c.txt"]

    def test_module_that_is_run(self, bundle: tuple[AppDir, BundledPython]) -> None:
        """Its import leaves out what `python -m` runs."""
        appdir, _ = bundle
        (appdir.bin / "app").write_text(
            "import runpy\nrunpy.run_module('listed', run_name='__main__', alter_sys=True)\n"
        )
        entry_point = EntryPoint("app", "listed", None)
        assert defers(bundle[1], entry_point, ["listed.__main__"])
        order = find_startup_order(*bundle, entry_point, command=StartupCommand(), deferred=True)
        assert {"__main__", "colorsys"} <= {*stems(order.files)}

    def test_environment_is_that_of_the_image(self, bundle: tuple[AppDir, BundledPython]) -> None:
        appdir, _ = bundle
        settings = appdir.root / SETTINGS_NAME
        write_settings(appdir.root, [("default", "APP_DATA ${APPDIR}/usr/$APPDIRX"), ("default", "HOME /nowhere")])
        plugin = appdir.usr / "lib" / "plugins" / "platforms" / "libqoffscreen.so"
        plugin.parent.mkdir(parents=True)
        plugin.touch()
        try:
            order = self.run(bundle, "checks", str(appdir.root), asked=True)
            assert order.command
            assert "libqoffscreen" not in stems(order.files)
        finally:
            shutil.rmtree(appdir.usr / "lib" / "plugins")
            settings.write_bytes(b"")


@contextlib.contextmanager
def refusal(*_: object, **__: object) -> Iterator[Callable[[float], Ending]]:
    """Do as `isolated` on a machine without user namespaces."""

    def wait(_: float) -> Ending:
        raise AppImageError("There are no user namespaces here")

    yield wait


def processes_by_namespace() -> set[str]:
    """Return the process namespaces of all processes."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            found.add(str((process / "ns" / "pid").readlink()))
    return found
