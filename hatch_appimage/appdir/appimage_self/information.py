# SPDX-License-Identifier: MIT
"""Where updates are: the line in an image (AppImage specification, "Update information"), and what is there.

GitHub's releases: https://docs.github.com/en/rest/releases. Codeberg and other servers of Forgejo and Gitea answer with
the same fields. GitLab's: https://docs.gitlab.com/api/releases/. pling.com has no releases but files of a product, and
makes a ``.zsync`` file for each (AppImageUpdate, ``src/updateinformation/PlingV1UpdateInformation.cpp``).
"""

from __future__ import annotations

import json
import re
from fnmatch import fnmatchcase
from typing import NamedTuple
from urllib.parse import quote, unquote

from . import versions
from .errors import SelfError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterator

    from .web import Web

#: Where GitHub answers; another server of the same kind can stand for it.
GITHUB = "https://api.github.com"
GITLAB = "https://gitlab.com"
CODEBERG = "https://codeberg.org"
PLING = "https://api.pling.com"
_LATEST, _LATEST_PRE, _LATEST_ALL = "latest", "latest-pre", "latest-all"
_MAX_ANSWER = 16 << 20
_PER_PAGE = 30
_MAX_PAGES = 5
_ZSYNC = ".zsync"
_BLOCKS = ".blocks"
# How many fields follow the name of a transport.
_FIELDS = {
    "zsync": 1,
    "pling-v1-zsync": 2,
    "gh-releases-zsync": 4,
    "cb-releases-zsync": 4,
    "gl-releases-zsync": 4,
    "gitea-releases-zsync": 5,
    "forgejo-releases-zsync": 5,
}
_PLING_LINK = re.compile(r"<(?P<field>downloadlink\d+)>(?P<url>[^<]*)</(?P=field)>")


class Offer(NamedTuple):
    """An image that a server has.

    Attributes:
        zsync: the address of its ``.zsync`` file.
        name: of the image's file, as far as the release names it.
        blocks: the address of its block map; None where there is none, "" where nobody knows.
        sha256: of the image as the server has it, in hexadecimal; empty if it does not say.

    """

    zsync: str
    name: str = ""
    blocks: str | None = ""
    sha256: str = ""


class _Release(NamedTuple):
    """A release on a server: files by name, each with its address and its SHA-256."""

    is_pre: bool
    files: dict[str, tuple[str, str]]


def find_offers(web: Web, line: str, *, every: bool = False) -> list[Offer]:
    """Find the images that update information means.

    Args:
        web: fetches.
        line: the update information.
        every: older releases count, too.

    Raises:
        SelfError: it is of a kind that is not known here, or a server does not answer.

    """
    transport, *fields = line.split("|")
    if len(fields) != _FIELDS.get(transport):
        raise SelfError(f"this image cannot update itself from `{transport}`: AppImageUpdate may be able to")
    if transport == "zsync":
        return [Offer(fields[0])]
    if transport == "pling-v1-zsync":
        return _pling_offers(web, *fields)
    if transport == "gl-releases-zsync":
        releases = _gitlab_releases(web, fields[0], fields[1], fields[2], every=every)
    else:
        *instance, owner, name, tag, _ = fields
        place = f"{_place(transport, *instance)}/repos/{_path(owner, name)}"
        releases = _forge_releases(web, place, tag, every=every)
    return [offer for release in releases for offer in _offers(release, fields[-1])]


def _place(transport: str, instance: str = "") -> str:
    """Return the address of an interface of GitHub's kind."""
    if transport == "gh-releases-zsync":
        return GITHUB
    server = instance or CODEBERG
    return f"{server if '://' in server else f'https://{server}'}/api/v1"


def _pling_offers(web: Web, product: str, pattern: str) -> list[Offer]:
    answer = web.read(f"{PLING}/ocs/v1/content/data/{_path(product)}", _MAX_ANSWER).decode("utf-8", "replace")
    urls = [match["url"].replace("&amp;", "&") for match in _PLING_LINK.finditer(answer)]
    named = [(unquote(url.rpartition("/")[2]), url) for url in urls]
    return [Offer(url + _ZSYNC, name, None) for name, url in named if fnmatchcase(name, pattern)]


def _path(*names: str) -> str:
    return "/".join(quote(name, safe="") for name in names)


