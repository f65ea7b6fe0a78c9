# SPDX-License-Identifier: MIT
"""Faults of desktop entries: found where desktop-file-validate finds them, each with its line."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from hatch_appimage.desktop.check import Fault, find_faults
from hatch_appimage.desktop.entry import DesktopEntry
from support.tools import require

if TYPE_CHECKING:
    from pathlib import Path

BASE = "[Desktop Entry]\nType=Application\nName=A\nExec=a %F\nCategories=Graphics;\n"
ACTION = "Actions=x;\n[Desktop Action x]\nName=X\nExec=a --x\n"

VALID = [
    BASE,
    "# first\n\n" + BASE,
    BASE + ACTION,
    BASE + "Comment=b\nComment[de]=c\nComment[sr@latin]=d\nKeywords=a;b;\nX-Own=?\nX-Own[de]=?\nVersion=1.1\n",
    BASE + "Terminal=true\nStartupNotify=false\nMimeType=text/plain;x-scheme-handler/a;\nOnlyShowIn=GNOME;X-Own;\n",
    BASE + "TryExec=a\nStartupWMClass=ä\nPath=/opt\nIcon=a\nIcon[de]=b\n[X-Group]\nFoo=1\n",
    BASE.replace("Graphics;", "Graphics;2DGraphics;Qt;X-Own;"),
    BASE.replace("Graphics;", "Graphics"),
]
# What both find, with the line.
INVALID = [
    ("[X-Own]\nA=1\n" + BASE, 1, "the first group is [X-Own] and not [Desktop Entry]"),
    (BASE + "[Desktop Entry]\nComment=q\n", 6, "there is a group [Desktop Entry] already"),
    (BASE + "[Other]\nA=1\n", 6, "[Other] is no group of desktop entries: names of others begin with `X-`"),
    (BASE + "Name=B\n", 6, "there is a `Name=` already in [Desktop Entry]"),
    (BASE + "Terminl=true\n", 6, "`Terminl` is no key of [Desktop Entry], did you mean `Terminal`?"),
    (BASE + "Foo=1\n", 6, "`Foo` is no key of [Desktop Entry]; names of others begin with `X-`"),
    (BASE + "Terminal=yes\n", 6, "`Terminal=` must be `true` or `false`, and is `yes`"),
    (BASE + "NoDisplay=True\n", 6, "`NoDisplay=` must be `true` or `false`, and is `True`"),
    (BASE.replace("Graphics;", "Graphics;Grafics;"), 5, "`Grafics` is no registered category"),
    (BASE + "Comment[de]=x\n", 6, "`Comment[de]=` translates a `Comment=` that is not there"),
    (BASE + "Exec[de]=x\n", 6, "`Exec` cannot be translated, as `Exec[de]=` does"),
    (BASE + "URL=x\n", 6, "`URL=` is for links, and this is an application"),
    (BASE + "Version=2.0\n", 6, "`Version=2.0` is no version of the specification"),
    (BASE + "OnlyShowIn=Foo;\n", 6, "`Foo` is no registered desktop"),
    (BASE + "OnlyShowIn=GNOME;\nNotShowIn=KDE;\n", 7, "there is an `OnlyShowIn=` already"),
    (BASE + "Actions=x;\n", 6, "the action `x` has no group [Desktop Action x]"),
    (BASE + "Actions=x y;\n[Desktop Action x y]\nName=a\nExec=a\n", 6, "`x y` is no name of an action"),
    (BASE + ACTION.partition("\n")[2], 6, "`Actions=` in [Desktop Entry] does not name `x`"),
    (BASE + ACTION.replace("Name=X\n", ""), 7, "[Desktop Action x] has no `Name=`"),
    (BASE + ACTION.replace("Exec=a --x\n", ""), 7, "[Desktop Action x] has no `Exec=`"),
    (BASE + ACTION + "Foo=1\n", 10, "`Foo` is no key of [Desktop Action x]"),
    (BASE + ACTION.replace("--x", "%z"), 9, "`Exec=a %z` has `%z`, which is no field code"),
]
EXECS = [
    ("a", None),
    ("/usr/bin/a --open %f", None),
    ('"/opt/my app/a" --x=%u "b c" 100%% %i %c %k', None),
    (r'a "\\$x \\`b\\` \\"c\\""', None),
    (r"a b\\ c", None),
    ("a %f %U", "has more than one of `%f`, `%F`, `%u` and `%U`"),
    ("a %z", "has `%z`, which is no field code: a per cent sign is `%%`"),
    ("a 50%", "has `%`, which is no field code: a per cent sign is `%%`"),
    ("a 'x y'", "has `'` outside of quotes"),
    ("a $HOME", "has `$` outside of quotes"),
    ("a ~/x", "has `~` outside of quotes"),
    ("a > b", "has `>` outside of quotes"),
    ("a &", "has `&` outside of quotes"),
    ('a "$x"', "has `$` in quotes without a backslash before it"),
    ('a "x', "has a quote that is not closed"),
]
WARNINGS = [
    (BASE + "Encoding=UTF-8\n", 6, "`Encoding=` is deprecated: leave it out"),
    (BASE + "Terminal=0\n", 6, "`Terminal=0` is deprecated: write `true` or `false`"),
    (BASE + "MimeType=text/plain;foo;\n", 6, "`foo` is no media type, such as `text/plain`"),
    (BASE + "MimeType=foo/bar;\n", 6, "`foo/bar` is no media type, such as `text/plain`"),
    (BASE + "Comment=A\n", 6, "`Comment=` says the same as `Name=`"),
    (BASE + "Path=opt\n", 6, "`Path=opt` is no absolute path"),
    (BASE.replace("%F", "%d"), 4, "`Exec=a %d` has `%d`, which is deprecated: leave it out"),
    (BASE + ACTION + "Icon=x.png\n", 10, "`Icon=x.png` is a name, which has no ending"),
]


def faults_of(text: str) -> list[Fault]:
    return find_faults(DesktopEntry(tuple(text.removesuffix("\n").split("\n"))))


def validate(directory: Path, text: str) -> subprocess.CompletedProcess[str]:
    path = directory / "org.example.A.desktop"
    path.write_text(text, encoding="utf-8")
    program = require("desktop-file-validate", "desktop-file-utils")
    return subprocess.run([program, "--no-hints", path], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("text", VALID)
def test_valid(tmp_path: Path, text: str) -> None:
    assert faults_of(text) == []
    result = validate(tmp_path, text)
    assert (result.returncode, result.stdout) == (0, "")


@pytest.mark.parametrize(("text", "line", "reason"), INVALID)
def test_invalid(tmp_path: Path, text: str, line: int, reason: str) -> None:
    fault = next(fault for fault in faults_of(text) if fault.fatal)
    assert fault.line == line
    assert fault.reason.startswith(reason)
    assert validate(tmp_path, text).returncode == 1


@pytest.mark.parametrize(("value", "reason"), EXECS)
def test_exec(tmp_path: Path, value: str, reason: str | None) -> None:
    text = BASE.replace("a %F", value)
    assert faults_of(text) == ([Fault(4, f"`Exec={value}` {reason}")] if reason else [])
    assert validate(tmp_path, text).returncode == (1 if reason else 0)


@pytest.mark.parametrize(("text", "line", "reason"), WARNINGS)
def test_warning(tmp_path: Path, text: str, line: int, reason: str) -> None:
    assert faults_of(text) == [Fault(line, reason, fatal=False)]
    result = validate(tmp_path, text)
    assert result.returncode == 0
    assert result.stdout


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("env A=b app %U", "sets variables, which would become arguments of the application"),
        ("/usr/bin/env A=b app %U", "sets variables, which would become arguments of the application"),
        ("A=b app %U", "sets variables, which would become arguments of the application"),
        ("python3 -m app %U", "starts the application through `python3`, whose arguments would become those of"),
        ("/usr/bin/python3.12 /usr/share/app/main.py", "starts the application through `python3.12`, whose arguments"),
        ('sh -c "app"', "starts the application through `sh`, whose arguments"),
        ("flatpak run org.example.A", "starts the application through `flatpak`, whose arguments"),
        ('"/bin/pkexec" app', "starts the application through `pkexec`, whose arguments"),
    ],
)
def test_program_that_starts_another(value: str, reason: str) -> None:
    (fault,) = faults_of(BASE.replace("a %F", value))
    assert fault.fatal
    assert fault.reason.startswith(f"`Exec={value}` {reason}")
    (fault,) = faults_of(BASE + ACTION.replace("a --x", value))
    assert fault.line == 9


@pytest.mark.parametrize("value", ["envelope A=b", "shell %U", "pythonic", "/opt/env/app a=b"])
def test_program_that_starts_nothing_else(value: str) -> None:
    assert faults_of(BASE.replace("a %F", value)) == []
