# SPDX-License-Identifier: MIT
"""An archive of Debian packages in a directory, signed or not."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import tarfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from support.keys import gpg
from support.tools import require

if TYPE_CHECKING:
    from collections.abc import Mapping

TRIPLET = f"{os.uname().machine}-linux-gnu"


def dpkg_architecture() -> str:
    return subprocess.check_output([require("dpkg", "dpkg"), "--print-architecture"], text=True).strip()


@dataclass
class Archive:
    """An archive of packages.

    Attributes:
        root: its directory.
        key: the fingerprint of the key that it is signed with.
        suite: the part of it that is used; empty for an archive without any.
        architecture: of its packages, as dpkg calls it.

    """

    root: Path
    key: str
    suite: str = ""
    architecture: str = field(default_factory=dpkg_architecture)

    @property
    def index(self) -> Path:
        """The list of packages."""
        directory = self.root / self.suite / f"main/binary-{self.architecture}" if self.suite else self.root
        directory.mkdir(parents=True, exist_ok=True)
        return directory / "Packages"

    def add(
        self,
        name: str,
        files: Mapping[str, bytes | Path],
        version: str = "1.0",
        script: str = "",
        needs: str = "libc6",
        *,
        provides: str = "",
    ) -> Path:
        """Put a package into the archive; a file with a path as content is a link to it."""
        tar = io.BytesIO()
        with tarfile.open(fileobj=tar, mode="w:xz") as archive:
            for path, content in files.items():
                member = tarfile.TarInfo(path)
                if isinstance(content, Path):
                    member.type, member.linkname = tarfile.SYMTYPE, str(content)
                    archive.addfile(member)
                else:
                    member.size = len(content)
                    member.mode = 0o755 if content.startswith((b"#!", b"\x7fELF")) else 0o644
                    archive.addfile(member, io.BytesIO(content))
        return self.add_raw(name, tar.getvalue(), version, script, needs, provides=provides)

    def add_raw(
        self,
        name: str,
        data: bytes,
        version: str = "1.0",
        script: str = "",
        needs: str = "libc6",
        *,
        provides: str = "",
    ) -> Path:
        """Put a package with any data into the archive."""
        fields = f"Package: {name}\nVersion: {version}\nArchitecture: {self.architecture}\nMaintainer: x\n"
        fields += f"Depends: libc6 (>= 2.3) | libc, {needs}\n"
        fields += f"Provides: {provides}\n" if provides else ""
        control = io.BytesIO()
        with tarfile.open(fileobj=control, mode="w:xz") as archive:
            for file, text in {"control": f"{fields}Description: x\n", "preinst": script, "postinst": script}.items():
                member = tarfile.TarInfo(file)
                member.size, member.mode = len(text), 0o755
                archive.addfile(member, io.BytesIO(text.encode()))
        path = self.root / f"{name}_{version.rpartition(':')[2]}_{self.architecture}.deb"
        parts = {"debian-binary": b"2.0\n", "control.tar.xz": control.getvalue(), "data.tar.xz": data}
        content = b"!<arch>\n"
        for member_name, part in parts.items():
            content += f"{member_name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(part):<10}`\n".encode()
            content += part + b"\n" * (len(part) % 2)
        path.write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        with self.index.open("a") as index:
            index.write(f"{fields}Filename: ./{path.name}\nSize: {len(content)}\nSHA256: {digest}\n\n")
        return path

    def sign(self) -> None:
        """Sign the index."""
        index, release = self.index.read_bytes(), self.root / self.suite / "Release"
        name = self.index.relative_to(release.parent)
        lines = [f"Codename: {Path(self.suite).name}"] if self.suite else []
        lines += ["Date: Sun, 29 Nov 2026 00:00:00 UTC", f"Architectures: {self.architecture}", "Components: main"]
        lines += ["SHA256:", f" {hashlib.sha256(index).hexdigest()} {len(index)} {name}"]
        release.write_text("\n".join(lines) + "\n")
        signed = release.with_name("InRelease")
        signed.unlink(missing_ok=True)
        gpg("--local-user", self.key, "--clearsign", "--output", signed, release)


def make_library(tmp_path: Path, name: str) -> bytes:
    """Return the content of a library that needs nothing."""
    source = tmp_path / "empty.c"
    source.touch()
    options = ["-shared", "-nostdlib", f"-Wl,-soname,{name}", "-o", str(tmp_path / name)]
    subprocess.run([require("cc", "gcc"), *options, source], check=True)
    return (tmp_path / name).read_bytes()
