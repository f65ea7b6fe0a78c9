# SPDX-License-Identifier: MIT
"""The fixtures that several modules of tests use."""

from __future__ import annotations

import os
import shlex
import shutil
import stat
import subprocess
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING

import pytest

# Before they are imported: failed assertions of theirs are explained, too.
pytest.register_assert_rewrite("support")

from hatch_appimage import PASSPHRASE
from hatch_appimage.libraries.apt import Apt
from support.archive import Archive
from support.keys import gpg, make_key
from support.machine import DEVICE, NOBODY, make_public
from support.plugin import SHARED, Plugin, build_once, install_plugin, make_once
from support.processes import end_processes, processes
from support.runner import Runner
from support.tools import require, require_root, unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator


TESTS = Path(__file__).parent

_DEVICE_MODE = pytest.StashKey[int]()

# What it says of a test that it uses a fixture.
_MARKS = {"plugin": ("slow", "network"), "needs_root": ("root",)}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by what they need, so that `-m` can choose among them; modules of slow ones come first.

    Where modules are divided among processes, the quick ones fill the time at the end.
    """
    for item in items:
        if item.path.is_relative_to(TESTS / "integration"):
            item.add_marker("slow")
        for fixture in _MARKS.keys() & set(getattr(item, "fixturenames", ())):
            for mark in _MARKS[fixture]:
                item.add_marker(mark)
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -slow[item.path])


@pytest.fixture(scope="module", autouse=True)
def _no_directory_stays(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Remove what the fixtures of a module have made, once it is through; pytest keeps `tmp_path` of failed tests."""
    base = tmp_path_factory.getbasetemp()
    before = {SHARED, *(path.name for path in base.iterdir())}
    yield
    for path in base.iterdir():
        if path.name not in before and not path.name.startswith("test_"):
            shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(autouse=True)
