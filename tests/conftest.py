# SPDX-License-Identifier: MIT
"""What the end-to-end tests share: our built wheel, builds of the test projects with it, and ways to run an image."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
import tarfile
import venv
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from filelock import FileLock
from tools import require
from uv import find_uv_bin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

REPOSITORY = Path(__file__).resolve().parent.parent
TEST_PROJECTS = REPOSITORY / "test-projects"

DEVICE = Path("/dev/fuse")
_DEVICE_MODE = pytest.StashKey[int]()

# A user of every Linux who owns nothing.
NOBODY = 65534


def clean_environment(home: Path) -> dict[str, str]:
    """Return what a fresh login has: settings of the machine that runs the tests would hide faults of an image."""
    return {"HOME": str(home), "PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"}


@dataclass(frozen=True)
class Plugin:
    """Our wheel, installed into an environment as `hatch build` makes it.

    Attributes:
        wheel: the file.
        python: the interpreter of the environment.

    """

    wheel: Path
    python: Path

    def build(
        self, project: Path, *arguments: str, env: Mapping[str, str] | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run `hatchling build -t appimage` in a project."""
        result = subprocess.run(
            [self.python, "-m", "hatchling", "build", *(arguments or ("-t", "appimage"))],
            cwd=project,
            env={**os.environ, **(env or {})},
            capture_output=True,
            text=True,
            check=False,
        )
        if check:
            assert result.returncode == 0, result.stdout + result.stderr
        return result


def make_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Return a directory that is filled once, by the first of the processes among which the tests are divided.

    Args:
        factory: pytest's, of the calling process.
        name: of the directory, one for each content.
        make: fills it.

    """
    base = factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    with FileLock(folder.with_name(f"{name}.lock")):
        if not (folder / "made").exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            open_to_all(folder)
            make(folder)
            (folder / "made").touch()
    return folder


@pytest.fixture(scope="session")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Plugin:
    """Build our wheel and install it."""
    folder = make_once(tmp_path_factory, "plugin", install_plugin)
    (wheel,) = (folder / "dist").glob("*.whl")
    return Plugin(wheel, folder / "venv" / "bin" / "python")


def install_plugin(folder: Path) -> None:
    """Build our wheel, and install it into an environment of its own.

    It is built in the environment of the tests: Zig compiles its C library again for every place where it lies.
    """
    options = ["--quiet", "--wheel", "--no-build-isolation", "--python", sys.executable]
    subprocess.run([find_uv_bin(), "build", *options, "--out-dir", folder / "dist", REPOSITORY], check=True)
    (wheel,) = (folder / "dist").glob("*.whl")
    venv.create(folder / "venv", with_pip=False, symlinks=True)
    python = folder / "venv" / "bin" / "python"
    subprocess.run([find_uv_bin(), "pip", "install", "--quiet", "--python", python, wheel], check=True)


def copy_project(name: str, folder: Path) -> Path:
    """Copy a test project, so that its builds leave nothing in the repository."""
    return Path(shutil.copytree(TEST_PROJECTS / name, folder / name, ignore=shutil.ignore_patterns("dist")))


def build_image(plugin: Plugin, project: Path) -> Path:
    """Build a project's image and return its path."""
    plugin.build(project)
    (image,) = (project / "dist").glob("*.AppImage")
    return image


def build_once(plugin: Plugin, factory: pytest.TempPathFactory, project: str) -> Path:
    """Return the image of a test project, which is built once."""
    folder = make_once(factory, project, lambda folder: build_image(plugin, copy_project(project, folder)))
    (image,) = folder.glob("*/dist/*.AppImage")
    return image


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


def make_public(factory: pytest.TempPathFactory, name: str) -> Path:
    """Make a directory that an ordinary user can reach: pytest's own are closed to others."""
    folder = factory.mktemp(name)
    open_to_all(folder)
    return folder


def open_to_all(folder: Path) -> None:
    """Let every user reach a directory below /tmp."""
    for place in [folder, *folder.parents]:
        if place.owner() == Path("/tmp").owner() and place not in (Path("/tmp"), Path("/")):
            place.chmod(place.stat().st_mode | stat.S_IXOTH | stat.S_IROTH)


def unpack(image: Path, folder: Path) -> Path:
    """Unpack an image by what every Linux has for it, and return its tree."""
    offset = subprocess.run([image, "--appimage-offset"], capture_output=True, check=True).stdout.strip()
    unsquashfs: list[str | bytes | Path] = [
        require("unsquashfs", "squashfs-tools"),
        "-q",
        "-n",
        "-d",
        "tree",
        "-o",
        offset,
        image,
    ]
    subprocess.run(unsquashfs, cwd=folder, check=True)
    return folder / "tree"


