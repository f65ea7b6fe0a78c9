# SPDX-License-Identifier: MIT
"""The runtime: real images, really mounted, by root and by an ordinary user."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hatch_appimage.runtime import runtime_path
from support.machine import NOBODY, make_public
from support.runtime_image import (
    HOST,
    PATIENCE,
    WAYS,
    Image,
    errors_of,
    make_appdir,
    pack,
    processes_of,
    runs_sleep,
    sized_for,
    wait_until,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def built(needs_root: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    del needs_root
    directory = make_public(tmp_path_factory, "image")
    return pack(make_appdir(directory / "AppDir"), directory / "Some App.AppImage")


@pytest.fixture(params=WAYS)
def image(request: pytest.FixtureRequest, built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    user, prefix, settings, _ = WAYS[request.param]
    temporary = tmp_path_factory.mktemp("tmp")
    os.chown(temporary, user, user)
    yield Image(sized_for(request.param, built), temporary, user, tuple(prefix), tuple(settings.items()))
    assert not temporary.exists() or not any(temporary.iterdir())


@pytest.fixture
def mounted(built: Path, tmp_path: Path) -> Image:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    return Image(built, temporary)


class TestEveryWay:
    def test_runs(self, image: Image) -> None:
        result = image.run("here")
        assert (result.stdout, errors_of(result), result.returncode) == ("data\n", [], 0)
        image.wait_until_clean()

    def test_exit_status(self, image: Image) -> None:
        assert image.run("run", "exit", "7").returncode == 7
        image.wait_until_clean()

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL])
    def test_signal(self, image: Image, number: signal.Signals) -> None:
        process = image.start("run", "exec", "sleep", "60", stdin=subprocess.PIPE)
        wait_until(image.leftovers)
        time.sleep(0.3)
        process.send_signal(number)
        assert process.wait(PATIENCE) == -number
        process.communicate()
        image.wait_until_clean()

    def test_environment(self, image: Image) -> None:
        result = image.run("env", cwd="/usr")
        found = dict(line.split("=", 1) for line in result.stdout.splitlines())
        assert found["APPIMAGE"] == str(image.path)
        assert found["ARGV0"] == str(image.path)
        assert found["OWD"] == "/usr"
        assert found["APPDIR"].startswith(f"{image.temporary}/.")
        assert {"TARGET_APPIMAGE", "REDIRECT_APPIMAGE", "_FUSE_COMMFD"}.isdisjoint(found)
        image.wait_until_clean()

    def test_nothing_open(self, image: Image) -> None:
        files = image.run("files").stdout.splitlines()
        assert not [name for name in files if "fuse" in name or "socket" in name or name == str(image.path)]
        image.wait_until_clean()

    def test_child_that_outlives_its_parent(self, image: Image) -> None:
        script = '(sleep 1; cat "$APPDIR/usr/share/data.txt") & exit 3'
        process = image.start("run", "eval", script)
        assert process.wait(PATIENCE) == 3
        assert process.communicate()[0] == "data\n"
        image.wait_until_clean()


class TestWay:
    @pytest.mark.parametrize("way", WAYS)
    def test_is_taken(self, built: Path, tmp_path_factory: pytest.TempPathFactory, way: str) -> None:
        user, prefix, settings, expected = WAYS[way]
        temporary = tmp_path_factory.mktemp("tmp")
        os.chown(temporary, user, user)
        image = Image(sized_for(way, built), temporary, user, tuple(prefix), tuple(settings.items()))
        mounts = image.run("mounts").stdout
        image.wait_until_clean()
        assert (str(temporary) in mounts) == (expected == "mount")

    def test_small_image_stays_out_of_namespaces(self, built: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
        """In one, files of other users would seem to be nobody's, which ssh and sudo refuse."""
        temporary = tmp_path_factory.mktemp("tmp")
        os.chown(temporary, NOBODY, NOBODY)
        image = Image(built, temporary, NOBODY, settings=(("FUSERMOUNT_PROG", "/nonexistent"),))
        result = image.run("run", "eval", "readlink /proc/self/ns/user; stat -c %u /etc/passwd")
        image.wait_until_clean()
        assert result.stdout == f"{Path('/proc/self/ns/user').readlink()}\n0\n"

    def test_closed_device(
        self, built: Path, tmp_path_factory: pytest.TempPathFactory, without_device: tuple[str, ...]
    ) -> None:
        temporary = tmp_path_factory.mktemp("tmp")
        os.chown(temporary, NOBODY, NOBODY)
        image = Image(built, temporary, NOBODY).started_by(*without_device)
        result = image.run("here")
        assert (result.stdout, result.stderr.count("nothing is mounted")) == ("data\n", 1)
        image.wait_until_clean()


