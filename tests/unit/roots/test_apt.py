# SPDX-License-Identifier: MIT
"""What apt's sources say, in both formats."""

from __future__ import annotations

from pathlib import Path

from hatch_appimage.roots.apt import AptSource, find_source, read_sources
from hatch_appimage.roots.releases import find_release

LIST = """\
# deb http://commented.example/debian bookworm main
deb http://deb.example/debian bookworm main contrib # a mirror
deb [arch=amd64 signed-by=/usr/share/keyrings/own.gpg] https://own.example/debian bullseye main
deb-src http://deb.example/debian bookworm main
deb cdrom:[Debian 12]/ bookworm main
nonsense
"""
STANZAS = """\
# Of the distribution
Types: deb deb-src
URIs: http://one.example/ubuntu http://two.example/ubuntu
# with a comment in between
Suites: jammy jammy-updates
Components: main
 universe
Signed-By: /usr/share/keyrings/ubuntu-archive-keyring.gpg

Types: deb
Enabled: no
URIs: http://off.example/ubuntu
Suites: noble
Components: main

Types: deb-src
URIs: http://source.example/ubuntu
Suites: jammy
Components: main

Types: deb
URIs: http://inline.example/ubuntu
Suites: noble
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 -----END PGP PUBLIC KEY BLOCK-----
"""


def sources(apt: Path, **files: str) -> list[AptSource]:
    (apt / "sources.list.d").mkdir()
    for name, text in files.items():
        (apt / name.replace("__", ".d/").replace("_", ".")).write_text(text)
    return read_sources(apt)


def test_one_line_format(tmp_path: Path) -> None:
    assert sources(tmp_path, sources_list=LIST)[:2] == [
        AptSource("http://deb.example/debian", ("bookworm",), ("main", "contrib"), None),
        AptSource("https://own.example/debian", ("bullseye",), ("main",), Path("/usr/share/keyrings/own.gpg")),
    ]


def test_deb822_format(tmp_path: Path) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list.d/ubuntu.sources").write_text(STANZAS)
    keyring = Path("/usr/share/keyrings/ubuntu-archive-keyring.gpg")
    assert read_sources(tmp_path) == [
        AptSource(f"http://{name}.example/ubuntu", ("jammy", "jammy-updates"), ("main", "universe"), keyring)
        for name in ("one", "two")
    ] + [AptSource("http://inline.example/ubuntu", ("noble",), ("main",), None)]


def test_no_apt(tmp_path: Path) -> None:
    assert read_sources(tmp_path / "nothing") == []


def test_the_release_s_own_source_comes_first(tmp_path: Path) -> None:
    found = sources(tmp_path, sources_list=LIST)
    assert found[2].uri.startswith("cdrom:")
    for release, uri in (("debian:11", "https://own"), ("debian:12", "http://deb"), ("debian:sid", "http://deb")):
        source = find_source(find_release(release), found)
        assert source
        assert source.uri.startswith(uri)
    assert find_source(find_release("ubuntu:jammy"), found) is None


def test_an_archive_without_the_main_component_is_another_one() -> None:
    other = AptSource("http://apps.example/debian", ("bookworm",), ("apps",), None)
    security = AptSource("http://security.example/debian", ("bookworm-security",), ("main",), None)
    assert find_source(find_release("debian:12"), [other, security]) is None