def _offers(release: _Release, pattern: str) -> Iterator[Offer]:
    for name, (url, _) in sorted(release.files.items()):
        if not fnmatchcase(name, pattern) or not name.endswith(_ZSYNC):
            continue
        image = name[: -len(_ZSYNC)]
        blocks, _ = release.files.get(image + _BLOCKS, (None, ""))
        yield Offer(url, image, blocks, release.files.get(image, ("", ""))[1])


def newest(offers: list[Offer], application: str, architecture: str) -> Offer | None:
    """Return the offer with the newest version in its name; the first one where none has a version."""

    def sort_key(offer: Offer) -> tuple[bool, Any]:
        order = version_order(offer.name, application, architecture)
        return order is not None, order or ()

    return max(offers, key=sort_key, default=None)


def version_order(name: str, application: str, architecture: str) -> versions.Order | None:
    """Return what sorts as the version in the name of an image's file; None if there is none."""
    version = versions.in_file_name(name, application, architecture)
    return versions.order(version) if version else None


def _json(web: Web, url: str) -> Any:
    data = web.read(url, _MAX_ANSWER, {"Accept": "application/json"})
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        raise SelfError(f"{url} answers with something else than JSON") from None


def _forge_releases(web: Web, place: str, tag: str, *, every: bool) -> list[_Release]:
    """Ask a server of GitHub's or Gitea's kind."""
    if tag not in {_LATEST, _LATEST_PRE, _LATEST_ALL}:
        return [_forge_release(_json(web, f"{place}/releases/tags/{quote(tag, safe='')}"), place)]
    if tag == _LATEST and not every:
        return [_forge_release(_json(web, f"{place}/releases/latest"), place)]
    found: list[_Release] = []
    for page in range(1, _MAX_PAGES + 1):
        answer = _json(web, f"{place}/releases?per_page={_PER_PAGE}&limit={_PER_PAGE}&page={page}")
        if not isinstance(answer, list):
            raise SelfError(f"{place}/releases answers with something else than a list")
        found += [_forge_release(each, place) for each in answer]
        if len(answer) < _PER_PAGE or not every:
            break
    wanted = {_LATEST: (False,), _LATEST_PRE: (True,), _LATEST_ALL: (False, True)}[tag]
    return [release for release in found if release.is_pre in wanted]


def _forge_release(answer: Any, place: str) -> _Release:
    assets = answer.get("assets") if isinstance(answer, dict) else None
    if not isinstance(assets, list):
        raise SelfError(f"{place} describes a release in a way that is not known here")
    files = {}
    for asset in assets:
        if not isinstance(asset, dict):
            continue
        name, url = asset.get("name"), asset.get("browser_download_url")
        digest = re.fullmatch("sha256:([0-9a-f]{64})", str(asset.get("digest")))
        if isinstance(name, str) and isinstance(url, str):
            files[name] = (url, digest[1] if digest else "")
    return _Release(bool(answer.get("prerelease")), files)


def _gitlab_releases(web: Web, owner: str, name: str, tag: str, *, every: bool) -> list[_Release]:
    """Ask GitLab, which knows no pre-releases: whatever is newest is the latest."""
    place = f"{GITLAB}/api/v4/projects/{quote(f'{owner}/{name}', safe='')}/releases"
    if tag not in {_LATEST, _LATEST_PRE, _LATEST_ALL}:
        return [_gitlab_release(_json(web, f"{place}/{quote(tag, safe='')}"), place)]
    answer = _json(web, f"{place}?per_page={_PER_PAGE if every else 1}")
    if not isinstance(answer, list):
        raise SelfError(f"{place} answers with something else than a list")
    return [_gitlab_release(each, place) for each in answer]


def _gitlab_release(answer: Any, place: str) -> _Release:
    assets = answer.get("assets") if isinstance(answer, dict) else None
    links = assets.get("links") if isinstance(assets, dict) else None
    if not isinstance(links, list):
        raise SelfError(f"{place} describes a release in a way that is not known here")
    named = [link for link in links if isinstance(link, dict) and isinstance(link.get("name"), str)]
    urls = {link["name"]: link.get("direct_asset_url") or link.get("url") for link in named}
    return _Release(is_pre=False, files={name: (url, "") for name, url in urls.items() if isinstance(url, str)})
