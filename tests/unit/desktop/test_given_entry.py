# SPDX-License-Identifier: MIT
"""Desktop entries of projects: what starts by them is the image, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hatch_appimage.desktop.check import find_faults
from hatch_appimage.desktop.entry import DesktopEntry
from hatch_appimage.desktop.given_entry import adapt_entry

if TYPE_CHECKING:
    import pytest

MAIN = "[Desktop Entry]\nType=Application\nName=A\nExec=/usr/bin/app %U\nIcon=app\nCategories=Graphics;\n"
ACTIONS = (
    "Actions=new;quiet;\n\n[Desktop Action new]\nName=New\nIcon=app\nExec=app --new %U\n\n"
    "# without a window\n[Desktop Action quiet]\nName=Quiet\nExec=app --quiet\n"
)


def adapt(text: str) -> str:
    entry = DesktopEntry(tuple(text.removesuffix("\n").split("\n")))
    adapted = adapt_entry(entry, command="paint", app_id="org.example.A")
    assert not [fault for fault in find_faults(adapted) if fault.fatal]
    return str(adapted)


ADAPTED = MAIN.replace("/usr/bin/app", "paint").replace("Icon=app", "Icon=org.example.A")


def test_actions(caplog: pytest.LogCaptureFixture) -> None:
    actions = ACTIONS.replace("Exec=app", "Exec=paint").replace("Icon=app", "Icon=org.example.A")
    assert adapt(MAIN + ACTIONS) == ADAPTED + actions
    assert caplog.messages == []


def test_action_with_another_command(caplog: pytest.LogCaptureFixture) -> None:
    adapted = adapt(MAIN + ACTIONS.replace("app --quiet", "app-daemon --quiet"))
    assert "Exec=paint --quiet\n" in adapted
    assert caplog.messages == [
        (
            "[Desktop Action quiet] of the desktop entry starts `app-daemon`, and an image starts one command from "
            "there: it starts `paint` with the same arguments now"
        )
    ]


def test_try_exec() -> None:
    assert adapt(MAIN + "TryExec=/usr/bin/app\n") == ADAPTED + "TryExec=paint\n"


def test_activation_by_dbus(caplog: pytest.LogCaptureFixture) -> None:
    text = MAIN + "DBusActivatable=true\n" + ACTIONS.replace("Exec=app --quiet\n", "")
    assert adapt(text) == ADAPTED + (
        "Actions=new;\n\n[Desktop Action new]\nName=New\nIcon=org.example.A\nExec=paint --new %U\n\n"
        "# without a window\n"
    )
    assert [message.partition(":")[0] for message in caplog.messages] == [
        "`DBusActivatable=true` is left out of the desktop entry",
        "[Desktop Action quiet] is left out of the desktop entry",
    ]


def test_activation_by_dbus_of_all_actions() -> None:
    text = MAIN + "DBusActivatable=true\nActions=a;b;\n[Desktop Action a]\nName=A\n[Desktop Action b]\nName=B\n"
    assert adapt(text) == ADAPTED


def test_no_activation(caplog: pytest.LogCaptureFixture) -> None:
    assert adapt(MAIN + "DBusActivatable=false\n") == ADAPTED + "DBusActivatable=false\n"
    assert caplog.messages == []


def test_paths_that_no_user_has(caplog: pytest.LogCaptureFixture) -> None:
    more = "Icon[de]=app-de\nPath=/opt/app\n"
    actions = ACTIONS.replace("Icon=app", "Icon=/usr/share/pixmaps/new.png")
    assert "/opt" not in (adapted := adapt(MAIN + more + actions))
    assert "pixmaps" not in adapted
    assert "Icon[de]" not in adapted
    assert [message.partition(" is left out")[0] for message in caplog.messages] == [
        "`Icon[de]=app-de` in [Desktop Entry]",
        "`Path=/opt/app`",
        "`Icon=/usr/share/pixmaps/new.png` in [Desktop Action new]",
    ]


def test_icon_of_the_theme_stays() -> None:
    assert "Icon=document-new\n" in adapt(MAIN + ACTIONS.replace("Icon=app", "Icon=document-new"))
