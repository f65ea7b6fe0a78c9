# SPDX-License-Identifier: MIT
"""Images with each Python of this machine, and from each source that there is."""

from __future__ import annotations

import json
import os
import re
import subprocess
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.machine import clean_environment
from support.mirror import serve
from support.projects import copy_project
from support.pythons import (
    BUILD,
    INTERPRETERS,
    MINOR,
    RELEASES,
    VERSION,
    appimage_name,
    make_portable,
    release,
    standalone_entry,
    standalone_list,
    standalone_name,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.mirror import Mirror
    from support.plugin import Plugin
    from support.pythons import Portable


SUPPORTED = [path for path in INTERPRETERS if re.fullmatch(r"python3\.1[0-9]", Path(path).name)]


def build(plugin: Plugin, directory: Path, settings: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    project = copy_project("hello-cli", directory)
    with (project / "pyproject.toml").open("a", encoding="utf-8") as file:
        file.write(f"report = 'report.json'\ncompression = 'fast'\nstartup-order = false\n{settings}\n")
    return plugin.build(project, env=env, check=False)


def run(directory: Path) -> str:
    (image,) = (directory / "hello-cli" / "dist").glob("*.AppImage")
    home = directory / "home"
    home.mkdir()
    return subprocess.check_output([image], env=clean_environment(home), cwd=home, text=True)


def origin(directory: Path) -> str:
    report = json.loads((directory / "hello-cli" / "report.json").read_text(encoding="utf-8"))
    return str(report["python"]["interpreter"])


@pytest.mark.parametrize("interpreter", SUPPORTED)
def test_of_this_machine(plugin: Plugin, tmp_path: Path, interpreter: str) -> None:
    result = build(plugin, tmp_path, f"python = '{interpreter}'", {})
    assert result.returncode == 0, result.stderr
    assert "hello" in run(tmp_path).lower()
    assert origin(tmp_path) == interpreter


@pytest.fixture(scope="module")
def portable(tmp_path_factory: pytest.TempPathFactory) -> Portable:
    return make_portable(tmp_path_factory.mktemp("portable"))


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    with serve() as mirror:
        yield mirror


@pytest.fixture
def env(tmp_path: Path, mirror: Mirror) -> dict[str, str]:
    """Return what names the mirror, and has nothing in any cache yet but packages."""
    return {
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "XDG_DATA_HOME": str(tmp_path / "data"),
        "UV_CACHE_DIR": os.environ.get("UV_CACHE_DIR", str(Path.home() / ".cache" / "uv")),
        "UV_PYTHON_INSTALL_DIR": str(tmp_path / "uv"),
        "UV_PYTHON_INSTALL_MIRROR": mirror.url,
        "UV_PYTHON_DOWNLOADS_JSON_URL": str(tmp_path / "list.json"),
        "UV_HTTP_RETRIES": "0",
        "HATCH_APPIMAGE_GITHUB_API": mirror.url,
    }


def test_standalone(plugin: Plugin, tmp_path: Path, mirror: Mirror, env: dict[str, str], portable: Portable) -> None:
    data = portable.pack(tmp_path / "python.tar.gz").read_bytes()
    mirror.files[f"/{BUILD}/{standalone_name(VERSION)}"] = data
    (tmp_path / "list.json").write_text(standalone_list([standalone_entry(VERSION, sha256(data).hexdigest())]))
    result = build(plugin, tmp_path, f"python = '{MINOR}'", env)
    assert result.returncode == 0, result.stderr
    assert "hello" in run(tmp_path).lower()
    assert origin(tmp_path).startswith(f"python-build-standalone cpython-{VERSION}-linux-")


def test_python_appimage(
    plugin: Plugin, tmp_path: Path, mirror: Mirror, env: dict[str, str], portable: Portable
) -> None:
    data = portable.pack_appimage(tmp_path / "python.AppImage").read_bytes()
    mirror.files[RELEASES] = json.dumps([release(MINOR, {appimage_name(): data}, mirror.url)]).encode()
    mirror.files[f"/niess/python-appimage/releases/download/python{MINOR}/{appimage_name()}"] = data
    result = build(plugin, tmp_path, f"python = 'python-appimage:{MINOR}'", env)
    assert result.returncode == 0, result.stderr
    assert "hello" in run(tmp_path).lower()
    assert origin(tmp_path) == appimage_name()


def test_url(plugin: Plugin, tmp_path: Path, mirror: Mirror, env: dict[str, str], portable: Portable) -> None:
    data = portable.pack(tmp_path / "python.tar.gz").read_bytes()
    mirror.files["/python.tar.gz"] = data
    settings = f"python = '{mirror.url}/python.tar.gz'\npython-sha256 = '{sha256(data).hexdigest()}'"
    result = build(plugin, tmp_path, settings, env)
    assert result.returncode == 0, result.stderr
    assert "hello" in run(tmp_path).lower()


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("python = '3.99'", r"python-build-standalone has no Python 3\.99 for \w+; the nearest are 3\.9\.2"),
        ("python = '3.9.2'", r"Cannot get Python 3\.9\.2 for \w+: .*404 Not Found.*"),
        ("python = 'python-appimage:3.99'", r"python-appimage has no Python 3\.99 for \w+"),
        ("python = 'none.AppImage'", r".*/none\.AppImage is no type-2 AppImage"),
        ("python = 'none.tar.gz'", r".*/none\.tar\.gz cannot be unpacked: .*"),
        (
            f"python = 'none.tar.gz'\npython-sha256 = '{'0' * 64}'",
            rf".*/none\.tar\.gz is not what it should be: its SHA-256 is \w{{64}}, and `python-sha256` is {'0' * 64}",
        ),
        (
            f"python = 'http://127.0.0.1:9/a.tar'\npython-sha256 = '{'0' * 64}'",
            r"Cannot download http://127\.0\.0\.1:9/a\.tar: no connection: .* \(5 tries\)",
        ),
    ],
)
def test_faults(
    plugin: Plugin, tmp_path: Path, mirror: Mirror, env: dict[str, str], *, setting: str, message: str
) -> None:
    """Each is one line, and nothing is left behind."""
    mirror.files[RELEASES] = b"[]"
    (tmp_path / "list.json").write_text(standalone_list([standalone_entry("3.9.2", "0" * 64)]))
    project = tmp_path / "hello-cli"
    copy_project("hello-cli", tmp_path)
    for name in ("none.AppImage", "none.tar.gz"):
        (project / name).write_text("<html>")
    with (project / "pyproject.toml").open("a", encoding="utf-8") as file:
        file.write(f"{setting}\n")
    result = plugin.build(project, env=env, check=False)
    assert result.returncode == 1
    assert re.fullmatch(message, result.stderr.rstrip("\n")), result.stderr
    assert not list((project / "dist").iterdir())
    kept = [path for path in (tmp_path / "cache").rglob("*") if path.is_file() and path.suffix not in {".lock", ""}]
    assert [path for path in kept if "hatch-appimage" in path.parts and "answers" not in path.parts] == []


def test_offline(plugin: Plugin, tmp_path: Path, env: dict[str, str]) -> None:
    (tmp_path / "list.json").write_text(standalone_list([standalone_entry("3.9.2", "0" * 64)]))
    result = build(plugin, tmp_path, "python = '3.9'", {**env, "HATCH_APPIMAGE_OFFLINE": "1"})
    assert result.returncode == 1
    assert re.fullmatch(
        r"Python 3\.9\.2 for \w+ is not on this machine, and HATCH_APPIMAGE_OFFLINE allows no download: "
        r"build once without it\n",
        result.stderr,
    )
