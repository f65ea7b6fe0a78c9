# SPDX-License-Identifier: MIT
"""Wheels made for tests, and an index of them on this machine."""

from __future__ import annotations

import base64
import csv
import io
import threading
import zipfile
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from html import escape
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


def make_wheel(
    folder: Path,
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
    folder.mkdir(exist_ok=True, parents=True)
    path = folder / f"{name}-{version}-{tag}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in contents.items():
            archive.writestr(zipfile.ZipInfo(file), text)
        archive.writestr(zipfile.ZipInfo(f"{info}/RECORD"), record.getvalue())
    return path


def digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(sha256(data).digest()).rstrip(b"=").decode()


@dataclass(frozen=True)
class Index:
    """A package index (https://packaging.python.org/en/latest/specifications/simple-repository-api/).

    Attributes:
        folder: what is served: a folder a project, with its files.
        url: where it is served, when it is.

    """

    folder: Path
    url: str = ""

    def add(self, name: str, version: str = "1.0", *, tag: str = "py3-none-any", requires: Sequence[str] = ()) -> Path:
        """Add a wheel with a module in it that knows its version."""
        return make_wheel(
            self.folder / name.replace("_", "-"),
            name,
            {f"{name}.py": f"version = {version!r}\n"},
            version=version,
            tag=tag,
            metadata=[f"Requires-Dist: {requirement}" for requirement in requires],
        )

    def files(self, name: str) -> list[Path]:
        return sorted((self.folder / name).glob("*.whl"))


def hash_of(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()


class _Handler(SimpleHTTPRequestHandler):
    def do_GET(self) -> None:
        folder = Path(self.translate_path(self.path))
        if not self.path.endswith("/") or not folder.is_dir():
            super().do_GET()
            return
        links = (f"{file.name}#sha256={hash_of(file)}" for file in sorted(folder.glob("*.whl")))
        page = "".join(f'<a href="{escape(link)}">{escape(link.split("#")[0])}</a>\n' for link in links).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serve(folder: Path) -> Iterator[Index]:
    """Serve an index while the test runs."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield Index(folder, f"http://127.0.0.1:{server.server_port}/")
    finally:
        server.shutdown()
        server.server_close()
