# SPDX-License-Identifier: MIT
"""Desktop entries and what is written for desktops."""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hatch_appimage.desktop.check import find_faults
from hatch_appimage.desktop.entry import DesktopEntry
from hatch_appimage.desktop.files import write_desktop_files
from hatch_appimage.desktop.icon import Icon, generate_icon
from hatch_appimage.layout import AppDir
from hatch_appimage.options import Settings
from hatch_appimage.project.metadata import Project
from support.png import plain, read_pixels
from support.tools import require

if TYPE_CHECKING:
    from hatch_appimage.desktop.files import DesktopIntegration

ENTRY = """\
# made by hand
[Desktop Entry]
Type=Application
Name=Färber
Name[de] = Der Färber
Exec="/opt/my app/run" --open %U
Icon=old
Categories=Graphics;

# more ways to start it
[Desktop Action new]
Name=New
Exec=app --new
"""
NAMES = ["my tool", "it's", 'a"b', "a\\b", "50%", "%U", "%%f", "$x", "`id`", "a;b", "(a)", "~", "#", "ä ö", 'a\'b "c"']
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"><path d="M0 0h1v1H0z"/></svg>'


def make_project(**changes: Any) -> Project:
    project = Project(Path("/nowhere"), "My.App", "1.2", "Paints things", "", {"my-app": "my_app:main"}, {}, ())
    return replace(project, **changes)


def write_entry(directory: Path, text: str) -> Path:
    path = directory / "given.desktop"
    path.write_text(text, encoding="utf-8")
    return path


class TestRead:
    def test_keeps_every_line(self, tmp_path: Path) -> None:
        assert str(DesktopEntry.read(write_entry(tmp_path, ENTRY))) == ENTRY

    def test_line_ends_of_windows(self, tmp_path: Path) -> None:
        path = tmp_path / "a.desktop"
        path.write_bytes(ENTRY.replace("\n", "\r\n").encode())
        assert str(DesktopEntry.read(path)) == ENTRY

    @pytest.mark.parametrize("character", ["\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029"])
    def test_only_newlines_end_lines(self, tmp_path: Path, character: str) -> None:
        text = ENTRY.replace("Name=New", f"Name=New{character}one")
        assert str(DesktopEntry.read(write_entry(tmp_path, text))) == text

    def test_get_reads_the_main_group_only(self, tmp_path: Path) -> None:
        entry = DesktopEntry.read(write_entry(tmp_path, "[Other]\nName=first\n" + ENTRY))
        assert entry.get("Name") == "Färber"
        assert entry.get("Name[de]") == "Der Färber"
        assert entry.get("Comment") is None

    @pytest.mark.parametrize(
        ("line", "number"), [("just words", 4), ("=no key", 4), ("Key with blanks=x", 4), (" Indented=x", 4)]
    )
    def test_damaged_line(self, tmp_path: Path, line: str, number: int) -> None:
        path = write_entry(tmp_path, ENTRY.replace("Name=Färber", line))
        message = f"a damaged desktop entry: {path}, line {number}: `{line}`"
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            DesktopEntry.read(path)

    def test_key_before_any_group(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match=r"line 1: `Type=Application`$"):
            DesktopEntry.read(write_entry(tmp_path, "Type=Application\n" + ENTRY))

    def test_not_utf8(self, tmp_path: Path) -> None:
        path = tmp_path / "a.desktop"
        path.write_bytes(ENTRY.encode("latin-1"))
        with pytest.raises(ValueError, match=f"^a desktop entry that is not UTF-8: {re.escape(str(path))}$"):
            DesktopEntry.read(path)

    @pytest.mark.parametrize("key", ["Type", "Name", "Exec", "Categories"])
    @pytest.mark.parametrize("empty", [True, False])
    def test_required_key(self, tmp_path: Path, key: str, *, empty: bool) -> None:
        text = re.sub(f"(?m)^{key}=.*", f"{key}=" if empty else "# nothing", ENTRY, count=1)
        path = write_entry(tmp_path, text)
        message = f"a desktop entry without `{key}=` in [Desktop Entry]: {path}"
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            DesktopEntry.read(path)

    @pytest.mark.parametrize("text", ["", "# nothing\n", "[Other]\nName=x\n"])
    def test_no_main_group(self, tmp_path: Path, text: str) -> None:
        with pytest.raises(ValueError, match=r"without `Type=` in \[Desktop Entry\]"):
            DesktopEntry.read(write_entry(tmp_path, text))

    def test_not_an_application(self, tmp_path: Path) -> None:
        path = write_entry(tmp_path, ENTRY.replace("Type=Application", "Type=Link"))
        with pytest.raises(ValueError, match="that is not `Type=Application`: "):
            DesktopEntry.read(path)


