# SPDX-License-Identifier: MIT
"""Libraries that open others by their names: an image has all of these, of one build, or none."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# By sonames: globs of what is opened, relative to the library's directory. It has to be found from there: where a path
# is compiled in, as for plugins of SASL and of OpenSSL, a copy would not be opened.
_COMPANIONS = {
    # NSS: its modules for keys and ciphers, and root certificates. With FIPS, a `.chk` signs the library beside it.
    # Some distributions have them in a directory `nss` of their own, where Debian's and Ubuntu's NSS looks, too.
    "libnss3.so": tuple(
        f"{directory}{name}.{ending}"
        for directory in ("", "nss/")
        for name in ("libfreebl3", "libfreeblpriv3", "libnssckbi", "libnssdbm3", "libsoftokn3")
        for ending in ("so", "chk")
    ),
}


def find_companions(library: Path) -> Iterator[tuple[Path, Path]]:
    """Yield what a library of the machine opens by its name, each as its place relative to the library and the file."""
    for pattern in _COMPANIONS.get(library.name, ()):
        for file in sorted(library.parent.glob(pattern)):
            yield file.relative_to(library.parent), file
