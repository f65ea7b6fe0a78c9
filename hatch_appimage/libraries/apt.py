# SPDX-License-Identifier: MIT
"""Get packages by the machine's own apt, without root: they are verified and unpacked, and nothing is installed."""

from __future__ import annotations

import logging
import os
import shutil
import time
from dataclasses import dataclass
from email.parser import HeaderParser
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from hatch_appimage.cache import cache_directory, is_unchanged, locked, seal
from hatch_appimage.download import is_offline
from hatch_appimage.errors import AppImageError
from hatch_appimage.process import ProcessError, run
from hatch_appimage.system import AddedPackage
from hatch_appimage.unpack import unpack_package

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

log = logging.getLogger(__name__)

_SETTINGS: Final = Path("/etc/apt")
_STATUS: Final = Path("/var/lib/dpkg/status")
_PROGRAMS: Final = ("apt-cache", "apt-get")
_DAY: Final = 24 * 3600


@dataclass(frozen=True)
class Package:
    """A package that an archive has (deb-control(5)).

    Attributes:
        name: of the package.
        version: the one that apt would install.
        digest: the SHA-256 of its file in hexadecimal, by the archive's signed index.

    """

    name: str
    version: str
    digest: str


class Apt:
    """The machine's apt, with its sources and its keys, and with lists and files of its own in the user's cache."""

    def __init__(self, directory: Path) -> None:
        """Use a directory, which this user alone can change, for what apt gets."""
        self._directory = directory
        self._lists = directory / "lists"

    @classmethod
    def of_machine(cls) -> Apt | None:
        """Return that of this machine; None where it has none, or nothing may be downloaded."""
        if is_offline() or not _STATUS.is_file() or not all(map(shutil.which, _PROGRAMS)):
            return None
        return cls(cache_directory() / "packages")

    def find(self, names: Iterable[str]) -> Mapping[str, Package]:
        """Return those of some packages that the archives have, by name.

        Raises:
            AppImageError: the archives cannot be read, or are not signed by a key that the machine trusts.

        """
        with locked(self._directory):
            self._update()
            try:
                text = self._run("apt-cache", "show", "--no-all-versions", *names)
            except ProcessError as error:  # status 100: one of the names is of no package, which most are not
                text = error.output
        stanzas = (HeaderParser().parsestr(stanza) for stanza in text.split("\n\n"))
        return {
            stanza["Package"]: Package(stanza["Package"], stanza["Version"], stanza["SHA256"])
            for stanza in stanzas
            if all(stanza[field] for field in ("Package", "Version", "SHA256"))
        }

    def get(self, packages: Iterable[Package]) -> list[AddedPackage]:
        """Return packages, unpacked: downloaded, if they were not before.

        Raises:
            AppImageError: one cannot be had, is another file than its archive says, or has in it what is refused.

        """
        packages = list(packages)
        with locked(self._directory):
            roots = {package: self._directory / package.digest for package in packages}
            lacking = [package for package, root in roots.items() if not root.is_dir() or not is_unchanged(root)]
            if lacking:
                with TemporaryDirectory(dir=self._directory, prefix=".get-") as place:
                    wanted = [f"{package.name}={package.version}" for package in lacking]
                    self._run("apt-get", "download", *wanted, cwd=Path(place))
                    files = {sha256(file.read_bytes()).hexdigest(): file for file in Path(place).glob("*.deb")}
                    for package in lacking:
                        _unpack(files.get(package.digest), package, roots[package])
        return [AddedPackage(each.name, each.version, each.digest, root) for each, root in roots.items()]

    def _update(self) -> None:
        """Get the lists of what the archives have, if these are a day old or of other archives."""
        stamp = self._lists / "sources"
        sources = _digest_sources()
        if stamp.is_file() and time.time() - stamp.stat().st_mtime < _DAY and stamp.read_text() == sources:
            return
        (self._lists / "partial").mkdir(parents=True, exist_ok=True)
        (self._directory / "archives" / "partial").mkdir(parents=True, exist_ok=True)
        log.debug("Getting the lists of packages")
        self._run("apt-get", "update", "--quiet", "--error-on=any")
        stamp.write_text(sources)

    def _run(self, program: str, *arguments: str, cwd: Path | None = None) -> str:
        settings = {
            "Acquire::AllowInsecureRepositories": "false",
            "Acquire::Languages": "none",
            "APT::Get::AllowUnauthenticated": "false",
            # As root apt downloads as another user, who cannot write into this user's cache.
            "APT::Sandbox::User": "root",
            "Dir::Cache": self._directory,
            "Dir::Cache::archives": self._directory / "archives",
            "Dir::State": self._directory,
            "Dir::State::lists": self._lists,
            "Dir::State::status": _STATUS,
        }
        options = [part for name, value in settings.items() for part in ("-o", f"{name}={value}")]
        return run(
            [program, *options, *arguments],
            doing="get packages by apt",
            cwd=cwd,
            env={**os.environ, "LC_ALL": "C"},
        )


def explain(error: AppImageError) -> str:
    """Return in one line why apt cannot get something: the first error that it tells of, without its mark."""
    output = error.output if isinstance(error, ProcessError) else ""
    errors = [line[2:].strip() for line in output.splitlines() if line.startswith("E:")]
    return errors[0] if errors else str(error).splitlines()[0]


def _digest_sources() -> str:
    """Return what stands for apt's sources and settings."""
    digest = sha256()
    for path in sorted(path for path in _SETTINGS.rglob("*") if path.is_file()):
        digest.update(f"{path}\0{path.stat().st_mtime_ns}\0".encode())
    return digest.hexdigest()


def _unpack(file: Path | None, package: Package, root: Path) -> None:
    """Unpack what a package would put into the file system; its scripts are not looked at.

    Raises:
        AppImageError: the file is missing, is another one, or has in it what is refused.

    """
    if file is None:
        raise AppImageError(f"What apt has downloaded of {package.name} is another file than its archive says")
    shutil.rmtree(root, ignore_errors=True)
    new = file.with_suffix("")
    new.mkdir()
    unpack_package(file, new)
    new.rename(root)
    seal(root)