class TestWithKeys:
    def test_in_place_and_at_the_groups_end(self, tmp_path: Path) -> None:
        entry = DesktopEntry.read(write_entry(tmp_path, ENTRY)).with_keys({"X-New": "1", "Icon": "new"})
        assert str(entry) == ENTRY.replace("Icon=old", "Icon=new").replace(
            "# more ways to start it\n", "# more ways to start it\nX-New=1\n"
        )

    values = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"])).map(str.strip)
    keys = st.from_regex(r"[A-Za-z0-9-]+", fullmatch=True)
    lines = st.one_of(
        st.builds("{}={}".format, keys, values),
        st.builds("{} = {}".format, keys, values),
        st.just(""),
        st.builds("# {}".format, values),
    )

    @pytest.mark.slow
    @given(
        before=st.lists(lines),
        main=st.lists(lines),
        after=st.lists(lines),
        changes=st.dictionaries(keys, values),
        pick=st.randoms(use_true_random=False),
    )
    def test_changes_nothing_else(
        self, before: list[str], main: list[str], after: list[str], changes: dict[str, str], pick: Any
    ) -> None:
        present = [line.split("=")[0].strip() for line in main if "=" in line and not line.startswith("#")]
        changes.update({key: "changed" for key in present if pick.random() < 0.3})
        old = DesktopEntry(("[First]", *before, "[Desktop Entry]", *main, "[Last]", *after))
        new = old.with_keys(changes)
        for key, value in changes.items():
            assert new.get(key) == value
        for key in set(present) - set(changes):
            assert new.get(key) == old.get(key)
        assert list(new.lines[: len(before) + 2]) == list(old.lines[: len(before) + 2])
        assert list(new.lines[-len(after) - 1 :]) == list(old.lines[-len(after) - 1 :])
        assert new.with_keys(changes) == new


def write(appdir: AppDir, project: Project, settings: Settings) -> DesktopIntegration:
    return write_desktop_files(
        appdir,
        project,
        settings.desktop,
        architecture="x86_64",
        name=settings.image.name.shown,
        entry_point=settings.launcher.entry_point,
        window_class="my-window",
    )


def with_desktop(settings: Settings, **options: Any) -> Settings:
    return replace(settings, desktop=replace(settings.desktop, **options))


