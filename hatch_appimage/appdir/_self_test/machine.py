# SPDX-License-Identifier: MIT
"""What an application takes from the machine that it runs on."""

from __future__ import annotations

import importlib
import os
import re
import sys
from importlib.machinery import PathFinder

from .check import SkippedError
from .files import C_LIBRARY, is_below, mapped_files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .image import Image

# A time zone, and its hours ahead of UTC in July.
ZONE, SUMMER_HOURS = "Europe/Berlin", 2


def check_c_library(image: Image) -> str:
    """Say which C library this process runs on."""
    mapped = mapped_files()
    if not mapped:
        raise SkippedError("there is no /proc to see it in")
    found = sorted(path for path in mapped if C_LIBRARY.fullmatch(os.path.basename(path)))
    if not found:
        raise SkippedError("this Python is linked with its own")
    if len(found) > 1:
        raise RuntimeError(f"there are several in one process: {', '.join(found)}")
    return f"{c_library_name(found[0])} of {'the image' if is_below(found[0], image.root) else 'this machine'}"


def c_library_name(path: str) -> str:
    """Return name and version of the C library, as far as it tells."""
    try:
        return os.confstr("CS_GNU_LIBC_VERSION") or "glibc"
    except (OSError, ValueError):
        return "musl" if "musl" in path else "a C library"


def check_encoding() -> str:
    """See that Python takes text of the machine for UTF-8."""
    import locale

    encoding = locale.getpreferredencoding(False)  # noqa: FBT003 - positional in all versions
    if "utf" not in encoding.lower():
        variables = map(os.environ.get, ("LC_ALL", "LC_CTYPE", "LANG"))
        name = next(filter(None, variables), "C")
        if name not in {"C", "POSIX"} and not re.search(r"utf-?8", name, re.IGNORECASE):
            raise SkippedError(f"the locale {name} has {encoding}")
        raise RuntimeError(f"it is {encoding} in the locale {name}")
    for text in ("Größe", "日本"):
        if os.fsencode(text) != text.encode():
            raise RuntimeError(f"names of files are in {sys.getfilesystemencoding()}")
    return encoding.upper()


def check_certificates() -> str:
    """See that connections by TLS have certificates to trust, and say from where."""
    require_module("ssl")
    import ssl

    loaded = ssl.create_default_context().cert_store_stats()["x509_ca"]
    paths = ssl.get_default_verify_paths()
    if loaded:
        return f"{loaded} from {paths.cafile or paths.capath}"
    # OpenSSL reads those of a directory when it needs them.
    if paths.capath and importlib.import_module("_appimage").has_certificates(paths.capath):
        return f"from {paths.capath}"
    if paths.cafile:
        raise RuntimeError(f"there are none in {paths.cafile}")
    raise SkippedError("neither this machine nor the image has any (the package certifi would bring them)")


def check_time_zones() -> str:
    """See that time zones are known by name, and say from where."""
    require_module("zoneinfo")
    from datetime import datetime, timedelta, timezone

    import zoneinfo

    try:
        zone = zoneinfo.ZoneInfo(ZONE)
    except zoneinfo.ZoneInfoNotFoundError:
        raise SkippedError("neither this machine nor the image has any (the package tzdata would bring them)") from None
    hours = (datetime(2024, 7, 1, tzinfo=zone) - datetime(2024, 7, 1, tzinfo=timezone.utc)) / timedelta(hours=-1)
    if hours != SUMMER_HOURS:
        raise RuntimeError(f"{ZONE} is {hours} hours ahead of UTC in July 2024, not {SUMMER_HOURS}")
    place = next((path for path in zoneinfo.TZPATH if os.path.isfile(os.path.join(path, ZONE))), "the package tzdata")
    return f"{ZONE} from {place}"


def require_module(name: str) -> None:
    """See that there is a module of the standard library.

    Raises:
        SkippedError: this Python was made without it, or the image was.

    """
    if PathFinder.find_spec(name) is None or (name == "ssl" and PathFinder.find_spec("_ssl") is None):
        raise SkippedError(f"the image has no module {name}")
