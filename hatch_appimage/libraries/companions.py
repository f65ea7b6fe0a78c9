# SPDX-License-Identifier: MIT
"""Libraries that open others by their names, or read data: an image has all of these, of one build, or none."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hatch_appimage.system import System


@dataclass(frozen=True)
class Companions:
    """What comes with a library of the machine.

    Attributes:
        paths: of the files, relative to the library's directory.
        place: the directory, relative to that of the bundled libraries, that all of them go to; empty where the library
            finds them relative to itself, by these paths.
        variable: tells the library where they are, which has a path compiled in.
        value: of the variable, relative to the directory of the bundled libraries.
        packages: Debian's and Ubuntu's names for packages with these files, where they are not in the library's own.

    """

    paths: tuple[str, ...]
    place: str = ""
    variable: str = ""
    value: str = ""
    packages: tuple[str, ...] = ()


_SASL_MECHANISMS = [
    "anonymous",
    "crammd5",
    "digestmd5",
    "gs2",
    "gssapiv2",
    "login",
    "ntlm",
    "oauth2",
    "otp",
    "plain",
    "scram",
]

# By sonames.
_COMPANIONS = {
    # NSS: its modules for keys and ciphers, and root certificates. With FIPS, a `.chk` signs the library beside it.
    # Some distributions have them in a directory `nss` of their own, where Debian's and Ubuntu's NSS looks, too.
    "libnss3.so": Companions(
        tuple(
            f"{directory}{name}.{ending}"
            for directory in ("", "nss/")
            for name in ("libfreebl3", "libfreeblpriv3", "libnssckbi", "libnssdbm3", "libsoftokn3")
            for ending in ("so", "chk")
        )
    ),
    # SASL: the mechanisms of clients. What servers have, such as databases of passwords, stays.
    "libsasl2.so.2": Companions(
        tuple(f"sasl2/lib{name}.so" for name in _SASL_MECHANISMS), "sasl2", "SASL_PATH", "sasl2", ("libsasl2-modules",)
    ),
    # libmagic: the compiled database, without which it knows no type.
    "libmagic.so.1": Companions(
        tuple(f"{place}/magic.mgc" for place in ("../file", "../share/misc", "../../share/misc", "../share/file")),
        "file",
        "MAGIC",
        "file/magic.mgc",
        ("libmagic-mgc",),
    ),
    # OpenSSL: old ciphers and digests, such as MD4. The providers for FIPS and processors are the administrator's.
    "libcrypto.so.3": Companions(
        ("ossl-modules/legacy.so",), "ossl-modules", "OPENSSL_MODULES", "ossl-modules", ("openssl-provider-legacy",)
    ),
}

# Those of which only a part can come, and what stays behind: it is found by paths of the machine in files of its own.
_PARTIAL = {
    "libMagick*-*.so.*": "ImageMagick's coders and configuration",
    "libgdk_pixbuf-2.0.so.0": "its loaders for images of other formats than those built into it",
    "libgstreamer-1.0.so.0": "its plugins",
}


def find_companions(library: Path, soname: str, system: System) -> Iterator[tuple[str, Path]]:
    """Yield what a library of the machine opens, each as its place below the bundled libraries and the file.

    Args:
        library: the file.
        soname: its name.
        system: the machine; the library and what it opens may be of different packages.

    """
    companions = _COMPANIONS.get(soname)
    directory = PurePosixPath(system.name_of(library)).parent
    for path in companions.paths if companions else ():
        file = system.locate(posixpath.normpath(directory / path))
        if companions and file.is_file():
            yield (f"{companions.place}/{file.name}" if companions.place else path), file


def packages_with(soname: str) -> tuple[str, ...]:
    """Return the names of the packages that have what a library opens, where its own does not."""
    companions = _COMPANIONS.get(soname)
    return companions.packages if companions else ()


def companion_variables(directory: Path) -> dict[str, str]:
    """Return the variables that bundled libraries in a directory need, with values that are relative to it."""
    return {
        companions.variable: companions.value
        for soname, companions in _COMPANIONS.items()
        if companions.variable and (directory / soname).exists() and (directory / companions.value).exists()
    }


def without_companions(soname: str) -> str | None:
    """Return what a bundled library lacks for good; None if it lacks nothing that we know of."""
    return next((what for pattern, what in _PARTIAL.items() if fnmatchcase(soname, pattern)), None)
