# SPDX-License-Identifier: MIT
"""Make the root file system of a release of Debian or Ubuntu, with the machine's debootstrap and without root.

debootstrap resolves, downloads and verifies the packages of a minimal system, which it needs no rights for; installing
them is what it has to be root for, as Debian's packages belong to several users. So the packages are unpacked here, and
none of their scripts is run: what these would do that programs notice is done in `_set_up`.
"""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from hatch_appimage.cache import cache_directory, locked
from hatch_appimage.download import OFFLINE, is_offline
from hatch_appimage.errors import AppImageError
from hatch_appimage.process import ProcessError, run
from hatch_appimage.redact import redact
from hatch_appimage.roots.apt import DPKG_NAMES, KEYRING_PACKAGES, find_archive, read_sources
from hatch_appimage.roots.sandbox import run_inside
from hatch_appimage.roots.tree import move_into
from hatch_appimage.terminal import find_terminal, status_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hatch_appimage.architecture import Architecture
    from hatch_appimage.roots.releases import Release

# Where debootstrap has its script for each release.
_SCRIPTS: Final = Path("/usr/share/debootstrap/scripts")
# Administrators' programs are not on everybody's PATH.
_SYSTEM_PATH: Final = "/usr/local/sbin:/usr/sbin:/sbin"
# The script of debootstrap for releases that it does not know yet.
_NEWEST_SCRIPT: Final = {"debian": "sid", "ubuntu": "gutsy"}
# Files that the scripts of base-passwd, base-files and libc-bin copy, from where packages have them.
_COPIED: Final = {
    "usr/share/base-passwd/passwd.master": "etc/passwd",
    "usr/share/base-passwd/group.master": "etc/group",
    "usr/share/base-files/nsswitch.conf": "etc/nsswitch.conf",
    "usr/share/libc-bin/nsswitch.conf": "etc/nsswitch.conf",
}
# Commands that update-alternatives(1) makes, and the programs that Debian's minimal system has for them.
_ALTERNATIVES: Final = {"usr/bin/awk": "mawk", "usr/bin/which": "which.debianutils"}


def release_root(release: Release, architecture: Architecture, mirror: str | None) -> Path:
    """Return the root of a release, from the cache if it has been made before.

    Args:
        release: which one.
        architecture: of its programs.
        mirror: where its archive is; None for where the machine's apt finds it.

    Raises:
        AppImageError: it cannot be made: a program, a key or an archive is missing, or there is no network.

    """
    root = cache_directory() / "roots" / f"{release.distribution}-{release.code_name}-{architecture.name}"
    with locked(root):
        if not root.is_dir():
            for left in root.parent.glob(f".{root.name}-*"):  # of one that was killed
                shutil.rmtree(left)
            _make(release, architecture, mirror, root)
    return root


def _make(release: Release, architecture: Architecture, mirror: str | None, root: Path) -> None:
    if is_offline():
        raise AppImageError(f"{release} is not in the cache, and {OFFLINE} allows no download: try it once without it")
    debootstrap, unpack = _find("debootstrap", "debootstrap"), _find("dpkg-deb", "dpkg")
    archive = find_archive(release, mirror, read_sources())
    if archive is None:
        raise AppImageError(
            f"No archive of {release.distribution} is among the sources of this machine's apt: name one with --mirror"
        )
    keyring = archive.keyring
    with (
        status_line(find_terminal()) as show,
        TemporaryDirectory(prefix=f".{root.name}-", dir=root.parent) as directory,
    ):
        show(f"Downloading {release} from {redact(archive.uri)}")
        options = ("--variant=minbase", "--download-only", "--force-check-gpg", f"--keyring={keyring}")
        command = [debootstrap, *options, f"--arch={DPKG_NAMES[architecture.name]}", release.code_name]
        packages = Path(directory, "packages")
        with _explained(release, keyring):
            run([*command, packages, archive.uri, *_script(release)], doing=f"download {release}")
        show(f"Unpacking {release}")
        made = Path(directory, "root")
        unpack_packages(packages, made, unpack, merged_usr=release.has_merged_usr)
        made.rename(root)


def _find(program: str, package: str) -> str:
    found = shutil.which(program, path=f"{os.environ.get('PATH', os.defpath)}:{_SYSTEM_PATH}")
    if found is None:
        raise AppImageError(
            f"`{program}` is missing, which roots of Debian and Ubuntu are made with: install the package `{package}`, "
            "or give a directory or an archive of a root"
        )
    return found


def _script(release: Release) -> tuple[str, ...]:
    """Return debootstrap's script for a release that it has none of its own for."""
    if (_SCRIPTS / release.code_name).exists():
        return ()
    return (str(_SCRIPTS / _NEWEST_SCRIPT[release.distribution]),)


@contextmanager
def _explained(release: Release, keyring: Path) -> Iterator[None]:
    """Say in one line what debootstrap complains of."""
    try:
        yield
    except ProcessError as error:
        complaints = [line[3:] for line in error.output.splitlines() if line.startswith("E: ")]
        reason = complaints[-1] if complaints else f"it ended with status {error.status}"
        advice = (
            f": update the package `{KEYRING_PACKAGES[release.distribution]}`, if {keyring} lacks this key"
            if "key" in reason
            else ""
        )
        raise AppImageError(f"{release} cannot be fetched: debootstrap says: {reason}{advice}") from error


def unpack_packages(downloaded: Path, root: Path, program: str, *, merged_usr: bool) -> None:
    """Make a root of what debootstrap has downloaded; of the packages' own scripts none is run.

    Args:
        downloaded: debootstrap's directory.
        root: what is made.
        program: dpkg-deb.
        merged_usr: programs and libraries are in ``/usr`` alone, as in Debian since 10.

    Raises:
        AppImageError: a package cannot be unpacked, or the root's ldconfig fails.

    """
    root.mkdir(0o755)
    for package in sorted(downloaded.glob("var/cache/apt/archives/*.deb")):
        run([program, "--extract", package, root], doing=f"unpack {package.name}")
    if merged_usr:
        _merge_usr(root)
    _set_up(root)


def _merge_usr(root: Path) -> None:
    """Have programs and libraries in ``/usr`` alone, and links to them where packages had some of them."""
    for directory in [*root.glob("bin"), *root.glob("lib*"), *root.glob("sbin")]:
        if not directory.is_symlink():
            move_into(directory, root / "usr" / directory.name)
            directory.symlink_to(f"usr/{directory.name}")


def _set_up(root: Path) -> None:
    """Do what packages do when they are configured, as far as programs notice."""
    for source, target in _COPIED.items():
        if (root / source).is_file():
            shutil.copyfile(root / source, root / target)
    for name, target in _ALTERNATIVES.items():
        if (root / name).with_name(target).is_file():
            (root / name).symlink_to(target)
    ending = run_inside(root, ["/sbin/ldconfig"], writable=True)
    if ending.status:
        raise AppImageError(f"ldconfig ended with status {ending.status} in {root}")
