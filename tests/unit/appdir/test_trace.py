# SPDX-License-Identifier: MIT
"""The file of a project that says what is brought into the image, and what is said of what is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hatch_appimage.appdir.outside import FILE, LIBRARY, MODULE, TYPELIB, OutsideFile
from hatch_appimage.appdir.trace import Outside, Trace, TraceFile, read_trace, warn_of_outside, write_trace_file
from hatch_appimage.errors import ConfigurationError
from hatch_appimage.layout import AppDir
from hatch_appimage.system import System
from support.elf_fixtures import library

if TYPE_CHECKING:
    from pathlib import Path

FILES = (
    OutsideFile(FILE, "/usr/share/app/ä.dat", "/usr/share/app/ä.dat", "app, line 2"),
    OutsideFile(FILE, "/opt/app/b.dat", "/opt/app/b.dat", ""),
    OutsideFile(MODULE, "/usr/lib/python3/a.py", "/usr/lib/python3/a.py", "app, line 3"),
    OutsideFile(TYPELIB, "Gtk-4.0.typelib", "/usr/lib/girepository-1.0/Gtk-4.0.typelib", ""),
    OutsideFile(LIBRARY, "liba.so.1", "/usr/lib/liba.so.1", "app, line 4"),
    OutsideFile(LIBRARY, "/opt/app/libb.so", "/opt/app/libb.so", "_ctypes", by_path=True),
)
TABLE = "[tool.hatch.build.targets.appimage.force-include]"


@pytest.fixture
def system(tmp_path: Path) -> System:
    root = tmp_path / "machine"
    (root / "lib" / "girepository-1.0").mkdir(parents=True)
    (root / "lib" / "girepository-1.0" / "Gtk-4.0.typelib").touch()
    for name in ("usr/share/app/ä.dat", "opt/app/b.dat"):
        (root / name).parent.mkdir(parents=True)
        (root / name).write_text("data")
    library("libb.so").write(root / "opt/app/libb.so")
    return System(root, (root / "lib",))


def test_comes_back(tmp_path: Path, system: System) -> None:
    """Modules do not: packages have them."""
    path = tmp_path / "new" / "app.trace"
    assert write_trace_file(path, Outside(FILES)) == TraceFile(path)
    assert [each.name for each in path.parent.iterdir()] == ["app.trace"]
    lines = [line for line in path.read_text("utf-8").splitlines() if not line.startswith("#")]
    assert lines == [file.entry for file in FILES if file.kind != MODULE]
    root = system.root
    assert read_trace(path, system) == Trace(
        {"liba.so.1": "app.trace", str(root / "opt/app/libb.so"): "app.trace"},
        ("Gtk-4.0",),
        (
            (root / "usr/share/app/ä.dat", "usr/share/app/ä.dat"),
            (root / "opt/app/b.dat", "opt/app/b.dat"),
        ),
    )


def test_nothing_half_written_stays(tmp_path: Path) -> None:
    (tmp_path / "app.trace").mkdir()
    with pytest.raises(OSError, match="directory"):
        write_trace_file(tmp_path / "app.trace", Outside(FILES))
    assert [path.name for path in tmp_path.iterdir()] == ["app.trace"]


def test_what_is_not_there(tmp_path: Path, system: System) -> None:
    """All of it at once; a path cannot lead out of the image."""
    path = tmp_path / "app.trace"
    names = ["# mine", "", "/opt/app/b.dat", "/opt/gone", "No-1.0.typelib", "share/x", "/opt/../x", "/opt/\0", "/opt"]
    path.write_bytes("\r\n".join(names).encode())
    with pytest.raises(ConfigurationError) as caught:
        read_trace(path, system)
    lacking = f"which the sysroot {system.root} does not have: install what provides it, or remove that line"
    meaningless = "app.trace has a line that is neither the name of a library or typelib nor a whole path: "
    assert caught.value.errors == [
        f"app.trace names /opt/gone, {lacking}",
        f"app.trace names No-1.0.typelib, {lacking}",
        f"{meaningless}share/x",
        f"{meaningless}/opt/../x",
        f"{meaningless}/opt/\\x00",
        f"app.trace names /opt, {lacking}",
    ]


def test_what_to_do(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert warn_of_outside(FILES, AppDir(tmp_path, "app")) == Outside(FILES)
    or_the_systems = "or name it in `system-files` if it is to be the machine's"
    assert caplog.messages == [
        (
            "/usr/share/app/ä.dat was opened outside of the image by app, line 2: add "
            f'"/usr/share/app/ä.dat" = "usr/share/app/ä.dat" to {TABLE} and open sys.prefix + "/share/app/ä.dat" where '
            f"that exists, {or_the_systems}"
        ),
        (
            '/opt/app/b.dat was opened outside of the image: add "/opt/app/b.dat" = "opt/app/b.dat" to '
            f'{TABLE} and open os.environ["APPDIR"] + "/opt/app/b.dat" where that exists, {or_the_systems}'
        ),
        (
            "/usr/lib/python3/a.py was opened outside of the image by app, line 3: it is of the machine's Python; add "
            "its package to the project's `dependencies`"
        ),
        ('/usr/lib/girepository-1.0/Gtk-4.0.typelib was opened outside of the image: add gi-namespaces = ["Gtk-4.0"]'),
        '/usr/lib/liba.so.1 was opened outside of the image by app, line 4: add libraries = ["liba.so.1"]',
        (
            '/opt/app/libb.so was opened outside of the image by _ctypes: add libraries = ["/opt/app/libb.so"] and '
            'open it by its name, "libb.so", without a directory'
        ),
    ]


def test_what_the_image_has_and_nobody_finds(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    appdir = AppDir(tmp_path, "app")
    targets = ["usr/share/app/ä.dat", "opt/app/b.dat", "usr/lib/girepository-1.0/Gtk-4.0.typelib"]
    for name in (*targets, "usr/lib/liba.so.1", "usr/lib/libb.so"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    warn_of_outside(tuple(file for file in FILES if file.kind != MODULE), appdir)
    assert [message.partition(": the image has it, too; ")[2] for message in caplog.messages] == [
        'open sys.prefix + "/share/app/ä.dat" where that exists',
        'open os.environ["APPDIR"] + "/opt/app/b.dat" where that exists',
        "whatever opened it did not find that",
        "whatever opened it did not find that",
        'open it by its name, "libb.so", without a directory',
    ]
