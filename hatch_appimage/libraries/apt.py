# SPDX-License-Identifier: MIT
"""Get packages by the machine's own apt, without root: they are verified and unpacked, and nothing is installed."""

from __future__ import annotations

import logging
import os
import re
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass, field
from email.parser import HeaderParser
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hatch_appimage.cache import locked
from hatch_appimage.download import OFFLINE, is_offline
from hatch_appimage.errors import AppImageError
from hatch_appimage.libraries.package_cache import (
    Package,
    find_unpacked,
    package_directory,
    temporary_directory,
    unpack,
)
from hatch_appimage.process import ProcessError, run
from hatch_appimage.roots.apt import APT, DPKG_NAMES, find_archive, find_security_archive, read_sources
from hatch_appimage.terminal import find_terminal, status_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from email.message import Message

    from hatch_appimage.architecture import Architecture
    from hatch_appimage.roots.releases import Release
    from hatch_appimage.system import AddedPackage

log = logging.getLogger(__name__)

_STATUS: Final = Path("/var/lib/dpkg/status")
# In the directory of lists: which archives they are of, and by its time how old they are.
_STAMP: Final = "stamp"
_PROGRAMS: Final = ("apt-cache", "apt-get")
# What of an archive every machine of the distribution uses.
_COMPONENTS: Final = {"debian": "main", "ubuntu": "main universe"}
_DAY: Final = 24 * 3600
# Directories of lists that this process has got, as far as it could: another one tries again what failed.
_tried: Final[set[Path]] = set()
_NOT_FOUND: Final = 100  # exit status of apt-cache(8) for a name that no package has
# Nothing of the machine is to change: what its packages have apt run after each update is not run.
_CONFIGURATION: Final = "#clear APT::Update::Post-Invoke;\n#clear APT::Update::Post-Invoke-Success;\n"
# Of each package in an index (https://wiki.debian.org/DebianRepository/Format).
_FIELDS: Final = ("Package", "Version", "SHA256", "Filename", "Size")
# What apt-get(8) would do with a package.
_INSTALLED: Final = re.compile(r"^Inst (\S+)", re.MULTILINE)
_DEPENDENCY: Final = re.compile(r"(?:^|[,|])\s*([a-z0-9][a-z0-9+.-]+)")
# What apt-cache(8) shows of a name: its versions, none for one that other packages only provide, and which these are.
_SHOWN: Final = re.compile(
    r"^Package: (?P<name>\S+)\nVersions: ?\n(?P<versions>.*?)\n\n?Reverse Depends:.*?^Reverse Provides: ?\n"
    r"(?P<providers>.*?)(?=^Package: |\Z)",
    re.MULTILINE | re.DOTALL,
)


class _OtherFileError(AppImageError):
    """A package is not there, or not as its archive says."""


