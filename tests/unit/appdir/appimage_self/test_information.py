# SPDX-License-Identifier: MIT
"""Every kind of update information that the build takes, and what servers answer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from hatch_appimage.appdir.appimage_self import information
from hatch_appimage.appdir.appimage_self.errors import SelfError
from hatch_appimage.appdir.appimage_self.information import Offer, find_offers, newest
from hatch_appimage.appdir.appimage_self.web import Web
from support.update_server import Site, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

PATTERN = "app-[0-9]*-x86_64.AppImage.zsync"


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    with serving(Site()) as site:
        for name in ("GITHUB", "GITLAB", "CODEBERG", "PLING"):
            monkeypatch.setattr(information, name, site.url)
        yield site


def names(line: str, *, every: bool = False) -> list[str]:
    return [offer.name for offer in find_offers(Web(), line, every=every)]


def release(site: Site, tag: str, *versions: str, prerelease: bool = False) -> None:
    files = {f"app-{version}-x86_64.AppImage": b"image" for version in versions}
    files |= {f"{name}.zsync": b"zsync" for name in files}
    site.release(tag, {**files, "app-extra-9.0-x86_64.AppImage.zsync": b"", "notes.txt": b""}, prerelease=prerelease)


@pytest.mark.parametrize(
    ("tag", "found"),
    [("latest", ["1.0"]), ("latest-pre", ["2.0rc1"]), ("latest-all", ["2.0rc1", "1.0"]), ("v1.0", ["1.0"])],
)
def test_tags_of_github(site: Site, tag: str, found: list[str]) -> None:
    release(site, "v0.9", "0.9", prerelease=True)
    site.files["/repos/owner/app/releases"] = b"[]"
    release(site, "v1.0", "1.0")
    release(site, "v2.0rc1", "2.0rc1", prerelease=True)
    assert names(f"gh-releases-zsync|owner|app|{tag}|{PATTERN}") == [f"app-{each}-x86_64.AppImage" for each in found]


def test_every_release(site: Site) -> None:
    release(site, "v1.0", "1.0")
    release(site, "v2.0", "2.0")
    line = f"gh-releases-zsync|owner|app|latest|{PATTERN}"
    assert names(line) == ["app-2.0-x86_64.AppImage"]
    assert names(line, every=True) == ["app-2.0-x86_64.AppImage", "app-1.0-x86_64.AppImage"]


@pytest.mark.parametrize("kind", ["cb-releases-zsync|", "gitea-releases-zsync|{}|", "forgejo-releases-zsync|{}|"])
def test_forges(site: Site, kind: str) -> None:
    release(site, "v1.0", "1.0")
    site.files["/api/v1/repos/owner/app/releases/latest"] = site.files["/repos/owner/app/releases/latest"]
    assert names(f"{kind.format(site.url)}owner|app|latest|{PATTERN}") == ["app-1.0-x86_64.AppImage"]


def test_gitlab(site: Site) -> None:
    links = [{"name": "app-1.0-x86_64.AppImage.zsync", "direct_asset_url": "https://x/a.zsync", "url": "https://y"}]
    path = "/api/v4/projects/owner%2Fapp/releases"
    site.files[path] = json.dumps([{"assets": {"links": links}}]).encode()
    site.files[f"{path}/v1"] = json.dumps({"assets": {"links": links}}).encode()
    for tag in ("latest", "v1"):
        (offer,) = find_offers(Web(), f"gl-releases-zsync|owner|app|{tag}|{PATTERN}")
        assert offer == Offer("https://x/a.zsync", "app-1.0-x86_64.AppImage", None, "")


def test_pling(site: Site) -> None:
    addresses = [
        "https://x/f/app-1.0-x86_64.AppImage",
        "https://x/s%3d1&amp;2/app-2.0%2B1-x86_64.AppImage",
        "https://x/app.zip",
    ]
    links = "".join(f"<downloadlink{number}>{url}</downloadlink{number}>" for number, url in enumerate(addresses, 1))
    answer = f"<?xml version='1.0'?><ocs><data><content details='download'><id>7</id>{links}</content></data></ocs>"
    site.files["/ocs/v1/content/data/7"] = answer.encode()
    assert find_offers(Web(), "pling-v1-zsync|7|app-[0-9]*-x86_64.AppImage") == [
        Offer("https://x/f/app-1.0-x86_64.AppImage.zsync", "app-1.0-x86_64.AppImage", None),
        Offer("https://x/s%3d1&2/app-2.0%2B1-x86_64.AppImage.zsync", "app-2.0+1-x86_64.AppImage", None),
    ]


def test_address() -> None:
    assert find_offers(Web(), "zsync|https://example.org/a.zsync") == [Offer("https://example.org/a.zsync")]


def test_digest_of_github(site: Site) -> None:
    release(site, "v1.0", "1.0")
    answer = json.loads(site.files["/repos/owner/app/releases/latest"])
    answer["assets"][0]["digest"] = f"sha256:{'a' * 64}"
    site.files["/repos/owner/app/releases/latest"] = json.dumps(answer).encode()
    (offer,) = find_offers(Web(), f"gh-releases-zsync|owner|app|latest|{PATTERN}")
    assert (offer.sha256, offer.blocks) == ("a" * 64, None)


@pytest.mark.parametrize(
    "line", ["pling-v1-zsync|1", "bintray-zsync|a|b|c|d", "zsync|a|b", "", "gh-releases-zsync|owner|app"]
)
def test_unknown(line: str) -> None:
    with pytest.raises(SelfError, match="cannot update itself from"):
        find_offers(Web(), line)


def test_newest_by_version() -> None:
    offers = [Offer("", f"app-{version}-x86_64.AppImage") for version in ("1.9", "1.10", "1.10rc1", "1.2")]
    found = newest(offers, "app", "x86_64")
    assert found is not None
    assert found.name == "app-1.10-x86_64.AppImage"
    assert newest([], "app", "x86_64") is None
