# SPDX-License-Identifier: MIT
"""Secrets in addresses: nobody but the server sees them."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest
from uv import find_uv_bin

from hatch_appimage import cli
from hatch_appimage.cache import cache_directory
from hatch_appimage.download import download
from hatch_appimage.errors import AppImageError, ConfigurationError
from hatch_appimage.process import ProcessError, run
from hatch_appimage.redact import redact, redact_all
from support import mirror as mirrors
from support.packages import Index, make_wheel, serve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://example.com/a", "https://example.com/a"),
        ("https://me:secret@example.com:8080/a?secret#c", "https://example.com:8080/a#c"),
        ("https://:secret@example.com/", "https://example.com/"),
        ("https://secret@example.com/a.git", "https://example.com/a.git"),
        ("https://me:se@cr@et@example.com/a", "https://example.com/a"),
        ("https://me:se?cr#et@example.com/a", "https://example.com/a"),
        ("HTTPS://me:secret@[::1]:8/a?b=/c?d", "HTTPS://[::1]:8/a"),
        ("ssh://git@example.com/a", "ssh://git@example.com/a"),
        ("git+ssh://git@example.com/a@v1", "git+ssh://git@example.com/a@v1"),
        ("ssh://me:secret@example.com/a", "ssh://example.com/a"),
        ("git+https://secret@example.com/a@v1#subdirectory=b", "git+https://example.com/a@v1#subdirectory=b"),
        ("file:///srv/a", "file:///srv/a"),
        ("x @ https://example.com?token=secret", "x @ https://example.com"),
        ("Cannot get `https://a:b@c/d?e=f`: 404", "Cannot get `https://c/d`: 404"),
        ("(Caused by x('https://a:b@c/d?e=f'), url: /d?e=f (again))", "(Caused by x('https://c/d'), url: /d (again))"),
        ('"https://a/?b", "c"', '"https://a/", "c"'),
        ("https://h/a(1).tgz?token=secret", "https://h/a(1).tgz"),
        ("(see https://h/a?token=secret)", "(see https://h/a)"),
        ("src/foo?.py is there", "src/foo?.py is there"),
        ("mail to me@example.com, what? and/or? so", "mail to me@example.com, what? and/or? so"),
    ],
)
def test_redact(text: str, shown: str) -> None:
    assert redact(text) == shown
    assert redact(shown) == shown
    assert redact_all({text: [text, 1, None, {"a": (text,)}]}) == {shown: [shown, 1, None, {"a": [shown]}]}


URL = "https://me:secret@example.com/a?token=secret"


@pytest.mark.parametrize("error", [AppImageError(f"x {URL}"), ConfigurationError([f"x {URL}", URL])])
def test_errors(error: AppImageError) -> None:
    assert "secret" not in f"{error} {error.args} {vars(error)}"
    assert "https://example.com/a" in str(error)


def test_programs(caplog: pytest.LogCaptureFixture) -> None:
    """What they are called with, and what they say, in the log as well."""
    caplog.set_level(logging.DEBUG)
    code = f"import sys; print({URL!r}); print('no', {URL!r}, file=sys.stderr); sys.exit(len(sys.argv))"
    with pytest.raises(ProcessError) as caught:
        run([sys.executable, "-c", code, URL], doing="say it")
    assert str(caught.value).count("https://example.com/a") >= 3
    assert "secret" not in str(caught.value) + caplog.text
    assert caplog.text.count("https://example.com/a") >= 3


class TestDownloads:
    @pytest.fixture
    def address(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        monkeypatch.setattr("hatch_appimage.download._PAUSE", 0.01)
        with mirrors.serve() as mirror:
            mirror.files["/a.tar?token=secret"] = b"a"
            yield mirror.url.replace("//", "//me:secret@") + "/a.tar?token=secret"

    def test_cached(self, address: str) -> None:
        download(address, sha256(b"a").hexdigest())
        assert not [path for path in cache_directory().rglob("*") if "secret" in path.name]

    @pytest.mark.parametrize("answer", [404, 503, None])
    def test_failed(self, address: str, answer: int | None) -> None:
        url = address.replace("a.tar", "b.tar") if answer == 404 else address
        if answer == 503:  # nobody is there
            url = url.replace("127.0.0.1:", "127.0.0.1:1").replace("secret@127.0.0.1", "secret@127.255.255.254")
        with pytest.raises(AppImageError, match=r"http://127\.\d+\.\d+\.\d+:\d+/[ab]\.tar") as caught:
            download(url, "0" * 64)
        assert "secret" not in str(caught.value)


PROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "app"
version = "1.0"
dependencies = ["other"]
[project.scripts]
app = "app:main"
[tool.hatch.build.targets.wheel]
only-include = ["app.py"]
[tool.hatch.build.targets.appimage]
compression = "fast"
startup-order = false
report = "report.json"
"""


