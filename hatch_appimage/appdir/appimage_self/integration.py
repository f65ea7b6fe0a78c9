# SPDX-License-Identifier: MIT
"""What desktops and shells are given of an image, and where: menu entry, icons, file types, completions, links.

The directories are those of the XDG Base Directory Specification, and of the Shared MIME-info, Icon Theme and AppStream
specifications.
"""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from contextlib import suppress
from typing import NamedTuple

from .errors import SelfError
from .menu_entry import names_file, read_key, write_entry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterable, Iterator

    from .record import Content, Record
    from .running import Image

# What the desktop's tools keep up to date, below a data directory, and the tool that does it.
_APPLICATIONS = "applications"
_TOOLS = (("mime", "update-mime-database"), (_APPLICATIONS, "update-desktop-database"))
# Below usr/share in the image and below the data directory.
_COMPLETIONS = ("bash-completion/completions", "zsh/site-functions", "fish/vendor_completions.d")
_MIME = "mime/packages"
# What integrations leave behind for programs that would integrate themselves (AppImage specification).
_MARKERS = ("/usr/share/appimagekit/no_desktopintegration", "/etc/appimagekit/no_desktopintegration")
_UPDATE = ("appimage-self-update", "Update", "--appimage-self update --yes --notify")
_UNINSTALL = ("appimage-self-uninstall", "Remove from the menu", "--appimage-self uninstall --notify")


class Directories(NamedTuple):
    """Where an image is installed.

    Attributes:
        data: where desktops look for what is the user's, or the machine's.
        commands: where shells find commands.

    """

    data: str
    commands: str

    @classmethod
    def of_user(cls) -> Directories:
        """Return those of the user."""
        home = os.path.expanduser("~")
        data = os.environ.get("XDG_DATA_HOME", "")
        return cls(data if os.path.isabs(data) else f"{home}/.local/share", f"{home}/.local/bin")

    @classmethod
    def of_system(cls) -> Directories:
        """Return those of all users that are not the package manager's."""
        return cls("/usr/local/share", "/usr/local/bin")

    def check_owner(self) -> None:
        """See that root does not install into another user's home, where that user decides what lies at each name.

        Raises:
            SelfError: root would.

        """
        existing = self.data
        while not os.path.isdir(existing):
            existing = os.path.dirname(existing)
        if os.geteuid() == 0 and os.stat(existing).st_uid:
            raise SelfError(f"{existing} is not root's: do this as the user that it is for, or with --system")

    def record(self, image: Image) -> str:
        """Return where it is written what was installed."""
        return f"{self.data}/appimage-self/{app_id(image)}.json"


def check_path(path: str) -> None:
    """See that an image that is for all users is not one that an ordinary user can replace.

    Args:
        path: of its file, behind all links.

    Raises:
        SelfError: somebody can.

    """
    while True:
        status = os.lstat(path)
        is_sticky = stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX
        if status.st_uid or (status.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not is_sticky):
            raise SelfError(f"others than root can replace {path}: move the image to a place of root's, such as /opt")
        if path == os.path.dirname(path):
            return
        path = os.path.dirname(path)


def app_id(image: Image) -> str:
    """Return the name of the desktop entry inside an image.

    Raises:
        SelfError: it has none.

    """
    names = sorted(name for name in os.listdir(image.root) if name.endswith(".desktop"))
    if len(names) != 1:
        raise SelfError(f"the image has {len(names)} desktop entries in its root, and one is needed")
    return names[0][: -len(".desktop")]


def read_entry(image: Image) -> str:
    """Return the text of the desktop entry inside an image."""
    with open(os.path.join(image.root, f"{app_id(image)}.desktop"), encoding="utf-8", newline="\n") as file:
        return file.read()


def find_contents(image: Image, where: Directories, links: str | None, *, updates: bool) -> dict[str, Content]:
    """Return what is to be at which absolute path.

    Args:
        image: that is installed.
        where: to.
        links: a directory for links by the names of its commands; None for none.
        updates: the menu entry is to have an action for them.

    Raises:
        SelfError: nothing could be started from a menu.

    """
    name, entry = app_id(image), read_entry(image)
    actions = [_UPDATE, _UNINSTALL] if updates else [_UNINSTALL]
    contents: dict[str, Content] = {
        f"{where.data}/{_APPLICATIONS}/{name}.desktop": write_entry(entry, image.file, actions).encode()
    }
    share = os.path.join(image.root, "usr", "share")
    for relative in _shared_files(share, name, read_key(entry, "Icon") or name):
        with open(os.path.join(share, relative), "rb") as file:
            contents[f"{where.data}/{relative}"] = file.read()
    if links is not None:
        for command in image.commands:
            contents[os.path.join(links, command)] = image.file
    return contents


