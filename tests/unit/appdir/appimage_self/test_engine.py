# SPDX-License-Identifier: MIT
"""Updates against a server with GitHub's answers, and every fault that a server, a network or a disk can have."""

from __future__ import annotations

import os
import shutil
import stat
from typing import TYPE_CHECKING

import pytest

from hatch_appimage.appdir.appimage_self import engine, information, place, web
from hatch_appimage.appdir.appimage_self.errors import SelfError
from hatch_appimage.appdir.appimage_self.ranges import Part, RemoteFile
from hatch_appimage.appdir.appimage_self.web import Web
from support.update_images import ARCHITECTURE, installed, make_version
from support.update_server import Site, answer, endless, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.update_images import Version
    from support.update_server import Handler

LINE = f"gh-releases-zsync|owner|app|latest|app-[0-9]*-{ARCHITECTURE}.AppImage.zsync"


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Version]:
    directory = tmp_path_factory.mktemp("versions")
    return {each: make_version(directory / each, each, LINE) for each in ("1.0", "2.0", "3.0")}


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    with serving(Site()) as site:
        monkeypatch.setattr(information, "GITHUB", site.url)
        monkeypatch.setattr(web, "_FIRST_PAUSE", 0.0)
        for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        yield site


@pytest.fixture
def target(tmp_path: Path, versions: dict[str, Version]) -> Path:
    (tmp_path / "apps").mkdir()
    path = tmp_path / "apps" / "My App.AppImage"
    shutil.copy(versions["1.0"].path, path)
    return path


def publish(site: Site, version: Version, tag: str, *, blocks: bool = True, prerelease: bool = False) -> str:
    """Put a version on the site, and return the path of its image."""
    site.release(tag, version.files(blocks=blocks), prerelease=prerelease)
    return f"/owner/app/releases/download/{tag}/{version.path.name}"


def update(target: Path, current: str = "1.0", to: str | None = None, **options: object) -> engine.Updated | None:
    connection = Web()
    try:
        image = installed(target, current)
        release = engine.find_release(image, connection, to)
        if release is None:
            return None
        return engine.update(image, connection, release, asked=to is not None, **options)  # type: ignore[arg-type]
    finally:
        connection.close()


def names_beside(target: Path) -> list[str]:
    return sorted(path.name for path in target.parent.iterdir())


class TestUpdate:
    def test_from_version_to_version(self, site: Site, target: Path, versions: dict[str, Version]) -> None:
        """Nothing but what changed is fetched, by few requests, and the old one stays until the next update."""
        for old, new in (("1.0", "2.0"), ("2.0", "3.0")):
            path = publish(site, versions[new], f"v{new}")
            site.requests.clear()
            done = update(target, old)
            assert done is not None
            assert (done.version, done.path, done.signer) == (new, str(target), "")
            assert target.read_bytes() == versions[new].data
            assert target.with_name("My App.AppImage.previous").read_bytes() == versions[old].data
            assert names_beside(target) == ["My App.AppImage", "My App.AppImage.previous"]
            assert 0 < site.sent[path] < len(versions[new].data) * 0.1
            assert [each for each, _ in site.requests].count(path) == 1
            assert done.fetched == site.sent[path]
        assert update(target, "3.0") is None

    def test_mode_and_attributes_stay(self, site: Site, target: Path, versions: dict[str, Version]) -> None:
        publish(site, versions["2.0"], "v2.0")
        target.chmod(0o750)
        os.setxattr(target, "user.note", b"mine")
        update(target)
        assert stat.S_IMODE(target.stat().st_mode) == 0o750
        assert os.getxattr(target, "user.note") == b"mine"

    def test_link_stays(self, site: Site, target: Path, versions: dict[str, Version], tmp_path: Path) -> None:
        publish(site, versions["2.0"], "v2.0")
        link = tmp_path / "link"
        link.symlink_to(target)
        update(link)
        assert link.is_symlink()
        assert target.read_bytes() == versions["2.0"].data

    def test_no_older_one_unless_asked(self, site: Site, target: Path, versions: dict[str, Version]) -> None:
        shutil.copy(versions["3.0"].path, target)
        publish(site, versions["2.0"], "v2.0")
        assert update(target, "3.0") is None
        done = update(target, "3.0", "2.0")
        assert done is not None
        assert target.read_bytes() == versions["2.0"].data

    def test_version_that_is_not_there(self, site: Site, target: Path, versions: dict[str, Version]) -> None:
        publish(site, versions["2.0"], "v2.0")
        with pytest.raises(SelfError, match=r"there is no version 4\.0"):
            update(target, "1.0", "4.0")

    def test_roll_back(self, site: Site, target: Path, versions: dict[str, Version]) -> None:
        publish(site, versions["2.0"], "v2.0")
        with pytest.raises(SelfError, match=r"there is no .*\.previous"):
            engine.roll_back(installed(target, "1.0"))
        update(target)
        engine.roll_back(installed(target, "2.0"))
        assert target.read_bytes() == versions["1.0"].data
        assert target.with_name("My App.AppImage.previous").read_bytes() == versions["2.0"].data
        assert names_beside(target) == ["My App.AppImage", "My App.AppImage.previous"]

    def test_blocks_of_the_previous_image(self, site: Site, target: Path, versions: dict[str, Version]) -> None:
        """After a rollback, nothing has to be fetched again."""
        path = publish(site, versions["2.0"], "v2.0")
        update(target)
        engine.roll_back(installed(target, "2.0"))
        sent = site.sent[path]
        update(target)
        assert site.sent[path] == sent
        assert target.read_bytes() == versions["2.0"].data

    def test_twice_from_the_same_process(self, site: Site, target: Path, versions: dict[str, Version]) -> None:
        """The application still is the old version; the previous image is not to be lost."""
        publish(site, versions["2.0"], "v2.0")
        update(target)
        with pytest.raises(SelfError, match=r"is version 2\.0 already: start it anew"):
            update(target, "1.0")
        assert target.with_name("My App.AppImage.previous").read_bytes() == versions["1.0"].data
        assert names_beside(target) == ["My App.AppImage", "My App.AppImage.previous"]

    def test_no_update_information(self, tmp_path: Path) -> None:
        with pytest.raises(SelfError, match="built without update information"):
            update(make_version(tmp_path / "without", "1.0", "").path)