@pytest.mark.slow
@pytest.mark.network
class TestWholeBuild:
    """With an index behind a password."""

    @pytest.fixture
    def index(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
        monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv-cache"))
        for name in ("HATCH_VERBOSE", "HATCH_QUIET"):  # the command sets them for its process
            monkeypatch.setenv(name, "0")
        index = Index(tmp_path / "index")
        index.add("other")
        with serve(index.directory) as served:
            monkeypatch.setenv("UV_INDEX", served.url.replace("//", "//me:hushhush@"))
            yield served

    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        root = tmp_path / "app"
        root.mkdir()
        (root / "pyproject.toml").write_text(PROJECT)
        (root / "app.py").write_text("def main(): pass\n")
        return root

    @pytest.mark.parametrize("locked", [True, False])
    def test_built(self, root: Path, index: Index, capfd: pytest.CaptureFixture[str], *, locked: bool) -> None:
        archive = make_wheel(index.directory / "wheels", "direct", {})
        url = f"{index.url.replace('//', '//me:hushhush@')}wheels/{archive.name}?token=hushhush"
        if locked:
            text = PROJECT.replace('"other"', f'"other", "direct @ {url}"')
            (root / "pyproject.toml").write_text(text + "[tool.hatch.metadata]\nallow-direct-references = true\n")
            subprocess.run([find_uv_bin(), "lock", "--quiet", "--python", sys.executable], cwd=root, check=True)
        assert (
            cli.main(["build", "-v", str(root), *([] if locked else ["--set", f'requirements=["direct @ {url}"]'])])
            == 0
        )
        shown = capfd.readouterr()
        assert "direct 1.0" in shown.out + shown.err
        assert "hushhush" not in shown.out + shown.err
        assert "hushhush" not in (root / "report.json").read_text()
        (image,) = (root / "dist").glob("*.AppImage")
        subprocess.run([image, "--appimage-extract"], cwd=root, check=True, stdout=subprocess.DEVNULL)
        tree = root / "squashfs-root"
        files = [path for path in tree.rglob("*") if path.is_file()]
        assert not [path for path in files if b"me:hushhush" in path.read_bytes()]
        (metadata,) = (path for path in files if path.match("app-1.0.dist-info/METADATA"))
        assert ("Requires-Dist: direct @ http://127.0.0.1:" in metadata.read_text()) == locked
        sbom = json.loads((tree / "usr" / "share" / "app" / "sbom.cdx.json").read_text())
        assert "token" not in json.dumps(sbom)

    def test_no_such_package(self, root: Path, index: Index, capfd: pytest.CaptureFixture[str]) -> None:
        del index
        (root / "pyproject.toml").write_text(PROJECT.replace('"other"', '"other>=2"'))
        with pytest.raises(SystemExit):
            cli.main(["build", "-v", str(root)])
        shown = capfd.readouterr()
        assert "other>=2" in shown.out + shown.err
        assert "hushhush" not in shown.out + shown.err