@dataclass(frozen=True)
class Apt:
    """The machine's apt, with lists and files of its own in the user's cache.

    Attributes:
        name: of the directory for the lists of what archives have, beside the packages.
        sources: the archives (sources.list(5)), one a line: the first is needed, the others may be missing; none for
            those of the machine.
        settings: of apt (apt.conf(5)), beside the machine's.

    """

    name: str
    sources: tuple[str, ...] = ()
    settings: Mapping[str, str | Path] = field(default_factory=dict)

    @classmethod
    def of_machine(cls) -> Apt | None:
        """Return the one with the machine's archives and keys; None where it has no apt, or offline no lists."""
        if not _STATUS.is_file() or not _is_installed():
            return None
        apt = cls("this-machine", settings={"Dir::State::status": _STATUS})
        return None if is_offline() and not apt.has_lists else apt

    @classmethod
    def of_release(cls, release: Release, architecture: Architecture) -> Apt:
        """Return the one with a release of a distribution of which the machine uses an archive.

        Raises:
            AppImageError: there is no apt, no such archive or no key for it, or no lists may be downloaded.

        """
        name = DPKG_NAMES[architecture.name]
        state = f"{release.distribution}-{release.code_name}-{name}"
        if not _is_installed():
            raise AppImageError(
                f"Libraries of {release} are to be fetched, and this machine has no apt: name a copy of a system"
            )
        if is_offline() and not cls(state).has_lists:
            raise AppImageError(
                f"Libraries of {release} are to be fetched, and {OFFLINE} allows no download: build once without it, "
                "or name a copy of a system"
            )
        known = read_sources()
        archive = find_archive(release, None, known)
        if archive is None:
            raise AppImageError(
                f"No archive of {release.distribution} is among the sources of this machine's apt: add one, or name a "
                "copy of a system"
            )
        signed = f"deb [signed-by={archive.keyring}]"
        suites = {"": archive.uri, "-updates": archive.uri}
        # Ubuntu's archive has the security updates itself; those of Debian are in an archive of their own.
        if security := find_security_archive(release, known) or (
            archive.uri if release.distribution == "ubuntu" else None
        ):
            suites["-security"] = security
        lines = (
            f"{signed} {uri} {release.code_name}{suffix} {_COMPONENTS[release.distribution]}\n"
            for suffix, uri in suites.items()
        )
        return cls(
            state,
            tuple(lines),
            {"APT::Architecture": name, "APT::Architectures": name, "Dir::Etc::sourceparts": "-"},
        )

    @property
    def has_lists(self) -> bool:
        """Whether it knows what archives have: what was downloaded before can be had offline, too."""
        return (self._state / _STAMP).is_file()

    @property
    def _state(self) -> Path:
        return package_directory() / self.name

    def find(self, names: Iterable[str]) -> Mapping[str, Package]:
        """Return those of some packages that the archives have, by name; what cannot be read is warned of.

        Archives that are not signed by a key which the machine trusts have nothing.

        Raises:
            AppImageError: the archive of a release cannot be read, or is not signed by such a key.

        """
        with locked(self._state):
            self._update()
            try:
                text = self._run("apt-cache", "show", "--no-all-versions", *names)
            except ProcessError as error:
                if error.status != _NOT_FOUND:
                    raise
                text = error.stdout  # most of the names are of no package
        stanzas = (HeaderParser().parsestr(stanza) for stanza in text.split("\n\n"))
        return {stanza["Package"]: _package_of(stanza) for stanza in stanzas if all(map(stanza.get, _FIELDS))}

    def names(self, prefix: str) -> list[str]:
        """Return the names of all packages that begin with a text.

        Raises:
            AppImageError: the archive of a release cannot be read, or is not signed by a key that the machine trusts.

        """
        with locked(self._state):
            self._update()
            return sorted(self._run("apt-cache", "pkgnames", prefix).split())

    def providers(self, names: Sequence[str]) -> Mapping[str, str]:
        """Return, of some names that packages have or provide (deb-control(5)), the packages: each by that name.

        Raises:
            AppImageError: the archive of a release cannot be read, or is not signed by a key that the machine trusts.

        """
        with locked(self._state):
            self._update()
            text = self._run("apt-cache", "showpkg", *names)
        found = {}
        for match in _SHOWN.finditer(text):
            providers = sorted(line.split()[0] for line in match["providers"].splitlines() if line.strip())
            if match["versions"].strip() or providers:
                found[match["name"]] = match["name"] if match["versions"].strip() else providers[-1]
        return found

    def resolve(self, names: Sequence[str]) -> list[str]:
        """Return the names of packages that would be installed for some, with what these need; nothing is installed.

        Raises:
            AppImageError: there is no such package, or something that it needs cannot be had.

        """
        with locked(self._state):
            self._update()
            said = self._run("apt-get", "install", "--simulate", "--quiet=2", "--no-install-recommends", "--", *names)
        return _INSTALLED.findall(said)

    def get(self, packages: Iterable[Package]) -> list[AddedPackage]:
        """Return packages, unpacked: downloaded, if they were not before.

        Raises:
            AppImageError: one cannot be had, is another file than its archive says, or has in it what is refused.

        """
        packages = list(packages)
        try:
            return self._get(packages)
        except (ProcessError, _OtherFileError):
            # Archives have no old versions, and the lists may be older than they are.
            (self._state / _STAMP).unlink(missing_ok=True)
            newer = self.find(package.name for package in packages)
            return self._get([newer.get(package.name, package) for package in packages])

    def get_exactly(self, packages: Sequence[Package]) -> list[AddedPackage]:
        """Return those of some packages, unpacked, that the archives have in these very versions.

        Raises:
            ProcessError: no archive can be read.
            AppImageError: a package has in it what is refused.

        """
        try:
            return self._get(packages)
        except (ProcessError, _OtherFileError):
            (self._state / _STAMP).unlink(missing_ok=True)
        with locked(self._state):
            self._update()
        found = []
        for package in packages:  # apt gets nothing if it lacks one of them
            with suppress(ProcessError, _OtherFileError):
                found += self._get([package])
        return found

    def _get(self, packages: Sequence[Package]) -> list[AddedPackage]:
        with locked(self._state):
            found = {package: find_unpacked(package) for package in packages}
            if lacking := [package for package in packages if found[package] is None]:
                self._update()
                found |= self._download(lacking)
        return [added for added in found.values() if added]

    def _download(self, packages: Sequence[Package]) -> dict[Package, AddedPackage]:
        if is_offline():
            names = ", ".join(package.name for package in packages)
            raise AppImageError(f"{names} not in the cache, and {OFFLINE} allows no download: build once without it")
        with temporary_directory() as place, status_line(find_terminal()) as show:
            show(f"Downloading packages with libraries: {len(packages)}")
            self._run("apt-get", "download", *(f"{each.name}={each.version}" for each in packages), cwd=place)
            files = {sha256(file.read_bytes()).hexdigest(): file for file in place.glob("*.deb")}
            for package in packages:
                if package.digest not in files:
                    raise _OtherFileError(f"What apt has got of {package.name} is another file than its archive says")
            return {package: unpack(package, files[package.digest], place) for package in packages}

    def _update(self) -> None:
        """Get the lists of what the archives have, if these are a day old or of other archives; offline any will do."""
        if is_offline() and self.has_lists:
            return
        stamp = self._state / _STAMP
        sources = "".join(self.sources) or _digest_sources()
        is_known = stamp.is_file() and stamp.read_text() == sources
        if is_known and (self._state in _tried or time.time() - stamp.stat().st_mtime < _DAY):
            return
        for part in ("archives", "lists"):
            (self._state / part / "partial").mkdir(parents=True, exist_ok=True)
        (self._state / "status").touch()
        (self._state / "apt.conf").write_text(_CONFIGURATION)
        with status_line(find_terminal()) as show:
            show("Downloading the lists of what archives have")
            is_whole = self._update_from(self.sources)
        stamp.write_text(sources)
        _tried.add(self._state)
        if not is_whole:
            os.utime(stamp, (0, 0))

    def _update_from(self, sources: tuple[str, ...]) -> bool:
        """Get the lists, and say whether those of all archives were there."""
        (self._state / "sources.list").write_text("".join(sources))
        try:
            self._run("apt-get", "update", "--quiet")
        except ProcessError as error:
            if len(sources) == 1:
                raise
            # Of several archives the others do, as far as they are signed by a key that the machine trusts.
            log.warning("Not all archives of packages can be read: %s", explain(error))
            if sources:
                self._update_from(sources[:1])
            return False
        return True

    def _run(self, program: str, *arguments: str, cwd: Path | None = None) -> str:
        settings = {
            "Acquire::AllowInsecureRepositories": "false",
            "Acquire::Languages": "none",
            "APT::Get::AllowUnauthenticated": "false",
            # As root apt downloads as another user, who cannot write into this user's cache.
            "APT::Sandbox::User": "root",
            "APT::Update::Error-Mode": "any",
            "Dir::Cache": self._state,
            "Dir::Cache::archives": self._state / "archives",
            # Images for containers have apt make these anew each time, which takes a second.
            "Dir::Cache::pkgcache": self._state / "pkgcache.bin",
            "Dir::Cache::srcpkgcache": self._state / "srcpkgcache.bin",
            "Dir::State": self._state,
            "Dir::State::lists": self._state / "lists",
            "Dir::State::status": self._state / "status",
            **({"Dir::Etc::sourcelist": self._state / "sources.list"} if self.sources else {}),
            **self.settings,
        }
        options = [part for name, value in settings.items() for part in ("-o", f"{name}={value}")]
        options += ["-c", str(self._state / "apt.conf")]
        return run(
            [program, *options, *arguments], doing="get packages by apt", cwd=cwd, env={**os.environ, "LC_ALL": "C"}
        )