def _shared_files(share: str, name: str, icon: str) -> Iterator[str]:
    """Yield what lies below ``usr/share`` for desktops and shells; libraries in the image have their own there, too."""
    for directory, _, names in os.walk(share):
        relative = os.path.relpath(directory, share)
        for each in sorted(names):
            stem, _, ending = each.rpartition(".")
            if (
                (relative.startswith("icons/hicolor/") and (stem == icon or os.path.basename(relative) == "mimetypes"))
                or (relative == "metainfo" and each.startswith(f"{name}.") and ending == "xml")
                or (relative == _MIME and each != "freedesktop.org.xml")
                or relative in _COMPLETIONS
            ):
                yield os.path.join(relative, each)


def find_manager(image: Image, where: Directories, old: Record | None) -> str | None:
    """Say who else takes care of an image's menu entry; None if nobody does.

    Args:
        image: that is to be installed.
        where: to.
        old: the record of the last installation.

    """
    if read_key(read_entry(image), "X-AppImage-Integrate") == "false":
        return "its author does not want it in menus (X-AppImage-Integrate=false)"
    if os.environ.get("DESKTOPINTEGRATION"):
        return f"{os.environ['DESKTOPINTEGRATION']} started it and takes care of its menu entry (DESKTOPINTEGRATION)"
    for marker in (f"{where.data}/appimagekit/no_desktopintegration", *_MARKERS):
        if os.path.exists(marker):
            return f"{marker} says that images are not to put themselves into the menu"
    if _is_running("appimaged"):
        return "appimaged is running and takes care of it"
    for entry in _entries(where):
        if not (old and entry in old.files) and _starts(entry, image.file):
            return f"{entry} starts it already, which another program has put there"
    return None


def _entries(where: Directories) -> Iterator[str]:
    for data in dict.fromkeys((where.data, "/usr/local/share", "/usr/share")):
        directory = f"{data}/{_APPLICATIONS}"
        try:
            names = sorted(os.listdir(directory))
        except OSError:
            continue
        yield from (f"{directory}/{name}" for name in names if name.endswith(".desktop"))


def _starts(entry: str, path: str) -> bool:
    try:
        with open(entry, encoding="utf-8", errors="replace") as file:
            return names_file(file.read(), path)
    except OSError:
        return False


def _is_running(name: str) -> bool:
    numbers = filter(str.isdigit, os.listdir("/proc") if os.path.isdir("/proc") else ())
    return any(_name_of_process(number) == name for number in numbers)


def _name_of_process(number: str) -> str | None:
    try:
        with open(f"/proc/{number}/comm", encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:  # it has ended
        return None


def refresh(data: str) -> None:
    """Have the desktop's tools, where they are installed, read a data directory."""
    for directory, tool in _TOOLS:
        if os.path.isdir(f"{data}/{directory}") and shutil.which(tool):
            subprocess.run([tool, f"{data}/{directory}"], stdin=subprocess.DEVNULL, capture_output=True, check=False)


def forget(data: str, before: Iterable[str]) -> None:
    """Have the tools read it again, and remove what they made, if there is nothing left that they would make it of.

    Args:
        data: the data directory.
        before: the files of the tools that were there before anything was installed.

    """
    refresh(data)
    made = [path for path in files_of_tools(data) if path not in set(before)]
    for directory, ending in ((_MIME, ".xml"), (_APPLICATIONS, ".desktop")):
        tree = f"{data}/{directory.partition('/')[0]}/"
        for path in made if not _has_names(f"{data}/{directory}", ending) else ():
            if path.startswith(tree) and not os.path.isdir(path):
                os.unlink(path)
    for path in reversed(made):
        if os.path.isdir(path):
            with suppress(OSError):  # something is left in it
                os.rmdir(path)


def files_of_tools(data: str) -> list[str]:
    """Return the files and directories that the desktop's tools have made in a data directory, outer ones first."""
    cache = f"{data}/{_APPLICATIONS}/mimeinfo.cache"
    found = [cache] if os.path.lexists(cache) else []
    for directory, directories, names in os.walk(f"{data}/mime"):
        if directory == f"{data}/mime" and "packages" in directories:
            directories.remove("packages")
        found += (os.path.join(directory, name) for name in (*sorted(directories), *sorted(names)))
    return found


def _has_names(directory: str, ending: str) -> bool:
    return any(name.endswith(ending) for _, _, names in os.walk(directory) for name in names)