class TestWrite:
    def test_generated(self, tmp_path: Path) -> None:
        project = make_project()
        appdir = AppDir(tmp_path, "my-app")
        settings = Settings.read({"name": "My App"}, project)
        written = write(appdir, project, settings)
        assert (tmp_path / "my-app.desktop").read_text() == (
            "[Desktop Entry]\n"
            "Type=Application\n"
            "Name=My App\n"
            "Comment=Paints things\n"
            "Exec=my-app\n"
            "Terminal=true\n"
            "Categories=Utility;\n"
            "Icon=my-app\n"
            "X-AppImage-Name=My App\n"
            "X-AppImage-Version=1.2\n"
            "X-AppImage-Arch=x86_64\n"
        )
        assert (written.entry, written.icon, written.icon_generated) == ("my-app.desktop", "my-app.png", True)

    def test_generated_for_a_window_without_a_summary(self, tmp_path: Path) -> None:
        project = make_project(scripts={}, gui_scripts={"paint": "my_app:main"}, summary="")
        settings = Settings.read({"categories": ["Graphics", "2DGraphics"]}, project)
        write(AppDir(tmp_path, "my-app"), project, settings)
        lines = (tmp_path / "my-app.desktop").read_text().splitlines()
        assert {"Exec=paint", "Terminal=false", "Categories=Graphics;2DGraphics;", "StartupWMClass=my-window"} < set(
            lines
        )
        assert not any(line.startswith("Comment") for line in lines)

    @pytest.mark.parametrize("summary", ["plain", "back\\slash", "two\nlines\tand\rmore", "Färber & Söhne"])
    def test_is_valid(self, tmp_path: Path, summary: str) -> None:
        validate = require("desktop-file-validate", "desktop-file-utils")
        project = make_project(summary=summary)
        settings = Settings.read({"name": "C:\\App"}, project)
        write(AppDir(tmp_path, "my-app"), project, settings)
        subprocess.run([validate, tmp_path / "my-app.desktop"], check=True)

    def test_regular_files_in_every_place(self, tmp_path: Path) -> None:
        project = make_project()
        write(AppDir(tmp_path, "my-app"), project, Settings.read({}, project))
        files = {path.relative_to(tmp_path).as_posix(): path for path in tmp_path.rglob("*") if not path.is_dir()}
        assert set(files) == {
            ".DirIcon",
            "my-app.desktop",
            "my-app.png",
            "usr/share/applications/my-app.desktop",
            "usr/share/icons/hicolor/256x256/apps/my-app.png",
        }
        assert not any(path.is_symlink() for path in files.values())
        pictures = [path.read_bytes() for name, path in files.items() if not name.endswith(".desktop")]
        assert pictures == [generate_icon("My.App").data] * 3
        entries = {path.read_bytes() for name, path in files.items() if name.endswith(".desktop")}
        assert len(entries) == 1

    def test_given_svg(self, tmp_path: Path) -> None:
        project = make_project()
        settings = with_desktop(Settings.read({}, project), icon=Icon("svg", SVG, None))
        written = write(AppDir(tmp_path, "my-app"), project, settings)
        assert (written.entry, written.icon, written.icon_generated) == ("my-app.desktop", "my-app.svg", False)
        assert (tmp_path / "usr/share/icons/hicolor/scalable/apps/my-app.svg").read_bytes() == SVG
        assert (tmp_path / "my-app.svg").read_bytes() == SVG
        directory_icon = read_pixels((tmp_path / ".DirIcon").read_bytes())
        assert (len(directory_icon), {pixel for row in directory_icon for pixel in row}) == (256, {(0, 0, 0, 255)})

    def test_given_png_of_a_size_that_desktops_do_not_look_for(self, tmp_path: Path) -> None:
        project = make_project()
        settings = with_desktop(Settings.read({}, project), icon=Icon("png", plain(50, 20), (50, 20)))
        assert write(AppDir(tmp_path, "my-app"), project, settings).icon == "my-app.png"
        themed = {path.relative_to(tmp_path).as_posix() for path in (tmp_path / "usr/share/icons").rglob("*.png")}
        assert themed == {"usr/share/icons/hicolor/48x48/apps/my-app.png"}
        assert len(read_pixels((tmp_path / "my-app.png").read_bytes())) == 48
        assert len(read_pixels((tmp_path / ".DirIcon").read_bytes())) == 256

    def test_given_entry(self, tmp_path: Path) -> None:
        project = make_project(scripts={"paint": "my_app:main"})
        entry = DesktopEntry.read(write_entry(tmp_path, ENTRY))
        settings = with_desktop(Settings.read({}, project), desktop_file=entry)
        write(AppDir(tmp_path / "AppDir", "my-app"), project, settings)
        assert (tmp_path / "AppDir" / "my-app.desktop").read_text(encoding="utf-8") == ENTRY.replace(
            'Exec="/opt/my app/run" --open %U', "Exec=paint --open %U"
        ).replace("Icon=old", "Icon=my-app").replace("Exec=app --new", "Exec=paint --new").replace(
            "# more ways to start it\n",
            "# more ways to start it\nX-AppImage-Name=My.App\nX-AppImage-Version=1.2\nX-AppImage-Arch=x86_64\n",
        )

    @pytest.mark.parametrize(
        ("given_exec", "expected"),
        [
            ("app", "my-app"),
            ("app %F", "my-app %F"),
            ("/usr/bin/app --new-window %U", "my-app --new-window %U"),
            (r'"/opt/a \"b\" c/app" %f', "my-app %f"),
        ],
    )
    def test_arguments_of_a_given_entry_stay(self, tmp_path: Path, given_exec: str, expected: str) -> None:
        project = make_project()
        entry = DesktopEntry.read(write_entry(tmp_path, ENTRY)).with_keys({"Exec": given_exec})
        settings = with_desktop(Settings.read({}, project), desktop_file=entry)
        write(AppDir(tmp_path, "my-app"), project, settings)
        assert f"\nExec={expected}\n" in (tmp_path / "my-app.desktop").read_text(encoding="utf-8")

    @pytest.mark.parametrize("name", NAMES)
    @pytest.mark.parametrize("given", ["", "app --new %U", r'"/opt/a \\"b\\" c/app" --new %U'])
    def test_any_name_of_a_command(self, tmp_path: Path, name: str, given: str) -> None:
        validate = require("desktop-file-validate", "desktop-file-utils")
        project = make_project(scripts={name: "my_app:main"})
        settings = Settings.read({}, project)
        if given:
            text = ENTRY.partition("\n# more ways")[0]
            entry = DesktopEntry.read(write_entry(tmp_path, text)).with_keys({"Exec": given, "TryExec": "app"})
            settings = with_desktop(settings, desktop_file=entry)
        write(AppDir(tmp_path, "my-app"), project, settings)
        subprocess.run([validate, tmp_path / "my-app.desktop"], check=True)
        written = DesktopEntry.read(tmp_path / "my-app.desktop")
        assert arguments(written.get("Exec") or "") == [name, *(["--new"] if given else [])]
        assert unescape(written.get("TryExec") or "") == (name if given else "")