class TestServers:
    @pytest.mark.parametrize(("ranges", "share"), [("many", 0.1), ("one", 0.1), ("none", 1.0)])
    def test_ranges(self, site: Site, target: Path, versions: dict[str, Version], ranges: str, share: float) -> None:
        site.ranges = ranges
        publish(site, versions["2.0"], "v2.0")
        done = update(target)
        assert done is not None
        assert target.read_bytes() == versions["2.0"].data
        # A server that sends the whole file instead is stopped.
        assert done.fetched <= done.size * share

    def test_whole_file_once(self, site: Site) -> None:
        """A server without ranges answers the first request for a part with all that others would ask for."""
        data = bytes(range(256)) * 2000
        site.files["/a"] = data
        site.ranges = "none"
        got = bytearray(len(data))

        def write(position: int, piece: bytes) -> None:
            got[position : position + len(piece)] = piece

        connection = Web()
        parts = [Part(start, start + 100) for start in range(0, len(data), 50_000)]
        RemoteFile(connection, f"{site.url}/a", len(data)).fetch(parts, write)
        connection.close()
        assert bytes(got) == data
        assert connection.requests == 2
        assert connection.fetched < 2 * len(data)

    @pytest.mark.parametrize("ranges", ["many", "none"])
    def test_no_map(self, site: Site, target: Path, versions: dict[str, Version], ranges: str) -> None:
        """What other tools pack has none: all of it is fetched."""
        site.ranges = ranges
        publish(site, versions["2.0"], "v2.0", blocks=False)
        done = update(target)
        assert done is not None
        assert done.fetched == done.size
        assert target.read_bytes() == versions["2.0"].data

    def test_tries_again(self, site: Site, target: Path, versions: dict[str, Version]) -> None:
        path = publish(site, versions["2.0"], "v2.0")

        def fail_once(handler: Handler) -> None:
            del site.faults[path]
            answer(503, b"", Retry_After="0", Content_Length="0")(handler)

        site.faults[path] = fail_once
        update(target)
        assert target.read_bytes() == versions["2.0"].data

    def test_goes_on_where_it_broke_off(self, site: Site, target: Path, versions: dict[str, Version]) -> None:
        """Without a map, from the byte; with one, from the block."""
        data = versions["2.0"].data
        path = publish(site, versions["2.0"], "v2.0", blocks=False)
        site.faults[path] = answer(206, data[:300_000], Content_Range=f"bytes 0-{len(data) - 1}/{len(data)}")
        with pytest.raises(SelfError, match="broke off"):
            update(target)
        assert target.read_bytes() == versions["1.0"].data
        del site.faults[path]
        update(target)
        assert site.sent[path] == len(data) - 300_000
        assert target.read_bytes() == data

    def test_interrupted(self, site: Site, target: Path, versions: dict[str, Version]) -> None:
        publish(site, versions["2.0"], "v2.0")

        def interrupt(*_: int) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            update(target, progress=interrupt)
        assert target.read_bytes() == versions["1.0"].data
        assert names_beside(target) == [".My App.AppImage.part", "My App.AppImage"]
        update(target)
        assert names_beside(target) == ["My App.AppImage", "My App.AppImage.previous"]

    def test_part_of_another_image(self, site: Site, target: Path, versions: dict[str, Version]) -> None:
        publish(site, versions["2.0"], "v2.0", blocks=False)
        (target.parent / f".{target.name}.part").write_bytes(versions["3.0"].data[:-100])
        update(target)
        assert target.read_bytes() == versions["2.0"].data