def _no_process_stays(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """End what a test has started in its directories and has not seen to its end, as one that fails may."""
    before = processes()
    yield
    end_processes(tmp_path_factory.getbasetemp(), before)


@pytest.fixture(scope="session")
def needs_root() -> None:
    """See that the tests are run by root, who alone can mount and become another user."""
    require_root()


@pytest.fixture(scope="session")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Plugin:
    """Build our wheel and install it."""
    directory = make_once(tmp_path_factory, "plugin", install_plugin)
    (wheel,) = (directory / "dist").glob("*.whl")
    return Plugin(wheel, directory / "venv" / "bin" / "python")


@pytest.fixture(scope="session")
def flask_image(plugin: Plugin, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the image of `test-projects/flask-app`."""
    return build_once(plugin, tmp_path_factory, "flask-app")


@pytest.fixture(scope="session")
def hello_image(plugin: Plugin, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the image of `test-projects/hello-cli`."""
    return build_once(plugin, tmp_path_factory, "hello-cli")


@pytest.fixture(scope="session")
def pandas_image(plugin: Plugin, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the image of `test-projects/pandas-report`, which its own `test-command` has run."""
    return build_once(plugin, tmp_path_factory, "pandas-report")


@pytest.fixture(scope="session")
def native_image(plugin: Plugin, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the image of `test-projects/native-ext`."""
    require("cc", "gcc")
    return build_once(plugin, tmp_path_factory, "native-ext")


@pytest.fixture(scope="session")
def qt_image(plugin: Plugin, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the image of `test-projects/qt-window`."""
    return build_once(plugin, tmp_path_factory, "qt-window")


@pytest.fixture(scope="session")
def display() -> Iterator[str]:
    """Start an X server without a screen and return its name."""
    read, write = os.pipe()
    command = [require("Xvfb", "xvfb"), "-displayfd", str(write), "-screen", "0", "800x600x24", "-nolisten", "tcp"]
    with subprocess.Popen(command, pass_fds=[write], stderr=subprocess.DEVNULL) as server:
        os.close(write)
        with os.fdopen(read) as pipe:
            number = pipe.readline().strip()
        yield f":{number}"
        server.terminate()


def pytest_sessionstart(session: pytest.Session) -> None:
    """Open /dev/fuse to everyone, as distributions do; some containers do not.

    Only the process that divides the tests among others does it, as it outlives them.
    """
    if DEVICE.exists() and os.geteuid() == 0 and not hasattr(session.config, "workerinput"):
        session.config.stash[_DEVICE_MODE] = stat.S_IMODE(DEVICE.stat().st_mode)
        DEVICE.chmod(0o666)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Close it again."""
    if _DEVICE_MODE in session.config.stash:
        DEVICE.chmod(session.config.stash[_DEVICE_MODE])


@pytest.fixture(scope="session")
def fuse() -> None:
    """See that images can be mounted here."""
    if not DEVICE.exists():
        unavailable("there is no /dev/fuse")


@pytest.fixture(scope="module")
def without_device(needs_root: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """Return what a command of root's begins with for which /dev/fuse is closed to others, as on some machines."""
    del needs_root
    node = tmp_path_factory.mktemp("closed") / "fuse"
    os.mknod(node, stat.S_IFCHR | 0o600, DEVICE.stat().st_rdev)
    script = f'mount --bind {shlex.quote(str(node))} {DEVICE} && exec "$0" "$@"'
    return (require("unshare", "util-linux"), "--mount", "sh", "-c", script)


# Every way to start an image, and who does: root, or whoever runs the tests, and somebody else, which only root can.
# Not every way by everybody, which takes half as long again: what is unpacked is the same for both.
_WAYS = [
    "mounted-root",
    pytest.param("mounted-user", marks=pytest.mark.root),
    pytest.param("extract-and-run-user", marks=pytest.mark.root),
    "extracted-root",
]


@contextmanager
def _runner(way: str, factory: pytest.TempPathFactory) -> Iterator[Runner]:
    mode, _, name = way.rpartition("-")
    home = make_public(factory, "home")
    user = NOBODY if name == "user" else None
    if user is not None:
        require_root()
        os.chown(home, user, user)
    yield Runner(mode, user, home)
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(params=_WAYS)
def runner(request: pytest.FixtureRequest, fuse: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    """Run a test as the user who runs the tests, and as an ordinary one."""
    del fuse
    with _runner(request.param, tmp_path_factory) as runner:
        yield runner


@pytest.fixture(scope="module", params=_WAYS)
def _place(request: pytest.FixtureRequest, fuse: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    del fuse
    with _runner(request.param, tmp_path_factory) as runner:
        yield runner


@pytest.fixture
def quick_runner(_place: Runner) -> Iterator[Runner]:
    """Run a test like `runner` does, for modules of many tests: what is unpacked stays, all else in the home goes."""
    yield replace(_place, extra={})
    for path in _place.home.iterdir():
        if path.is_symlink() or path.is_file():
            path.unlink()
        elif path != _place.unpacked:
            shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def gnupg_home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give gpg a home of its own; the path of its sockets must be short."""
    directory = Path(mkdtemp(prefix="gpg-", dir="/tmp"))
    monkeypatch.setenv("GNUPGHOME", str(directory))
    monkeypatch.delenv(PASSPHRASE, raising=False)
    yield directory
    subprocess.run(["gpgconf", "--kill", "all"], check=False)
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="module")
def archive_key() -> Iterator[str]:
    """Return the fingerprint of a key that exists while these tests run."""
    home = Path(mkdtemp(prefix="gpg-", dir="/tmp"))  # a short path: it is one of a socket
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GNUPGHOME", str(home))
        yield make_key("ed25519")
        subprocess.run(["gpgconf", "--kill", "all"], check=False)
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def archive(tmp_path: Path, archive_key: str, monkeypatch: pytest.MonkeyPatch) -> Archive:
    """Return an archive, and have apt use it and nothing else."""
    require("apt-get", "apt")
    root = tmp_path / "archive"
    etc = tmp_path / "etc"
    for directory in (root, etc / "sources.list.d"):
        directory.mkdir(parents=True)
    gpg("--export", "--output", etc / "key.gpg", archive_key)
    (etc / "sources.list").write_text(f"deb [signed-by={etc}/key.gpg] file:{root} ./\n")
    settings = tmp_path / "apt.conf"
    settings.write_text(f'Dir::Etc "{etc}";\nDir::Etc::parts "{etc}/none";\nDir::Etc::trustedparts "{etc}/none";\n')
    monkeypatch.setenv("APT_CONFIG", str(settings))
    (root / "Packages").touch()
    return Archive(root, archive_key)


@pytest.fixture
def apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Apt:
    """Return the apt of this machine, with a cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "cache" / "hatch-appimage").mkdir(mode=0o700, parents=True)
    found = Apt.of_machine()
    assert found is not None
    return found
