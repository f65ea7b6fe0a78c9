# SPDX-License-Identifier: MIT
"""What installing an image puts where, and that uninstalling it takes away just this."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hatch_appimage.appdir import appimage_self
from hatch_appimage.appdir.appimage_self import program
from hatch_appimage.appdir.appimage_self.commands.install import install
from hatch_appimage.appdir.appimage_self.commands.uninstall import uninstall
from hatch_appimage.appdir.appimage_self.errors import SelfError
from hatch_appimage.appdir.appimage_self.integration import Directories, check_path
from hatch_appimage.appdir.appimage_self.menu_entry import names_file, read_key, write_entry
from hatch_appimage.appdir.appimage_self.record import digest
from support.tools import require
from support.update_images import installed, make_version

if TYPE_CHECKING:
    from hatch_appimage.appdir.appimage_self.running import Image

ENTRY = """\
[Desktop Entry]
Type=Application
Name=App
Exec=app %U
TryExec=app
Icon=org.example.App
Categories=Utility;
MimeType=application/x-app;x-scheme-handler/app;
Actions=new;

[Desktop Action new]
Name=New
Exec=app --new "a b"
"""
MIME = """\
<?xml version="1.0" encoding="UTF-8"?>
<mime-info xmlns="http://www.freedesktop.org/standards/shared-mime-info">
  <mime-type type="application/x-app"><comment>App</comment><glob pattern="*.app"/></mime-type>
