# SPDX-License-Identifier: MIT
"""Metainfo files, which software centres read (AppStream): a project's own is checked to be about the application."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn
from xml.parsers.expat import ExpatError, ParserCreate

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

# `desktop` and `desktop-app` are older names of the first.
_TYPES = ("desktop-application", "console-application", "desktop", "desktop-app")
_REQUIRED = ("id", "metadata_license", "name", "summary", "description")
_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Metainfo:
    """What software centres show of an application.

    Attributes:
        id: what they know it by, which the files are named after.
        data: the document.

    """

    id: str
    data: bytes

    @property
    def file_names(self) -> tuple[str, str]:
        """The name that AppStream wants, and the older one, which is the only one that AppImage tools know."""
        return f"{self.id}.metainfo.xml", f"{self.id}.appdata.xml"


@dataclass
class _Element:
    """An element, in which nothing is known of others but what they are called.

    Attributes:
        path: the names of the elements that it is in, and its own.
        attributes: as they are written.
        line: where it begins, from one.
        text: all that is in it.

    """

    path: tuple[str, ...]
    attributes: Mapping[str, str]
    line: int
    text: str = ""


@dataclass
class _Document:
    """What a parser finds in a document.

    Attributes:
        data: the document.
        elements: in their order.
        end: the position of the root's end tag, in bytes.

    """

    data: bytes
    elements: list[_Element] = field(default_factory=list)
    end: int = 0

    @classmethod
    def parse(cls, data: bytes) -> _Document:
        """Read a document.

        Raises:
            ExpatError: it is not well-formed.

        """
        document, parser, opened = cls(data), ParserCreate("utf-8"), list[_Element]()

        def start(name: str, attributes: dict[str, str]) -> None:
            path = (*(opened[-1].path if opened else ()), name)
            opened.append(_Element(path, attributes, parser.CurrentLineNumber))
            document.elements.append(opened[-1])

        def end(_name: str) -> None:
            opened.pop()
            document.end = parser.CurrentByteIndex

        def characters(text: str) -> None:
            for element in opened:
                element.text += text

        parser.StartElementHandler, parser.EndElementHandler = start, end
        parser.CharacterDataHandler = characters
        parser.Parse(data, True)  # noqa: FBT003 - the parser takes it by position only
        return document

    @property
    def root(self) -> _Element:
        return self.elements[0]

    def children(self, name: str) -> Iterator[_Element]:
        """Yield the root's own elements of a name that have a text and are no translations."""
        for element in self.elements:
            if element.path[1:] == (name,) and element.text.strip() and "xml:lang" not in element.attributes:
                yield element


def read_metainfo(path: Path, app_id: str) -> Metainfo:
    """Read the file, and add what starts the application if it does not say it.

    Args:
        path: of the file.
        app_id: what desktops know the application by.

    Raises:
        ValueError: it is damaged, or not about this application; the message completes "Option `...` ".

    """
    data = path.read_bytes()
    try:
        data.decode("utf-8")
        document = _Document.parse(data)
    except UnicodeDecodeError as error:
        raise ValueError(f"names a file that is not UTF-8: {path}") from error
    except ExpatError as error:
        reason = str(error).partition(":")[0]
        raise ValueError(f"names a file that is no well-formed XML: {path}, line {error.lineno}: {reason}") from error
    _check_root(document, path)
    (component_id, *_) = (element for element in document.children("id"))
    name = component_id.text.strip()
    if not _ID.fullmatch(name):
        _refuse(path, component_id, f"`{name}` is no id, such as `org.example.App`")
    launchables = [it for it in document.children("launchable") if it.attributes.get("type") == "desktop-id"]
    entry = f"{app_id}.desktop"
    if launchables and entry not in [it.text.strip() for it in launchables]:
        given = launchables[0].text.strip()
        _refuse(
            path,
            launchables[0],
            f"<launchable> names `{given}`, and the image has `{entry}`: change it, or set `app-id` to "
            f"`{given.removesuffix('.desktop')}`",
        )
    if not launchables and name not in (app_id, entry):
        _refuse(
            path,
            component_id,
            f"the id is `{name}`, and the application's is `{app_id}`: set `app-id` to `{name}`, or name the desktop "
            f'entry with <launchable type="desktop-id">{entry}</launchable>',
        )
    return Metainfo(name.removesuffix(".desktop"), data if launchables else _with_launchable(document, entry))


def _check_root(document: _Document, path: Path) -> None:
    root = document.root
    if root.path != ("component",):
        _refuse(path, root, f"the document is a <{root.path[0]}> and not the <component> of an application")
    kind = root.attributes.get("type", "generic")
    if kind not in _TYPES:
        _refuse(path, root, f"the component's type is `{kind}`, and an image is one of {_TYPES[0]}, {_TYPES[1]}")
    for name in _REQUIRED:
        if not any(document.children(name)):
            _refuse(path, root, f"the component has no <{name}>")


def _refuse(path: Path, element: _Element, reason: str) -> NoReturn:
    raise ValueError(f"names a metainfo file that is not valid: {path}, line {element.line}: {reason}")


def _with_launchable(document: _Document, entry: str) -> bytes:
    """Return the document with an element at its end, and nothing else changed."""
    element = f'  <launchable type="desktop-id">{entry}</launchable>\n'
    return document.data[: document.end] + element.encode() + document.data[document.end :]