def how_to_allow(*, allowed: bool) -> str:
    """Return what to do so that this machine's apt gets what it lacks; "" where nothing keeps it from that but itself.

    Args:
        allowed: the project allows it.

    """
    if not _STATUS.is_file() or not _is_installed():
        return ""
    if not allowed:
        return "remove `fetch-libraries = false`"
    return f"build once without {OFFLINE}" if Apt.of_machine() is None else ""


def explain(error: AppImageError) -> str:
    """Return in one line why apt cannot get something: the first error that it tells of, without its mark."""
    output = error.output if isinstance(error, ProcessError) else ""
    errors = [line[2:].strip() for line in output.splitlines() if line.startswith("E:")]
    return errors[0] if errors else str(error).splitlines()[0]


def _package_of(stanza: Message) -> Package:
    name, version, digest, file, size = (stanza[field].strip() for field in _FIELDS)
    return Package(name, version, digest, file, int(size), _needs_of(stanza))


def _needs_of(stanza: Message) -> tuple[str, ...]:
    """Return the names in the fields for dependencies (deb-control(5))."""
    fields = (stanza[name] or "" for name in ("Pre-Depends", "Depends"))
    return tuple(name for field in fields for name in _DEPENDENCY.findall(field))


def _is_installed() -> bool:
    return all(map(shutil.which, _PROGRAMS))


def _digest_sources() -> str:
    """Return what stands for the machine's sources and settings of apt."""
    digest = sha256()
    for path in sorted(path for path in APT.rglob("*") if path.is_file()):
        digest.update(f"{path}\0{path.stat().st_mtime_ns}\0".encode())
    return digest.hexdigest()