class TestCommandLine:
    def test_offset(self, mounted: Image) -> None:
        offset = int(mounted.run("--appimage-offset").stdout)
        assert offset == runtime_path(HOST).stat().st_size
        assert mounted.path.read_bytes()[offset : offset + 4] == b"hsqs"

    @pytest.mark.parametrize(
        ("flag", "text"), [("help", "--appimage-extract"), ("help", "--appimage-self-test"), ("version", "Zstandard")]
    )
    def test_texts(self, mounted: Image, flag: str, text: str) -> None:
        result = mounted.run(f"--appimage-{flag}")
        assert result.returncode == 0
        assert result.stdout == ""
        assert text in result.stderr

    def test_unknown(self, mounted: Image) -> None:
        result = mounted.run("--appimage-frobnicate")
        assert result.returncode == 1
        assert result.stderr.startswith("--appimage-frobnicate is not yet implemented in version")

    def test_only_first_argument(self, mounted: Image) -> None:
        assert mounted.run("run", "echo", "--appimage-offset").stdout == "--appimage-offset\n"

    @pytest.mark.parametrize("settings", [(), (("APPIMAGE_EXTRACT_AND_RUN", "1"),)])
    def test_no_self_test(self, mounted: Image, settings: tuple[tuple[str, str], ...]) -> None:
        """The application would take the option for its own."""
        image = replace(mounted, settings=settings)
        result = image.run("--appimage-self-test")
        assert (result.stdout, result.stderr) == ("", "AppImage: this AppImage has no self-test\n")
        assert result.returncode == 127
        image.wait_until_clean()

    def test_does_not_manage_itself(self, mounted: Image) -> None:
        result = mounted.run("--appimage-self", "update")
        assert (result.stdout, result.returncode) == ("", 127)
        assert result.stderr.startswith("AppImage: this AppImage does not manage itself")

    def test_manages_itself(self, tmp_path: Path) -> None:
        (tmp_path / "tmp").mkdir()
        appdir = make_appdir(tmp_path / "AppDir")
        (appdir / "usr/libexec/appimage-self").mkdir(parents=True)
        (appdir / "AppRun").write_text('#!/bin/sh\necho "$@"\n')
        image = Image(pack(appdir, tmp_path / "A.AppImage"), tmp_path / "tmp")
        assert image.run("--appimage-self", "info").stdout == "--appimage-self info\n"
        assert image.run("--appimage-selfish").returncode == 1
        image.wait_until_clean()

    @pytest.mark.parametrize("settings", [(), (("APPIMAGE_EXTRACT_AND_RUN", "1"),)])
    def test_self_test(self, tmp_path: Path, settings: tuple[tuple[str, str], ...]) -> None:
        (tmp_path / "tmp").mkdir()
        appdir = make_appdir(tmp_path / "AppDir")
        (appdir / "usr/libexec/self-test").mkdir(parents=True)
        (appdir / "AppRun").write_text('#!/bin/sh\necho "$@"\n')
        image = Image(pack(appdir, tmp_path / "A.AppImage"), tmp_path / "tmp", settings=settings)
        assert image.run("--appimage-self-test", "x").stdout == "--appimage-self-test x\n"
        assert image.run("--appimage-extract-and-run", "--appimage-self-test").stdout == "--appimage-self-test\n"
        image.wait_until_clean()

    def test_extract(self, mounted: Image, tmp_path: Path) -> None:
        result = mounted.run("--appimage-extract", cwd=tmp_path)
        assert result.returncode == 0
        assert "squashfs-root/usr/share/data.txt" in result.stdout.splitlines()
        assert (tmp_path / "squashfs-root/usr/share/data.txt").read_text() == "data\n"
        assert os.access(tmp_path / "squashfs-root/AppRun", os.X_OK)

    @pytest.mark.parametrize(
        ("pattern", "files"),
        [("*.desktop", ["app.desktop"]), ("usr/share", ["usr", "usr/share", "usr/share/data.txt"]), ("nothing", [])],
    )
    def test_extract_pattern(self, mounted: Image, tmp_path: Path, pattern: str, files: list[str]) -> None:
        assert mounted.run("--appimage-extract", pattern, cwd=tmp_path).returncode == 0
        root = tmp_path / "squashfs-root"
        assert sorted(str(path.relative_to(root)) for path in root.rglob("*")) == files

    def test_mount(self, mounted: Image) -> None:
        process = mounted.start("--appimage-mount")
        assert process.stdout
        point = Path(process.stdout.readline().strip())
        assert (point / "usr/share/data.txt").read_text() == "data\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == -signal.SIGINT
        process.communicate()
        mounted.wait_until_clean()

    def test_extract_and_run(self, mounted: Image) -> None:
        result = mounted.run("--appimage-extract-and-run", "run", "echo", "a  b", "")
        assert (result.stdout, result.returncode) == ("a  b \n", 0)
        mounted.wait_until_clean()


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_compression(tmp_path: Path, compression: str) -> None:
    image = pack(make_appdir(tmp_path / "AppDir"), tmp_path / "App.AppImage", compression=compression)
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    mounted = Image(image, temporary)
    assert mounted.run("here").stdout == "data\n"
    mounted.wait_until_clean()