</mime-info>
"""
FILES = {
    "org.example.App.desktop": ENTRY,
    "usr/share/icons/hicolor/256x256/apps/org.example.App.png": "png",
    "usr/share/icons/hicolor/256x256/apps/of-a-library.png": "other",
    "usr/share/icons/hicolor/48x48/mimetypes/application-x-app.png": "type",
    "usr/share/icons/Adwaita/16x16/apps/org.example.App.png": "theme",
    "usr/share/metainfo/org.example.App.metainfo.xml": "<component/>",
    "usr/share/metainfo/org.example.Library.metainfo.xml": "<component/>",
    "usr/share/mime/packages/app.xml": MIME,
    "usr/share/mime/packages/freedesktop.org.xml": "<all/>",
    "usr/share/bash-completion/completions/app": "complete app",
    "usr/share/zsh/site-functions/_app": "#compdef app",
    "usr/share/fish/vendor_completions.d/app.fish": "complete -c app",
    "usr/share/doc/app/README": "no",
}
INSTALLED = {
    ".local/share/appimage-self/org.example.App.json",
    ".local/share/applications/org.example.App.desktop",
    ".local/share/bash-completion/completions/app",
    ".local/share/fish/vendor_completions.d/app.fish",
    ".local/share/icons/hicolor/256x256/apps/org.example.App.png",
    ".local/share/icons/hicolor/48x48/mimetypes/application-x-app.png",
    ".local/share/metainfo/org.example.App.metainfo.xml",
    ".local/share/mime/packages/app.xml",
    ".local/share/zsh/site-functions/_app",
}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an image with update information; what is in it, no command of these reads."""
    return make_version(tmp_path_factory.mktemp("image"), "1.0", "zsync|https://example.org/app.zsync").path


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("XDG_DATA_HOME", "DESKTOPINTEGRATION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.fixture
def image(tmp_path: Path, file: Path) -> Image:
    return make_image(tmp_path / "root", file)


def make_image(root: Path, file: Path, version: str = "1.0", files: dict[str, str] | None = None) -> Image:
    for name, text in (FILES if files is None else files).items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return installed(file, version)._replace(root=str(root))


def put(image: Image, **options: Any) -> None:
    install(image, Directories.of_user(), **{"links": None, "force": False} | options)


def tree(directory: Path) -> dict[str, str]:
    """Return all paths below a directory, with what is there."""
    return {
        str(path.relative_to(directory)): "directory"
        if path.is_dir() and not path.is_symlink()
        else str(path.readlink())
        if path.is_symlink()
        else path.read_bytes().decode("latin-1")
        for path in directory.rglob("*")
    }


def files(directory: Path) -> set[str]:
    return {name for name, content in tree(directory).items() if content != "directory"}


class TestEntry:
    def test_paths(self) -> None:
        text = write_entry(ENTRY, "/home/me/My $App 100%.AppImage", [("gone", "Remove", "--gone")])
        assert text.split("\n") == [
            "[Desktop Entry]",
            "Type=Application",
            "Name=App",
            r'Exec="/home/me/My \\$App 100%%.AppImage" %U',
            "TryExec=/home/me/My $App 100%.AppImage",
            "Icon=org.example.App",
            "Categories=Utility;",
            "MimeType=application/x-app;x-scheme-handler/app;",
            "Actions=new;gone;",
            "",
            "[Desktop Action new]",
            "Name=New",
            r'Exec="/home/me/My \\$App 100%%.AppImage" --new "a b"',
            "",
            "[Desktop Action gone]",
            "Name=Remove",
            r'Exec="/home/me/My \\$App 100%%.AppImage" --gone',
            "",
        ]
        assert names_file(text, "/home/me/My $App 100%.AppImage")
        assert not names_file(text, "/home/me/My $App.AppImage")

    def test_without_actions(self) -> None:
        text = "[Desktop Entry]\nExec=app\nIcon=a\n# end\n\n[Other]\nActions=x\n"
        assert write_entry(text, "/a", [("gone", "Remove", "--gone")]) == (
            "[Desktop Entry]\nExec=/a\nIcon=a\n# end\nActions=gone;\n\n[Other]\nActions=x\n\n"
            "[Desktop Action gone]\nName=Remove\nExec=/a --gone\n"
        )
        assert read_key(text, "Icon") == "a"
        assert read_key(text, "Actions") is None

    def test_line_breaks(self) -> None:
        with pytest.raises(SelfError, match="no desktop entry can name a file whose path has a line break in it"):
            write_entry(ENTRY, "/a\nb", [])


class TestHome:
    def test_nothing_stays(self, home: Path, image: Image) -> None:
        """Not even what the desktop's tools make of it."""
        before = tree(home)
        put(image, links=str(home / ".local" / "bin"))
        links = {".local/bin/app", ".local/bin/app-tool"}
        assert files(home) - INSTALLED - links <= {".local/share/applications/mimeinfo.cache"} | {
            name for name in files(home) if name.startswith(".local/share/mime/")
        }
        assert INSTALLED | links <= files(home)
        assert str((home / ".local/bin/app-tool").readlink()) == image.file
        assert uninstall(image, Directories.of_user()) == []
        assert tree(home) == before
        assert uninstall(image, Directories.of_user()) is None

    def test_others_stay(self, home: Path, image: Image) -> None:
        """What was there before, in the same directories."""
        data = home / ".local" / "share"
        (data / "applications").mkdir(parents=True)
        (data / "applications" / "other.desktop").write_text(ENTRY.replace("x-app;", "x-other;"))
        (data / "mime" / "packages").mkdir(parents=True)
        (data / "mime" / "packages" / "other.xml").write_text(MIME.replace("app", "other"))
        put(image)
        uninstall(image, Directories.of_user())
        left = files(home)
        assert {".local/share/applications/other.desktop", ".local/share/mime/packages/other.xml"} <= left
        assert not [name for name in left if "org.example.App" in name or name.endswith("x-app.xml")]

    def test_the_menu_entry(self, home: Path, image: Image) -> None:
        put(image)
        entry = home / ".local/share/applications/org.example.App.desktop"
        text = entry.read_text()
        assert "Actions=new;appimage-self-update;appimage-self-uninstall;\n" in text
        assert f"Exec={image.file} %U\n" in text
        assert not subprocess.check_output([require("desktop-file-validate", "desktop-file-utils"), entry], text=True)

    def test_types_are_known(self, home: Path, image: Image) -> None:
        require("update-desktop-database", "desktop-file-utils")
        put(image)
        cache = (home / ".local/share/applications/mimeinfo.cache").read_text()
        assert "application/x-app=org.example.App.desktop;" in cache
        assert "x-scheme-handler/app=org.example.App.desktop;" in cache

    def test_again(self, home: Path, image: Image) -> None:
        put(image, links=str(home / "bin"))
        before = tree(home)
        put(image, links=str(home / "bin"))
        assert tree(home) == before

    def test_another_version(self, home: Path, image: Image, tmp_path: Path, file: Path) -> None:
        """What it has no more goes, and what it has besides comes; uninstalling leaves nothing of either."""
        before = tree(home)
        put(image, links=str(home / "bin"))
        new = {name: text for name, text in FILES.items() if "completion" not in name}
        new["org.example.App.desktop"] = ENTRY.replace("Name=App", "Name=Better App")
        new["usr/share/icons/hicolor/scalable/apps/org.example.App.svg"] = "<svg/>"
        put(make_image(tmp_path / "new", file, "2.0", new))
        assert "Name=Better App\n" in (home / ".local/share/applications/org.example.App.desktop").read_text()
        assert (home / ".local/share/icons/hicolor/scalable/apps/org.example.App.svg").read_text() == "<svg/>"
        assert not (home / ".local/share/bash-completion/completions/app").exists()
        assert (home / "bin" / "app").is_symlink()
        put(make_image(tmp_path / "moved", file, "2.0", new), links=str(home / "other"))
        assert not (home / "bin" / "app").is_symlink()
        uninstall(image, Directories.of_user())
        assert tree(home) == before

    @pytest.mark.parametrize("tools", [(), ("applications", "mime")])
    def test_what_tools_have_made_before(self, home: Path, image: Image, tools: tuple[str, ...]) -> None:
        """They leave their files in directories that are empty else."""
        data = home / ".local" / "share"
        for name in ("applications", "mime/packages"):
            (data / name).mkdir(parents=True)
        for name in tools:
            tool = "update-mime-database" if name == "mime" else "update-desktop-database"
            subprocess.run([require(tool, "shared-mime-info"), data / name], check=True)
        before = tree(home)
        put(image)
        uninstall(image, Directories.of_user())
        assert tree(home) == before

    def test_interrupted(self, home: Path, image: Image, monkeypatch: pytest.MonkeyPatch) -> None:
        """An installation that did not end is taken away like any other."""
        before = tree(home)

        def interrupted(*_: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr("os.symlink", interrupted)
        with pytest.raises(KeyboardInterrupt):
            put(image, links=str(home / "bin"))
        assert files(home)
        assert uninstall(image, Directories.of_user()) == []
        assert tree(home) == before

    def test_changed_files_stay(self, home: Path, image: Image) -> None:
        put(image)
        entry = home / ".local/share/applications/org.example.App.desktop"
        entry.write_text("mine")
        assert uninstall(image, Directories.of_user()) == [str(entry)]
        assert {name for name in files(home) if "cache" not in name} == {str(entry.relative_to(home))}

    @pytest.mark.parametrize("there", ["file", "link"])
    def test_what_is_in_the_way(self, home: Path, image: Image, there: str) -> None:
        entry = home / ".local/share/applications/org.example.App.desktop"
        entry.parent.mkdir(parents=True)
        if there == "file":
            entry.write_text("mine")
        else:
            entry.symlink_to(home / "elsewhere")
        before = tree(home)
        with pytest.raises(SelfError, match=r"App\.desktop is there already and is not this image's: remove or rename"):
            put(image)
        assert tree(home) == before

    def test_damaged_record(self, home: Path, image: Image) -> None:
        record = home / ".local/share/appimage-self/org.example.App.json"
        record.parent.mkdir(parents=True)
        for text in (
            "{}",
            "[]",
            "nothing",
            json.dumps({"image": "", "files": 1, "directories": [], "before": [], "links": None}),
        ):
            record.write_text(text)
            with pytest.raises(SelfError, match="which says what was installed, is damaged: remove it"):
                put(image)

    def test_record_of_somebody_else(self, home: Path, image: Image, monkeypatch: pytest.MonkeyPatch) -> None:
        put(image)
        before = tree(home)
        monkeypatch.setattr("os.geteuid", lambda: 12345)
        with pytest.raises(SelfError, match="is another user's: it is not believed"):
            uninstall(image, Directories.of_user())
        assert tree(home) == before

    def test_record_of_other_files(self, home: Path, image: Image, tmp_path: Path) -> None:
        """Nothing is removed outside of the directory that a record is in."""
        put(image)
        mine = tmp_path / "mine"
        mine.write_text("mine")
        record = home / ".local/share/appimage-self/org.example.App.json"
        for path in (str(mine), f"{home}/.local/share/../../../mine"):
            document = json.loads(record.read_text())
            document["files"][path] = [digest(b"mine")]
            record.write_text(json.dumps(document))
            with pytest.raises(SelfError, match="is damaged"):
                uninstall(image, Directories.of_user())
        assert mine.read_text() == "mine"

    def test_update_that_was_interrupted(
        self, home: Path, image: Image, tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What is there of the old and of the new version is known."""
        before = tree(home)
        put(image)
        new = dict.fromkeys(FILES, "new") | {"org.example.App.desktop": ENTRY}
        newer = make_image(tmp_path / "new", file, "2.0", new)
        replaced = os.replace
        left = [3]

        def fail(source: str, target: str) -> None:
            left[0] -= 1
            if not left[0]:
                raise OSError(28, "No space left on device", target)
            replaced(source, target)

        with monkeypatch.context() as patch:
            patch.setattr("os.replace", fail)
            with pytest.raises(SelfError, match="No space left on device"):
                put(newer)
        put(newer)
        uninstall(newer, Directories.of_user())
        assert tree(home) == before

    def test_for_all_users(self, tmp_path: Path) -> None:
        """Not a file that an ordinary user can replace."""
        tmp_path.chmod(0o777)
        with pytest.raises(SelfError, match=r"others than root can replace /.*: move the image to a place of root's"):
            check_path(str(tmp_path))
        check_path("/usr/bin")

    def test_data_home(self, home: Path, image: Image, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("XDG_DATA_HOME", str(home / "data"))
        put(image)
        assert (home / "data/applications/org.example.App.desktop").is_file()
        monkeypatch.setenv("XDG_DATA_HOME", "relative")  # is to be ignored, says the specification
        assert Directories.of_user().data == f"{home}/.local/share"

    def test_read_only(self, home: Path, image: Image, monkeypatch: pytest.MonkeyPatch) -> None:
        def refused(path: str, *_: object, **__: object) -> None:
            raise PermissionError(13, "Permission denied", path)

        monkeypatch.setattr("os.makedirs", refused)
        with pytest.raises(SelfError, match=r"appimage-self cannot be written: Permission denied"):
            put(image)
        assert tree(home) == {}

    def test_a_file_for_a_directory(self, home: Path, image: Image) -> None:
        (home / ".local").touch()
        with pytest.raises(SelfError, match=r"cannot be written: "):
            put(image)
        assert set(tree(home)) == {".local"}


@pytest.mark.usefixtures("home")
class TestManagers:
    """Whoever takes care of the menu entry already is left alone, unless it is forced."""

    def refused(self, image: Image) -> str:
        with pytest.raises(SelfError) as error:
            put(image)
        put(image, force=True)
        return str(error.value)

    def test_author(self, tmp_path: Path, file: Path) -> None:
        text = ENTRY.replace("TryExec", "X-AppImage-Integrate=false\nTryExec")
        image = make_image(tmp_path / "root", file, files={"org.example.App.desktop": text})
        assert "its author does not want it in menus" in self.refused(image)

    def test_variable(self, image: Image, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DESKTOPINTEGRATION", "AppImageLauncher")
        assert "AppImageLauncher started it and takes care of its menu entry" in self.refused(image)

    def test_marker(self, image: Image, home: Path) -> None:
        (home / ".local/share/appimagekit").mkdir(parents=True)
        (home / ".local/share/appimagekit/no_desktopintegration").touch()
        assert "says that images are not to put themselves into the menu" in self.refused(image)

    def test_process(self, image: Image, tmp_path: Path) -> None:
        sleep = tmp_path / "appimaged"
        sleep.symlink_to(require("sleep", "coreutils"))
        with subprocess.Popen([sleep, "100"]) as process:
            name = Path(f"/proc/{process.pid}/comm")
            while name.read_text() != "appimaged\n":  # it is still this process
                time.sleep(0.01)
            try:
                assert "appimaged is running and takes care of it" in self.refused(image)
            finally:
                process.kill()

    def test_entry_of_another(self, image: Image, home: Path) -> None:
        """As AppImageLauncher, Gear Lever and AM write them, each under a name of its own."""
        entry = home / ".local/share/applications/appimagekit_0123-App.desktop"
        entry.parent.mkdir(parents=True)
        entry.write_text(f"[Desktop Entry]\nExec={image.file} %U\n")
        assert "appimagekit_0123-App.desktop starts it already, which another program has put there" in (
            self.refused(image)
        )


@pytest.mark.usefixtures("home")
class TestCommand:
    @pytest.fixture(autouse=True)
    def running(self, image: Image, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(program, "running", lambda: image)

    def test_there_and_back(self, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert program.main(["install", "--link-commands"]) == 0
        assert capsys.readouterr().out.splitlines() == [
            f"App 1.0 is in the menu: 10 files below {home}/.local/share",
            f"{home}/.local/bin is not on PATH, so that its commands are found by their whole path only",
        ]
        assert program.main(["uninstall"]) == 0
        assert program.main(["uninstall"]) == 0
        assert capsys.readouterr().out.splitlines() == [
            "App is no longer in the menu",
            f"App is not installed in {home}/.local/share",
        ]
        assert tree(home) == {}

    def test_notifications(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """For what is started from a menu; what fails is shown there, too."""
        log = tmp_path / "log"
        tool = tmp_path / "notify-send"
        tool.write_text(f'#!/bin/sh\nprintf "%s|" "$@" >> "{log}"\n')
        tool.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
        assert program.main(["uninstall", "--notify"]) == 0
        message = capsys.readouterr().out.strip()
        assert log.read_text() == f"--app-name=App|--|App|{message}|"
        log.unlink()
        monkeypatch.setenv("DESKTOPINTEGRATION", "x")
        assert program.main(["install", "--notify"]) == program.FAILED
        assert log.read_text().startswith("--app-name=App|--|App|nothing was installed, as x started it and takes ")

    def test_in_python(self, home: Path, image: Image, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("hatch_appimage.appdir.appimage_self.running.running", lambda: image)
        assert not appimage_self.is_installed()
        appimage_self.install(link_commands=str(home / "bin"))
        assert appimage_self.is_installed()
        assert (home / "bin" / "app").is_symlink()
        appimage_self.uninstall()
        assert not appimage_self.is_installed()
        assert tree(home) == {}

    def test_refused(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        monkeypatch.setenv("DESKTOPINTEGRATION", "x")
        assert program.main(["install"]) == program.FAILED
        assert capsys.readouterr().err.startswith("AppImage: nothing was installed, as x started it and takes care of")
