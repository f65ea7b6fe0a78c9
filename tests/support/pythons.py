# SPDX-License-Identifier: MIT
"""Archives and AppImages of the running Python, laid out like those that are published."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tarfile
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hatch_appimage.architecture import native_architecture
from hatch_appimage.elf import from_origin, read_elf, set_rpath
from hatch_appimage.image.compression import Preset
from hatch_appimage.image.write import load_runtime, write_image
from hatch_appimage.layout import AppDir
from hatch_appimage.python.local import find_host_python
from hatch_appimage.python.relocate import bundle_python
from hatch_appimage.runtime import runtime_path

if TYPE_CHECKING:
    from collections.abc import Mapping

VERSION = ".".join(map(str, sys.version_info[:3]))
MINOR = ".".join(map(str, sys.version_info[:2]))
TAG = f"cp{sys.version_info.major}{sys.version_info.minor}"
MACHINE = native_architecture().machine

# Every CPython that is installed here and can be bundled.
FOLDERS: list[str | Path] = [
    "/usr/bin",
    "/usr/local/bin",
    f"{sys.base_prefix}/bin",
    *Path.home().glob(".pyenv/versions/*/bin"),
]
CANDIDATES = [Path(directory, f"python3.{minor}") for directory in FOLDERS for minor in range(8, 20)]
INTERPRETERS = sorted({os.path.realpath(path) for path in CANDIDATES if path.exists()})

# Where python-build-standalone is; a mirror takes the place of this beginning (`uv python install --mirror`).
STANDALONE = "https://github.com/astral-sh/python-build-standalone/releases/download"
BUILD = "20251209"
# Where GitHub lists what python-appimage has.
RELEASES = "/repos/niess/python-appimage/releases?per_page=100"

# What python-appimage adds to the standard library, and its script that starts Python (its data/_initappimage.py,
# data/python-wrapper.sh and data/entrypoint.sh).
PATCH = '''\
# This is a patch to getpath. It must execute before site.main() is called
def _initappimage():
    """Initialise executable name when running from an AppImage."""
    import os
    import sys

    sys.executable = os.environ.get("APPIMAGE_COMMAND", "/patched")

_initappimage()
del _initappimage
'''
WRAPPER = """#! /bin/bash
export SSL_CERT_FILE="${APPDIR}/opt/_internal/certs.pem"
"$APPDIR/opt/python/bin/python" "$@"
"""


@dataclass(frozen=True)
class Portable:
    """A Python that runs from any directory.

    Attributes:
        prefix: its directory.

    """

    prefix: Path

    @property
    def name(self) -> str:
        """The interpreter's name."""
        return f"python{MINOR}"

    def pack(self, path: Path, top: str = "python") -> Path:
        """Pack it like python-build-standalone."""
        with tarfile.open(path, "w:gz", compresslevel=1) as tar:
            tar.add(self.prefix, top)
        return path

    def pack_appimage(self, path: Path) -> Path:
        """Pack it like python-appimage: Python in `opt`, its libraries in `usr/lib`, a script in `usr/bin`."""
        appdir = AppDir(path.with_suffix(".AppDir"), "python")
        python = appdir.root / "opt" / self.name
        shutil.copytree(self.prefix, python, symlinks=True)
        (python / "lib" / self.name / "site-packages" / "sitecustomize.py").write_text("raise SystemExit('hook')\n")
        encodings = python / "lib" / self.name / "encodings" / "__init__.py"
        patched = encodings if sys.version_info >= (3, 11) else python / "lib" / self.name / "site.py"
        text = patched.read_text(encoding="utf-8")
        before, main, after = text.partition("\ndef main(") if patched.name == "site.py" else (text, "", "")
        patched.write_text(f"{before}\n{PATCH}\n{main}{after}", encoding="utf-8")
        appdir.lib.mkdir(parents=True)
        for library in (python / "lib").glob("*.so*"):
            shutil.move(library, appdir.lib)
        for file in python.rglob("*"):
            elf = None if file.is_symlink() or not file.is_file() else read_elf(file)
            if elf is not None:
                set_rpath(file, [from_origin(file, appdir.lib)])
        appdir.bin.mkdir()
        (appdir.bin / self.name).write_text(WRAPPER)
        (appdir.bin / self.name).chmod(0o755)
        appdir.apprun.symlink_to(f"usr/bin/{self.name}")
        architecture = native_architecture()
        write_image(
            appdir.root,
            load_runtime(runtime_path(architecture.name), architecture),
            path,
            Preset("gzip", 1, 1 << 17),
            order=(),
            application=(),
            update_information=None,
            timestamp=0,
        )
        return path