class TestStart:
    """Where and how it is started."""

    @pytest.mark.parametrize("name", ["with blanks/and more", "ünïcödé/图像", "/".join(["d" * 199] * 19)])
    @pytest.mark.parametrize("copied", [False, True])
    def test_path(self, mounted: Image, tmp_path: Path, name: str, *, copied: bool) -> None:
        directory = tmp_path / name
        directory.mkdir(parents=True)
        path = directory / ("x" * max(1, 4000 - len(os.fsencode(directory)) - 1) if len(name) > 1000 else "App")
        shutil.copy(mounted.path, path)
        image = Image(path, mounted.temporary)
        arguments = ("--appimage-extract-and-run",) if copied else ()
        result = image.run(*arguments, "run", "eval", 'echo "$APPIMAGE"; cat "$APPDIR/usr/share/data.txt"')
        assert result.stdout == f"{path}\ndata\n"
        image.wait_until_clean()

    def test_symlink(self, mounted: Image, tmp_path: Path) -> None:
        (tmp_path / "link").symlink_to(mounted.path)
        result = Image(tmp_path / "link", mounted.temporary).run("run", "eval", 'echo "$APPIMAGE|$ARGV0"')
        assert result.stdout == f"{mounted.path}|{tmp_path / 'link'}\n"
        mounted.wait_until_clean()

    @pytest.mark.parametrize("copied", [False, True])
    def test_deleted_directory(self, mounted: Image, tmp_path: Path, *, copied: bool) -> None:
        gone = tmp_path / "gone"
        gone.mkdir()
        script = 'rmdir "$1"; exec "$2" $3 run eval "echo ${OWD-unset}; cat \\$APPDIR/usr/share/data.txt"'
        flag = "--appimage-extract-and-run" if copied else ""
        command = ("sh", "-c", script, "sh", str(gone), str(mounted.path), flag)
        result = subprocess.run(
            command, cwd=gone, env=mounted.environment, capture_output=True, text=True, check=False, timeout=60
        )
        assert result.stdout == "unset\ndata\n"
        mounted.wait_until_clean()

    @pytest.mark.parametrize("copied", [False, True])
    def test_closed_streams(self, mounted: Image, *, copied: bool) -> None:
        flag = "--appimage-extract-and-run" if copied else ""
        # What the application would find there is not its own.
        script = f'"$0" {flag} run eval "[ ! -e /proc/\\$\\$/fd/0 ] && [ ! -e /proc/\\$\\$/fd/1 ] && exit 4" <&- >&-'
        result = subprocess.run(["sh", "-c", script, mounted.path], env=mounted.environment, check=False, timeout=60)
        assert result.returncode == 4
        mounted.wait_until_clean()

    @pytest.mark.parametrize("copied", [False, True])
    def test_many_at_once(self, mounted: Image, *, copied: bool) -> None:
        flag = ("--appimage-extract-and-run",) if copied else ()
        processes = [mounted.start(*flag, "here") for _ in range(50)]
        assert [process.communicate(timeout=60)[0] for process in processes] == ["data\n"] * 50
        mounted.wait_until_clean()

    @pytest.mark.parametrize("options", ["ro", "noexec"])
    def test_unusable_temporary_directory(self, mounted: Image, tmp_path: Path, options: str) -> None:
        """Another place is found, for mounting and for a copy."""
        home = tmp_path / "home"
        home.mkdir()
        script = (
            f'mount -t tmpfs -o {options} none /tmp && mount --bind "$HOME" /mnt && '
            f'"$0" here && APPIMAGE_EXTRACT_AND_RUN=1 "$0" here'
        )
        image = tmp_path / "App.AppImage"
        shutil.copy(mounted.path, image)
        # /tmp is covered: the image and the user's directory are reached through another place.
        with_bind = f'mkdir -p /run/runtime-test && mount --bind "{tmp_path}" /run/runtime-test && {script}'
        result = subprocess.run(
            ["unshare", "--mount", "sh", "-c", with_bind.replace('"$0"', "/run/runtime-test/App.AppImage")],
            env={
                "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
                "HOME": "/run/runtime-test/home",
                "XDG_CACHE_HOME": "/run/runtime-test/home",
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert (result.stdout, result.stderr) == ("data\ndata\n", "")
        wait_until(lambda: not any(home.iterdir()))

    def test_target(self, mounted: Image, tmp_path: Path) -> None:
        """A launcher may run a copy of the runtime and name the image."""
        runtime = tmp_path / "runtime"
        shutil.copy(runtime_path(HOST), runtime)
        target = Image(runtime, mounted.temporary, settings=(("TARGET_APPIMAGE", str(mounted.path)),))
        result = target.run("run", "eval", 'echo "$APPIMAGE|${TARGET_APPIMAGE-unset}|$ARGV0"')
        assert result.stdout == f"{mounted.path}|unset|{mounted.path}\n"
        mounted.wait_until_clean()

    def test_portable_directories(self, mounted: Image, tmp_path: Path) -> None:
        path = tmp_path / "App.AppImage"
        shutil.copy(mounted.path, path)
        image = Image(path, mounted.temporary)
        assert image.run("--appimage-portable-home").returncode == 0
        assert image.run("--appimage-portable-config").returncode == 0
        result = image.run("run", "eval", 'echo "$HOME|$XDG_CONFIG_HOME"')
        assert result.stdout == f"{path}.home|{path}.config\n"
        mounted.wait_until_clean()


class TestPortable:
    """A directory beside the image becomes $HOME only if nobody else could have put anything into it."""

    @pytest.fixture
    def image(self, mounted: Image, tmp_path: Path) -> Image:
        path = tmp_path / "App.AppImage"
        shutil.copy(mounted.path, path)
        return Image(path, mounted.temporary)

    @pytest.mark.parametrize("variable", ["HOME", "XDG_CONFIG_HOME"])
    @pytest.mark.parametrize("kind", ["owner", "link", "target", "mode"])
    def test_of_others(self, image: Image, tmp_path: Path, variable: str, kind: str) -> None:
        place = Path(f"{image.path}{'.home' if variable == 'HOME' else '.config'}")
        target = tmp_path / "target" if kind in {"link", "target"} else place
        target.mkdir(mode=0o755)
        if target != place:
            place.symlink_to(target)
        if kind == "mode":
            target.chmod(0o777)
        elif kind == "link":
            os.chown(place, NOBODY, NOBODY, follow_symlinks=False)
        if kind in {"owner", "target"}:
            target.chmod(0o777)  # root leaves alone what is another user's
            image = self.of_nobody(image)
        result = image.run("here")
        assert (result.returncode, result.stdout) == (127, "")
        assert result.stderr.startswith(f"AppImage: {place} is not used as ${variable}, because ")
        assert result.stderr.count("\n") == 1
        image.wait_until_clean()

    def test_of_a_group(self, image: Image) -> None:
        """Where everyone has a group of his own, his directories are the group's, too."""
        place = Path(f"{image.path}.home")
        place.mkdir()
        place.chmod(0o775)
        assert image.run("run", "eval", 'echo "$HOME"').stdout == f"{place}\n"

    def test_that_the_user_cannot_write_to(self, image: Image) -> None:
        place = Path(f"{image.path}.home")
        place.mkdir(mode=0o755)
        result = self.of_nobody(image).run("run", "eval", 'echo "$HOME"')
        assert (result.stdout, result.stderr) == ("/nonexistent\n", "")

    def test_of_a_user_whom_root_helps(self, image: Image) -> None:
        """As with `pkexec "$APPIMAGE"`: it starts, and what is root's stays out of the user's directory."""
        place = Path(f"{image.path}.home")
        place.mkdir(mode=0o755)
        os.chown(place, NOBODY, NOBODY)
        result = image.run("run", "eval", 'echo "$HOME"')
        assert (result.stdout, result.stderr) == ("/nonexistent\n", "")

    def of_nobody(self, image: Image) -> Image:
        """Return the image as a user starts it who is not root."""
        os.chown(image.temporary, NOBODY, NOBODY)
        for parent in image.path.parents[:4]:
            parent.chmod(parent.stat().st_mode | 0o005)
        return Image(image.path, image.temporary, NOBODY)


class TestLifetime:
    @pytest.fixture
    def running(self, image: Image) -> Iterator[subprocess.Popen[str]]:
        process = image.start("run", "exec", "sleep", "60")
        wait_until(lambda: runs_sleep(process) and len(processes_of(image)) == 2)
        yield process
        process.kill()
        process.communicate()

    @pytest.fixture
    def image(self, mounted: Image) -> Image:
        return mounted

    def test_application_killed(self, image: Image, running: subprocess.Popen[str]) -> None:
        running.kill()
        image.wait_until_clean()
        wait_until(lambda: not processes_of(image))

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
    def test_shutdown_reaches_application_first(
        self, image: Image, running: subprocess.Popen[str], number: signal.Signals
    ) -> None:
        daemons = processes_of(image)
        assert len(daemons) == 2
        for daemon in daemons:
            os.kill(daemon, number)
        time.sleep(0.2)
        (point,) = image.leftovers()
        assert (image.temporary / point / "usr/share/data.txt").read_text() == "data\n"
        running.kill()
        image.wait_until_clean()

    @pytest.mark.parametrize("victim", [0, 1], ids=["server", "unmounter"])
    def test_daemon_killed(self, image: Image, running: subprocess.Popen[str], victim: int) -> None:
        """The server's death ends the mount, the unmounter's does not; neither leaves anything."""
        os.kill(sorted(processes_of(image))[victim], signal.SIGKILL)
        time.sleep(0.2)
        assert running.poll() is None
        assert bool(image.leftovers()) == (victim == 1)
        running.kill()
        image.wait_until_clean()
        wait_until(lambda: not processes_of(image))

    def test_server_killed_under_load(self, image: Image) -> None:
        """No reader hangs. What it has read is in memory, so it also asks what only the server knows."""
        script = 'while cat "$APPDIR/usr/busybox" && stat --file-system "$APPDIR"; do :; done >/dev/null; exit 9'
        process = image.start("run", "eval", script)
        wait_until(image.leftovers)
        wait_until(lambda: len(processes_of(image)) == 2)
        time.sleep(0.2)
        for daemon in processes_of(image):
            os.kill(daemon, signal.SIGKILL)
        assert process.wait(PATIENCE) == 9
        process.communicate()
        image.clear()

    def test_open_file_keeps_mount(self, image: Image) -> None:
        """Also for a process that knows nothing of the image."""
        process = image.start("run", "exec", "sleep", "60")
        wait_until(lambda: runs_sleep(process))
        (point,) = image.leftovers()
        with (image.temporary / point / "usr/share/data.txt").open() as stream:
            process.kill()
            process.communicate()
            time.sleep(0.5)
            assert stream.read() == "data\n"
        image.wait_until_clean()

    def test_runs_share_a_copy(self, image: Image) -> None:
        first = image.start("--appimage-extract-and-run", "run", "exec", "sleep", "1")
        wait_until(image.leftovers)
        second = image.run("--appimage-extract-and-run", "run", "eval", 'echo "$APPDIR"')
        assert len(image.leftovers()) == 1
        assert second.stdout.startswith(str(image.temporary / image.leftovers()[0]))
        first.communicate()
        image.wait_until_clean()

    def test_foreign_directory_is_not_used(self, image: Image) -> None:
        shown = image.run("--appimage-extract-and-run", "run", "eval", 'echo "$APPDIR"').stdout
        predictable = Path(shown.strip()).parent
        image.wait_until_clean()
        predictable.mkdir(mode=0o700)
        os.chown(predictable, NOBODY, NOBODY)
        shown = image.run("--appimage-extract-and-run", "run", "eval", 'echo "$APPDIR"').stdout
        assert Path(shown.strip()).parent != predictable
        wait_until(lambda: image.leftovers() == [predictable.name])
        assert not any(predictable.iterdir())

    def test_interrupted_extraction_is_repeated(self, image: Image) -> None:
        shown = image.run("--appimage-extract-and-run", "run", "eval", 'echo "$APPDIR"').stdout
        directory = Path(shown.strip()).parent
        (directory / "abandoned/usr").mkdir(parents=True)
        directory.chmod(0o700)
        assert image.run("--appimage-extract-and-run", "here").stdout == "data\n"
        image.wait_until_clean()

    def test_no_cleanup(self, image: Image) -> None:
        kept = Image(image.path, image.temporary, settings=(("NO_CLEANUP", "1"),))
        shown = kept.run("--appimage-extract-and-run", "run", "eval", 'echo "$APPDIR"').stdout
        assert (Path(shown.strip()) / "AppRun").is_file()