class TestGeneratedKeys:
    def test_all(self, tmp_path: Path) -> None:
        project = make_project(scripts={}, gui_scripts={"paint": "my_app:main"}, keywords=("draw", "a;b"))
        raw = {
            "app-id": "org.example.Paint",
            "mime-types": ["image/png", "image/x-own"],
            "desktop-keys": {"Comment[de]": "Malt\nschön", "GenericName": "Painter", "StartupWMClass": "Paint"},
        }
        settings = Settings.read(raw, project)
        write(AppDir(tmp_path, settings.desktop.app_id), project, settings)
        path = tmp_path / "org.example.Paint.desktop"
        assert path.read_text(encoding="utf-8") == (
            "[Desktop Entry]\nType=Application\nName=My.App\nComment=Paints things\nExec=paint %F\n"
            "Terminal=false\nCategories=Utility;\nKeywords=draw;a;b;\nMimeType=image/png;image/x-own;\n"
            "StartupWMClass=Paint\nComment[de]=Malt\\nschön\nGenericName=Painter\nIcon=org.example.Paint\n"
            "X-AppImage-Name=My.App\nX-AppImage-Version=1.2\nX-AppImage-Arch=x86_64\n"
        )
        assert (tmp_path / "usr/share/icons/hicolor/256x256/apps/org.example.Paint.png").is_file()
        subprocess.run([require("desktop-file-validate", "desktop-file-utils"), path], check=True)
        assert not [fault for fault in find_faults(DesktopEntry.read(path)) if fault.fatal]

    def test_addresses(self, tmp_path: Path) -> None:
        project = make_project()
        settings = Settings.read({"mime-types": ["text/plain", "x-scheme-handler/app"]}, project)
        write(AppDir(tmp_path, "my-app"), project, settings)
        assert DesktopEntry.read(tmp_path / "my-app.desktop").get("Exec") == "my-app %U"


def unescape(value: str) -> str:
    """Read a value of type string (Desktop Entry Specification, "Possible value types")."""
    characters = {"s": " ", "n": "\n", "t": "\t", "r": "\r", "\\": "\\"}
    return re.sub(r"\\(.)", lambda match: characters[match[1]], value)


def arguments(value: str) -> list[str]:
    """Return the arguments that an ``Exec`` line means, without files (the same, "The Exec key")."""
    found = []
    for word in re.findall(r'"(?:[^"`$\\]|\\["`$\\])*"|[^ ]+', unescape(value)):
        quoted = word.startswith('"')
        assert quoted or not re.search(r"""[\t\n"'\\><~|&;$*?#()`]""", word)
        if word not in ("%U", "%F", "%u", "%f"):
            assert not re.search(r"(?<!%)(?:%%)*%(?!%)", word)
            argument = re.sub(r"\\(.)", r"\1", word[1:-1]) if quoted else word
            found.append(argument.replace("%%", "%"))
    return found
