# SPDX-License-Identifier: MIT
"""Wheels made for tests, and an index of them on this machine."""

from __future__ import annotations

import base64
import bz2
import csv
import gzip
import io
import shutil
import tarfile
import threading
import zipfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from html import escape
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


def make_wheel(
    directory: Path,
    name: str,
    files: Mapping[str, str],
    *,
    version: str = "1.0",
    tag: str = "py3-none-any",
    metadata: Sequence[str] = (),
    scripts: str = "",
) -> Path:
    """Make a wheel (https://packaging.python.org/en/latest/specifications/binary-distribution-format/)."""
    info = f"{name}-{version}.dist-info"
    contents = {
        **files,
        f"{info}/METADATA": "\n".join(["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *metadata, ""]),
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    if scripts:
        contents[f"{info}/entry_points.txt"] = f"[console_scripts]\n{scripts}\n"
    record = io.StringIO()
    rows = [[path, f"sha256={digest(text.encode())}", len(text.encode())] for path, text in contents.items()]
    csv.writer(record, lineterminator="\n").writerows([*rows, [f"{info}/RECORD", "", ""]])
    directory.mkdir(exist_ok=True, parents=True)
    path = directory / f"{name}-{version}-{tag}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in contents.items():
            archive.writestr(zipfile.ZipInfo(file), text)
        archive.writestr(zipfile.ZipInfo(f"{info}/RECORD"), record.getvalue())
    return path


# A back end that needs nothing: it puts the wheel together that lies in the sdist, unpacked.
_BACK_END = """\
import pathlib, zipfile

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    (info,) = pathlib.Path("wheel").glob("*.dist-info")
    name = info.name.removesuffix(".dist-info") + "-py3-none-any.whl"
    with zipfile.ZipFile(pathlib.Path(wheel_directory, name), "w") as archive:
        for file in pathlib.Path("wheel").rglob("*"):
            archive.write(file, file.relative_to("wheel"))
    return name

build_editable = build_wheel
"""
_BUILD_SYSTEM = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'


def make_project(directory: Path, wheel: Path) -> Path:
    """Make the directory of a project, which becomes a given wheel when it is built."""
    name, version, *_ = wheel.name.split("-")
    directory.mkdir(parents=True)
    (directory / "backend.py").write_text(_BACK_END)
    (directory / "pyproject.toml").write_text(f'{_BUILD_SYSTEM}[project]\nname = "{name}"\nversion = "{version}"\n')
    shutil.unpack_archive(wheel, directory / "wheel", "zip")
    return directory


def make_sdist(path: Path, wheel: Path) -> Path:
    """Make an sdist of any name, which becomes a given wheel when it is built."""
    name, version, *_ = wheel.name.split("-")
    top = f"{name}-{version}"
    contents = {
        "PKG-INFO": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
        "backend.py": _BACK_END.encode(),
        "pyproject.toml": _BUILD_SYSTEM.encode(),
    }
    with zipfile.ZipFile(wheel) as archive:
        contents |= {f"wheel/{file}": archive.read(file) for file in archive.namelist()}
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        for file, content in contents.items():
            member = tarfile.TarInfo(f"{top}/{file}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_bytes((bz2 if path.suffix == ".bz2" else gzip).compress(data.getvalue()))
    return path


def digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(sha256(data).digest()).rstrip(b"=").decode()


@dataclass(frozen=True)
class Index:
    """A package index (https://packaging.python.org/en/latest/specifications/simple-repository-api/).

    Attributes:
        directory: what is served: a directory a project, with its files.
        url: where it is served, when it is.
        asked: what was asked for, as paths below the address.

    """

    directory: Path
    url: str = ""
    asked: list[str] = field(default_factory=list)

    def add(self, name: str, version: str = "1.0", *, tag: str = "py3-none-any", requires: Sequence[str] = ()) -> Path:
        """Add a wheel with a module in it that knows its version."""
        return make_wheel(
            self.directory / name.replace("_", "-"),
            name,
            {f"{name}.py": f"version = {version!r}\n"},
            version=version,
            tag=tag,
            metadata=[f"Requires-Dist: {requirement}" for requirement in requires],
        )

    def files(self, name: str) -> list[Path]:
        return sorted(file for file in (self.directory / name).iterdir() if file.is_file())


def hash_of(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()


class _Handler(SimpleHTTPRequestHandler):
    def __init__(self, *arguments: Any, asked: list[str], directory: str) -> None:
        self.asked = asked
        super().__init__(*arguments, directory=directory)

    def do_GET(self) -> None:
        self.asked.append(self.path)
        directory = Path(self.translate_path(self.path))
        if not self.path.endswith("/") or not directory.is_dir():
            super().do_GET()
            return
        files = sorted(file for file in directory.iterdir() if file.is_file())
        links = ((f"{quote(file.name)}#sha256={hash_of(file)}", file.name) for file in files)
        page = "".join(f'<a href="{escape(link)}">{escape(name)}</a>\n' for link, name in links).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serve(directory: Path) -> Iterator[Index]:
    """Serve an index while the test runs."""
    asked: list[str] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, asked=asked, directory=str(directory)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield Index(directory, f"http://127.0.0.1:{server.server_port}/", asked)
    finally:
        server.shutdown()
        server.server_close()
