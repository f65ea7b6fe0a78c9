# SPDX-License-Identifier: MIT
"""What a project's metadata says in the words of AppStream: its id, addresses and summary.

https://www.freedesktop.org/software/appstream/docs/chap-Metadata.html
"""

from __future__ import annotations

import re
import string
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from hatch_appimage.desktop.markup import capitalize, clean

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hatch_appimage.project.metadata import Project

# Reverse domain name: AppStream wants three parts, the first two in lower case, and none that begins with a digit.
_REVERSE_DNS = re.compile(r"[a-z][a-z0-9-]*\.[a-z_][a-z0-9_-]*(?:\.[A-Za-z_][A-Za-z0-9_-]*)+")
# Where forges have the pages of those who have repositories there: the domain is theirs.
_PAGES = {"github.com": "github.io", "gitlab.com": "gitlab.io", "codeberg.org": "codeberg.page"}
# First parts of paths that are no owner's.
_NO_OWNERS = frozenset({"explore", "features", "groups", "marketplace", "orgs", "search", "sponsors", "topics"})
# Labels of [project.urls] (PEP 753, "Well-known labels") and some that AppStream has a type for, without punctuation.
_URL_TYPES = {
    "homepage": "homepage",
    **dict.fromkeys(("issues", "bugs", "issue", "tracker", "issuetracker", "bugtracker"), "bugtracker"),
    "faq": "faq",
    **dict.fromkeys(("documentation", "docs"), "help"),
    **dict.fromkeys(("funding", "sponsor", "donate", "donation"), "donation"),
    **dict.fromkeys(("translate", "translation", "translations"), "translate"),
    **dict.fromkeys(("contact", "support"), "contact"),
    **dict.fromkeys(("source", "repository", "sourcecode", "github"), "vcs-browser"),
    **dict.fromkeys(("contribute", "contributing"), "contribute"),
}
_IGNORED = str.maketrans("", "", string.punctuation + string.whitespace)
_MAX_SUMMARY = 90  # in bytes


def find_obstacle(project: Project, app_id: str) -> str | None:
    """Say what the metadata of an application lacks for AppStream; None if nothing.

    The text completes "it needs ".
    """
    if find_component_id(app_id, project.urls) is None:
        return "an id that begins with a domain: set `app-id`, such as `org.example.App`"
    if not summarize(project.summary, ""):
        return "a summary: set `description` in [project]"
    if not find_urls(project.urls):
        return "an address on the web: set `Homepage` in [project.urls]"
    return None


def find_component_id(app_id: str, urls: Mapping[str, str]) -> str | None:
    """Return the id of an application: its own, or what is unique to its repository; None if neither has a domain.

    Args:
        app_id: what desktops know it by.
        urls: addresses of the project, by labels.

    """
    if _REVERSE_DNS.fullmatch(app_id):
        domain, _, name = app_id.rpartition(".")
        return f"{domain.replace('-', '_')}.{name}"
    types = find_urls(urls)
    preferred = [types[kind] for kind in ("vcs-browser", "homepage", "bugtracker") if kind in types]
    vendors = (_find_vendor(url) for url in (*preferred, *_web(urls).values()))
    vendor = next(filter(None, vendors), None)
    return f"{vendor}.{_part(app_id)}" if vendor else None


def _find_vendor(url: str) -> str | None:
    """Return the domain of a repository's or page's owner, reversed."""
    parts = urlsplit(url)
    host = (parts.hostname or "").removeprefix("www.")
    if host in _PAGES:
        owner, _, repository = parts.path.strip("/").partition("/")
        pages = _PAGES[host] if repository and owner not in _NO_OWNERS else ""
    else:
        owner, _, pages = host.partition(".")
    return ".".join([*reversed(pages.split(".")), _part(owner)]) if pages in _PAGES.values() else None


def _part(name: str) -> str:
    """Return a name as a part of an id, which D-Bus takes, too."""
    part = re.sub(r"[^a-z0-9_]", "_", name.lower())
    return f"_{part}" if part[:1].isdigit() else part


def find_urls(urls: Mapping[str, str]) -> dict[str, str]:
    """Return addresses on the web by AppStream's types; where there are any, there is a ``homepage``."""
    web = _web(urls)
    found: dict[str, str] = {}
    for label, url in web.items():
        if kind := _URL_TYPES.get(label.translate(_IGNORED).lower()):
            found.setdefault(kind, url)
    if web:
        named = (found[kind] for kind in ("homepage", "vcs-browser", "help") if kind in found)
        found["homepage"] = next(named, next(iter(web.values())))
    return found


def _web(urls: Mapping[str, str]) -> dict[str, str]:
    return {label: url for label, url in urls.items() if _is_web(url)}


def _is_web(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.netloc)


def summarize(text: str, name: str) -> str:
    """Return a summary as AppStream wants it: one short line, without a full stop, that begins with a capital.

    Args:
        text: of any length.
        name: of the application, which may begin the text.

    """
    line = clean(text)
    if len(line.encode()) > _MAX_SUMMARY:
        line = re.split(r"(?<=\w[.!?])\s", line)[0]
    if len(line.encode()) > _MAX_SUMMARY:
        line = _shorten(line.split(" "))
    return capitalize(line.rstrip(". "), name)


def _shorten(words: Sequence[str]) -> str:
    line = ""
    for word in words:
        if len(f"{line} {word}…".encode()) > _MAX_SUMMARY:
            break
        line = f"{line} {word}".strip()
    line = line or words[0].encode()[: _MAX_SUMMARY - len("…".encode())].decode(errors="ignore")
    return re.sub(r"\W+$", "", line) + "…"