def short(data: bytes) -> Callable[[Handler], None]:
    return answer(206, data[:10], Content_Range=f"bytes 0-9/{len(data)}", Content_Length="10")


class TestHostileServer:
    """Whatever it sends, the image is as it was, and it ends."""

    @pytest.mark.parametrize(
        ("fault", "message"),
        [
            (lambda data: answer(206, data[:10], Content_Range=f"bytes 0-9/{len(data)}"), "another part"),
            (lambda data: answer(206, data[:10], Content_Range=f"bytes 0-9/{len(data) + 1}"), "were announced"),
            (lambda _: answer(206, b"x" * 10), "another part"),
            (lambda _: endless(206, Content_Type="multipart/byteranges; boundary=b"), "something else than parts"),
            (lambda _: endless(200), "digest is another one"),
            (lambda data: answer(200, bytes(len(data)), Content_Length=str(len(data))), "digest is another one"),
            (lambda _: answer(404, b"", Content_Length="0"), "answers 404"),
            (lambda _: answer(302, b"", Location="file:///etc/passwd", Content_Length="0"), "not as well protected"),
            (lambda _: answer(302, b"", Location="/", Content_Length="0"), "404"),
            (lambda _: answer(500, b"", Content_Length="0"), r"answers 500 .*4 tries"),
            (lambda _: endless(500), "4 tries"),
            (lambda _: answer(206, b"\r\n" * 5000, Content_Type="multipart/byteranges; boundary=b"), "something else"),
            (lambda _: lambda handler: handler.wfile.write(b"\x00" * 100_000), "no connection"),
        ],
    )
    def test_image(
        self,
        site: Site,
        target: Path,
        versions: dict[str, Version],
        fault: Callable[[bytes], Callable[[Handler], None]],
        message: str,
    ) -> None:
        path = publish(site, versions["2.0"], "v2.0")
        site.faults[path] = fault(versions["2.0"].data)
        with pytest.raises(SelfError, match=message):
            update(target)
        assert target.read_bytes() == versions["1.0"].data

    def test_redirects_without_end(self, site: Site, target: Path, versions: dict[str, Version]) -> None:
        path = publish(site, versions["2.0"], "v2.0")
        site.redirects[path] = f"{site.url}{path}"
        with pytest.raises(SelfError, match="without an end"):
            update(target)

    @pytest.mark.parametrize(
        ("header", "message"),
        [
            (b"", "is no .zsync file"),
            (b"zsync: 0.6.2\nLength: 10\nURL: a\n\n", "no digest"),
            (b"zsync: 0.6.2\nLength: -1\nURL: a\nSHA-1: " + b"0" * 40 + b"\n\n", "is no .zsync file"),
            (b"zsync: 0.6.2\nLength: 999999999999\nURL: a\nSHA-1: " + b"0" * 40 + b"\n\n", "does not say what"),
            (b"zsync: 0.6.2\nLength: 10\nURL: file:///a\nSHA-1: " + b"0" * 40 + b"\n\n", "not as well protected"),
            (b"zsync: 0.6.2\n" + b"x" * 100_000, "is no .zsync file"),
        ],
    )
    def test_zsync(self, site: Site, target: Path, versions: dict[str, Version], header: bytes, message: str) -> None:
        path = publish(site, versions["2.0"], "v2.0")
        site.files[f"{path}.zsync"] = header
        with pytest.raises(SelfError, match=message):
            update(target)
        assert names_beside(target) == [target.name]

    @pytest.mark.parametrize(
        "fault", [endless(200), answer(200, b"[" * 100_000), answer(200, b"[]"), answer(200, b"{}")]
    )
    def test_releases(
        self, site: Site, target: Path, fault: Callable[[Handler], None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(information, "_MAX_ANSWER", 1 << 20)
        site.faults["/repos/owner/app/releases/latest"] = fault
        with pytest.raises(SelfError, match=r"more than|JSON|not known here"):
            update(target)

    @pytest.mark.parametrize("damage", [b"", b"appimage-blocks: 2\n\n", b"appimage-blocks: 1\n\n", None])
    def test_map(self, site: Site, target: Path, versions: dict[str, Version], damage: bytes | None) -> None:
        """A map that is no use is not used."""
        path = publish(site, versions["2.0"], "v2.0")
        whole = site.files[f"{path}.blocks"]
        site.files[f"{path}.blocks"] = whole[:-1] if damage is None else damage
        done = update(target)
        assert done is not None
        assert done.fetched == done.size
        assert target.read_bytes() == versions["2.0"].data

    def test_map_of_another_image(self, site: Site, target: Path, versions: dict[str, Version]) -> None:
        path = publish(site, versions["2.0"], "v2.0")
        site.files[f"{path}.blocks"] = versions["1.0"].files()[f"{versions['1.0'].path.name}.blocks"]
        with pytest.raises(SelfError, match="digest is another one"):
            update(target)
        assert names_beside(target) == [target.name]

    def test_another_machine(self, tmp_path: Path, versions: dict[str, Version]) -> None:
        changed = bytearray(versions["2.0"].data)
        changed[18:20] = b"\xf7\x00"
        (tmp_path / "x").write_bytes(changed)
        machine = int.from_bytes(versions["2.0"].data[18:20], "little")
        with (tmp_path / "x").open("rb") as file, pytest.raises(SelfError, match="another kind of machine"):
            engine.check_genuine(file, machine, None, older=False)


class TestPlaces:
    def test_full_disk(
        self, site: Site, target: Path, versions: dict[str, Version], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        publish(site, versions["2.0"], "v2.0")

        def fail(*_: int) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("os.posix_fallocate", fail)
        with pytest.raises(SelfError, match="there is no room"):
            update(target)
        assert target.read_bytes() == versions["1.0"].data
        assert names_beside(target) == [target.name]

    def test_everybody_may_write(self, site: Site, target: Path, versions: dict[str, Version]) -> None:
        publish(site, versions["2.0"], "v2.0")
        target.parent.chmod(0o777)
        with pytest.raises(SelfError, match="everybody can write"):
            update(target)

    def test_names_in_use(self, site: Site, target: Path, versions: dict[str, Version], tmp_path: Path) -> None:
        """Links at the names that are used lead nowhere, and what they lead to stays as it is."""
        publish(site, versions["2.0"], "v2.0")
        victim = tmp_path / "victim"
        victim.write_text("precious")
        for name in (f".{target.name}.part", f".{target.name}.old", f"{target.name}.previous"):
            (target.parent / name).symlink_to(victim)
        update(target)
        assert victim.read_text() == "precious"
        assert target.read_bytes() == versions["2.0"].data
        assert names_beside(target) == [target.name, f"{target.name}.previous"]

    def test_hard_link(self, site: Site, target: Path, versions: dict[str, Version], tmp_path: Path) -> None:
        publish(site, versions["2.0"], "v2.0")
        victim = tmp_path / "victim"
        victim.write_text("precious")
        (target.parent / f".{target.name}.part").hardlink_to(victim)
        update(target)
        assert victim.read_text() == "precious"

    def test_fifo_and_directory(self, site: Site, target: Path, versions: dict[str, Version]) -> None:
        publish(site, versions["2.0"], "v2.0")
        os.mkfifo(target.parent / f".{target.name}.part")
        update(target)
        assert target.read_bytes() == versions["2.0"].data
        (target.parent / f".{target.name}.part").mkdir()
        with pytest.raises(SelfError, match="is in the way"):
            update(target)

    def test_two_at_the_same_time(self, site: Site, target: Path, versions: dict[str, Version]) -> None:
        publish(site, versions["2.0"], "v2.0")
        here = place.Place.of(str(target))
        with here.open_part(), pytest.raises(SelfError, match="another update"):
            update(target)

    def test_replaced_meanwhile(self, site: Site, target: Path, versions: dict[str, Version]) -> None:
        publish(site, versions["2.0"], "v2.0")

        def replace(*_: int) -> None:
            shutil.copy(versions["3.0"].path, target.with_name("new"))
            target.with_name("new").replace(target)

        with pytest.raises(SelfError, match="was replaced meanwhile"):
            update(target, progress=replace)
        assert target.read_bytes() == versions["3.0"].data

    def test_no_hard_links(
        self, site: Site, target: Path, versions: dict[str, Version], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        publish(site, versions["2.0"], "v2.0")

        def fail(*_: object, **__: object) -> None:
            raise PermissionError(1, "Operation not permitted")

        monkeypatch.setattr("os.link", fail)
        update(target)
        assert target.read_bytes() == versions["2.0"].data
        assert target.with_name(f"{target.name}.previous").read_bytes() == versions["1.0"].data


class TestProtection:
    def test_neither_signature_nor_tls(self, target: Path) -> None:
        release = engine.Release("2.0", 1, "http://example.org/a", "http://example.org/a.zsync", "", "", None)
        with pytest.raises(SelfError, match="neither a signature nor TLS"):
            engine.check_protection(installed(target, "1.0"), release)

    def test_from_https_to_http(self) -> None:
        with pytest.raises(SelfError, match="not as well protected"):
            web.beside("https://example.org/a.zsync", "http://example.org/a")
        assert web.beside("https://example.org/a.zsync", "https://cdn.example.org/a") == "https://cdn.example.org/a"
