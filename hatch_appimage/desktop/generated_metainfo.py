# SPDX-License-Identifier: MIT
"""Generate what software centres show of an application.

https://www.freedesktop.org/software/appstream/docs/sect-Metadata-Application.html
"""

from __future__ import annotations

from copy import deepcopy
from datetime import datetime, timezone
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, SubElement, tostring

from packaging.version import Version

from hatch_appimage.desktop.changelog import Release
from hatch_appimage.desktop.component import find_component_id, find_urls, summarize
from hatch_appimage.desktop.entry import MAIN_GROUP
from hatch_appimage.desktop.exec_line import unescape, unescape_items
from hatch_appimage.desktop.markup import capitalize, clean
from hatch_appimage.desktop.metainfo import Metainfo

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from hatch_appimage.desktop.entry import DesktopEntry
    from hatch_appimage.desktop.settings import DesktopSettings
    from hatch_appimage.project.metadata import Project

_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"
# Of the generated file, not of the application: software centres may merge it with others (AppStream,
# "metadata_license"), and what is in it are facts.
_METADATA_LICENSE = "CC0-1.0"
# They have words, which spaces would become a part of.
_INLINE = frozenset({"p", "li"})


def generate_metainfo(
    project: Project, settings: DesktopSettings, entry: DesktopEntry, *, command: str, released: int | None
) -> Metainfo:
    """Describe an application.

    Args:
        project: whose metadata lacks nothing (`find_obstacle`).
        settings: what the project says of its looks.
        entry: the desktop entry of the image.
        command: what the image starts.
        released: when the version was released, in seconds since the epoch; None if only the changelog may know.

    """
    component_id = find_component_id(settings.app_id, project.urls) or settings.app_id
    name = clean(unescape(entry.get("Name") or ""))
    console = entry.get("Terminal") == "true"
    root = Element("component", {"type": "console-application" if console else "desktop-application"})
    _add(root, "id", component_id)
    _add(root, "metadata_license", _METADATA_LICENSE)
    if project.license:
        _add(root, "project_license", project.license)
    _add(root, "name", name)
    for language, text in _translations(entry, "Name"):
        _add(root, "name", text, {_LANGUAGE: language})
    _add(root, "summary", summarize(project.summary, name))
    for language, text in _translations(entry, "Comment"):
        _add(root, "summary", text.rstrip("."), {_LANGUAGE: language})
    if authors := clean(", ".join(project.authors)):
        developer = SubElement(root, "developer", {"id": component_id.rpartition(".")[0].lower()})
        _add(developer, "name", authors)
    SubElement(root, "description").extend(deepcopy(settings.description) or [_paragraph(project.summary, name)])
    _add(root, "launchable", f"{settings.app_id}.desktop", {"type": "desktop-id"})
    _add(root, "icon", settings.app_id, {"type": "stock"})
    for kind, url in find_urls(project.urls).items():
        _add(root, "url", url, {"type": kind})
    _add_group(root, "categories", "category", unescape_items(entry.get("Categories") or ""))
    _add_group(root, "keywords", "keyword", unescape_items(entry.get("Keywords") or ""))
    _add_screenshots(root, settings.screenshots)
    _add_releases(root, _find_releases(project, settings.changelog, released))
    provides = SubElement(root, "provides")
    _add(provides, "binary", clean(command))
    for media_type in unescape_items(entry.get("MimeType") or ""):
        _add(provides, "mediatype", media_type)
    if settings.content_rating is not None:
        _add_rating(root, settings.content_rating)
    _indent(root)
    return Metainfo(component_id, tostring(root, encoding="UTF-8", xml_declaration=True) + b"\n")


def _add(parent: Element, tag: str, text: str, attributes: Mapping[str, str] | None = None) -> None:
    SubElement(parent, tag, dict(attributes or {})).text = text


def _add_group(parent: Element, tag: str, item_tag: str, items: Iterable[str]) -> None:
    if texts := list(filter(None, map(clean, items))):
        group = SubElement(parent, tag)
        for text in texts:
            _add(group, item_tag, text)


def _translations(entry: DesktopEntry, key: str) -> list[tuple[str, str]]:
    """Return a text of the desktop entry in other languages."""
    lines = [line for line in entry.pairs() if (line.group, line.key) == (MAIN_GROUP, key) and line.locale]
    return [(line.locale, text) for line in lines if (text := clean(unescape(line.value)))]


def _paragraph(text: str, name: str) -> Element:
    element = Element("p")
    sentence = capitalize(clean(text), name)
    element.text = f"{sentence}." if sentence[-1].isalnum() else sentence
    return element


def _add_screenshots(parent: Element, urls: Iterable[str]) -> None:
    group = Element("screenshots")
    for url in urls:
        screenshot = SubElement(group, "screenshot", {} if len(group) else {"type": "default"})
        _add(screenshot, "image", url, {"type": "source"})
    if len(group):
        parent.append(group)


def _find_releases(project: Project, changelog: tuple[Release, ...], released: int | None) -> list[Release]:
    """Return releases up to the version that is built, as the first is taken for the one that an image has."""
    version = Version(project.version)
    releases = [release for release in changelog if release.version <= version]
    if released is not None and version not in [release.version for release in releases]:
        releases.insert(0, Release(version, datetime.fromtimestamp(released, timezone.utc).date()))
    return releases


def _add_releases(parent: Element, releases: list[Release]) -> None:
    if not releases:
        return
    group = SubElement(parent, "releases", {})
    for release in releases:
        kind = "development" if release.version.is_prerelease else "stable"
        attributes = {"version": _version(release.version), "date": release.date.isoformat(), "type": kind}
        element = SubElement(group, "release", attributes)
        if release.description:
            SubElement(element, "description").extend(deepcopy(release.description))


def _version(version: Version) -> str:
    """Write a version so that AppStream, which takes `1.0rc1` for a later one than `1.0`, orders it rightly."""
    if not version.is_prerelease:
        return str(version)
    base = Version(f"{version.epoch}!{version.base_version.rpartition('!')[2]}")
    return f"{base}~{str(version).removeprefix(str(base)).lstrip('.')}"


def _add_rating(parent: Element, attributes: Mapping[str, str]) -> None:
    rating = SubElement(parent, "content_rating", {"type": "oars-1.1"})
    for name, value in attributes.items():
        _add(rating, "content_attribute", value, {"id": name})


def _indent(element: Element, level: int = 0) -> None:
    """Put each element on a line of its own."""
    if element.tag in _INLINE or not len(element):
        return
    element.text = "\n" + "  " * (level + 1)
    for child in element:
        _indent(child, level + 1)
        child.tail = "\n" + "  " * (level + 1)
    element[-1].tail = "\n" + "  " * level