@dataclass(frozen=True)
class Runner:
    """One way to run an image.

    Attributes:
        mode: `mounted`, `extract-and-run` or `extracted`.
        user: a numeric user id; None for the one that runs the tests.
        home: the user's folder.

    """

    mode: str
    user: int | None
    home: Path
    extra: dict[str, str] = field(default_factory=dict)

    def command(self, image: Path) -> list[str]:
        """Return the command that starts an image this way."""
        return [*self.prefix, str(self._apprun(image) if self.mode == "extracted" else image)]

    @property
    def prefix(self) -> list[str]:
        """Return the command that becomes the user."""
        if self.user is None:
            return []
        identity = [f"--reuid={self.user}", f"--regid={self.user}", "--clear-groups"]
        return [require("setpriv", "util-linux"), *identity]

    @property
    def environment(self) -> dict[str, str]:
        """Return the clean environment that the image runs in."""
        env = {**clean_environment(self.home), **self.extra}
        if self.mode == "extract-and-run":
            env["APPIMAGE_EXTRACT_AND_RUN"] = "1"
        return env

    def run(self, image: Path, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run an image to its end."""
        return subprocess.run(
            [*self.command(image), *arguments],
            env=self.environment,
            cwd=self.home,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    @property
    def unpacked(self) -> Path:
        """Return the folder that images are unpacked to."""
        return self.home / "extracted ä"

    def _apprun(self, image: Path) -> Path:
        folder = self.unpacked / str(image.stat().st_ino)
        if not folder.exists():
            folder.mkdir(parents=True)
            subprocess.run(
                [image, "--appimage-extract"], cwd=folder, check=True, stdout=subprocess.DEVNULL, env=self.environment
            )
            if self.user is not None:
                subprocess.run(["chown", "-R", str(self.user), folder], check=True)
        return folder / "squashfs-root" / "AppRun"


def unpack_sdist(name: str, folder: Path) -> Path:
    """Fetch an application's sdist from the index, and return its unpacked tree."""
    options = ["--quiet", "--no-deps", "--no-binary", name, "--dest", str(folder)]
    subprocess.run([sys.executable, "-m", "pip", "download", *options, name], check=True)
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    (project,) = (path for path in folder.iterdir() if path.is_dir())
    return project


def answers_its_version(image: Path, factory: pytest.TempPathFactory) -> None:
    """See that an image answers what its name says, for root and for nobody, mounted and unpacked."""
    version = re.search(r"-(\d+(?:\.\d+)+)", image.name)
    assert version
    for user in (None, NOBODY):
        for mode in ("mounted", "extracted"):
            home = make_public(factory, "home")
            if user:
                os.chown(home, user, user)
            result = Runner(mode, user, home).run(image, "--version")
            # Not all of it: rich-cli 1.8.1 says that it is 1.8.0.
            assert version[1].split(".")[0] in result.stdout, (mode, user, result.stdout, result.stderr)
            shutil.rmtree(home)


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


@pytest.fixture(scope="session")
def without_device(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """Return what a command of root's begins with for which /dev/fuse is closed to others, as on some machines."""
    require_root()
    node = tmp_path_factory.mktemp("closed") / "fuse"
    os.mknod(node, stat.S_IFCHR | 0o600, DEVICE.stat().st_rdev)
    script = f'mount --bind {shlex.quote(str(node))} {DEVICE} && exec "$0" "$@"'
    return (require("unshare", "util-linux"), "--mount", "sh", "-c", script)


def require_root() -> None:
    """Only root can mount, and become another user."""
    if os.geteuid() != 0:
        unavailable("only root can do this")


def unavailable(reason: str) -> None:
    """Skip a test for want of something on this machine; under CI that is a failure."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(params=["mounted", "extract-and-run", "extracted"])
def mode(request: pytest.FixtureRequest) -> str:
    """Run a test in every way an image can be started."""
    return str(request.param)


@pytest.fixture(params=["root", "user"])
def runner(
    request: pytest.FixtureRequest, mode: str, fuse: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Runner]:
    """Run a test as the user who runs the tests, and as an ordinary one."""
    del fuse
    home = make_public(tmp_path_factory, "home")
    user = NOBODY if request.param == "user" else None
    if user is not None:
        require_root()
        os.chown(home, user, user)
    yield Runner(mode, user, home)
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="module", params=["root", "user"])
def _user(request: pytest.FixtureRequest) -> int | None:
    return NOBODY if request.param == "user" else None


@pytest.fixture(scope="module", params=["mounted", "extract-and-run", "extracted"])
def _place(
    request: pytest.FixtureRequest, _user: int | None, fuse: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Runner]:
    del fuse
    home = make_public(tmp_path_factory, "home")
    if _user is not None:
        require_root()
        os.chown(home, _user, _user)
    yield Runner(str(request.param), _user, home)
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def quick_runner(_place: Runner) -> Iterator[Runner]:
    """Run a test like `runner` does, for modules of many tests: what is unpacked stays, all else in the home goes."""
    yield replace(_place, extra={})
    for path in _place.home.iterdir():
        if path.is_symlink() or path.is_file():
            path.unlink()
        elif path != _place.unpacked:
            shutil.rmtree(path, ignore_errors=True)