def make_portable(directory: Path) -> Portable:
    """Copy the running Python."""
    appdir = AppDir(directory / "AppDir", "python")
    host = find_host_python(Path(sys.executable))
    python = bundle_python(host, appdir)
    stdlib = python.stdlib
    # In an image the launcher is in its place.
    appdir.bin.mkdir(exist_ok=True)
    interpreter = python.executable.rename(appdir.bin / python.executable.name)
    for name in ("python", "python3"):
        interpreter.with_name(name).symlink_to(interpreter.name)
    for path in host.stdlib.glob("_sysconfigdata_*.py"):
        shutil.copy(path, stdlib)  # uv changes paths in it, and takes it only as CPython's build writes it
    return Portable(appdir.usr)


def standalone_entry(version: str, digest: str, *, arch: str = MACHINE, free_threaded: bool = False) -> dict[str, Any]:
    """Return what uv's list of Pythons says of one (its crates/uv-python/download-metadata.json)."""
    major, minor, patch = version.split(".")
    libc = "gnueabihf" if arch == "armv7" else "gnu"
    return {
        "name": "cpython",
        "arch": {"family": arch, "variant": None},
        "os": "linux",
        "libc": libc,
        "major": int(major),
        "minor": int(minor),
        "patch": int(patch),
        "prerelease": "",
        "url": f"{STANDALONE}/{BUILD}/{standalone_name(version, arch, free_threaded=free_threaded)}".replace(
            "+", "%2B"
        ),
        "sha256": digest,
        "variant": "freethreaded" if free_threaded else None,
        "build": BUILD,
    }


def standalone_name(version: str, arch: str = MACHINE, *, free_threaded: bool = False) -> str:
    """Return what python-build-standalone calls an archive."""
    libc = "gnueabihf" if arch == "armv7" else "gnu"
    kind = "-freethreaded" if free_threaded else ""
    return f"cpython-{version}+{BUILD}-{arch}-unknown-linux-{libc}{kind}-install_only_stripped.tar.gz"


def standalone_list(entries: list[dict[str, Any]]) -> str:
    """Return uv's list of Pythons."""
    keys = [
        f"cpython-{entry['major']}.{entry['minor']}.{entry['patch']}"
        f"{'+freethreaded' if entry['variant'] else ''}-linux-{entry['arch']['family']}-{entry['libc']}"
        for entry in entries
    ]
    return json.dumps(dict(zip(keys, entries, strict=True)))


def appimage_name(version: str = VERSION, tag: str = "manylinux2014", machine: str = MACHINE, free: str = "") -> str:
    """Return what python-appimage calls a file."""
    python = f"cp{''.join(version.split('.')[:2])}"
    return f"python{version}-{python}-{python}{free}-{tag}_{machine}.AppImage"


def release(minor: str, names: Mapping[str, bytes | None], url: str) -> dict[str, Any]:
    """Return what GitHub's API says of a release of python-appimage.

    Args:
        minor: its version of Python.
        names: its files; None for one whose digest GitHub does not know.
        url: of the server that has the files.

    """
    return {
        "url": f"{url}/repos/niess/python-appimage/releases/1",
        "tag_name": f"python{minor}",
        "name": f"Python {minor}",
        "draft": False,
        "prerelease": True,
        "assets": [
            {
                "name": name,
                "content_type": "application/octet-stream",
                "state": "uploaded",
                "size": len(data or b""),
                "digest": None if data is None else f"sha256:{sha256(data).hexdigest()}",
                "browser_download_url": f"{url}/niess/python-appimage/releases/download/python{minor}/{name}",
            }
            for name, data in names.items()
        ],
        "body": f"Appimage distributions of Python {minor} (see `Assets` below)",
    }
