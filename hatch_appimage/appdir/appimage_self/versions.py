# SPDX-License-Identifier: MIT
"""Compare versions (PEP 440), as they are and as they stand in names of files."""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Tuple

    Order = Tuple[object, ...]

# In names of files, `!` and `+` are `_`.
_VERSION = re.compile(
    r"v?(?:(?P<epoch>[0-9]+)[!_])?(?P<release>[0-9]+(?:\.[0-9]+)*)"
    r"(?:[-_.]?(?P<pre>a|b|c|rc|alpha|beta|pre|preview)[-_.]?(?P<pre_number>[0-9]*))?"
    r"(?:-(?P<implicit_post>[0-9]+)|[-_.]?(?P<post>post|rev|r)[-_.]?(?P<post_number>[0-9]*))?"
    r"(?:[-_.]?(?P<dev>dev)[-_.]?(?P<dev_number>[0-9]*))?"
    r"(?:[+_](?P<local>[a-z0-9]+(?:[-_.][a-z0-9]+)*))?"
)
_NAMES = {"alpha": "a", "beta": "b", "c": "rc", "pre": "rc", "preview": "rc"}
_MAX_LENGTH = 128


def order(version: str) -> Order | None:
    """Return what sorts as a version does among all others; None for what is no version."""
    match = _VERSION.fullmatch(version.strip().lower()) if len(version) <= _MAX_LENGTH else None
    if match is None:
        return None
    release = tuple(map(int, match["release"].split(".")))
    while release and not release[-1]:
        release = release[:-1]
    pre = match["pre"] and (_NAMES.get(match["pre"], match["pre"]), int(match["pre_number"] or 0))
    has_post = match["post"] or match["implicit_post"]
    post = int(match["post_number"] or match["implicit_post"] or 0) if has_post else -1
    # A development release comes before all that it leads to; what is no pre-release comes after all of these.
    before = ("", 0) if match["dev"] and not pre and not has_post else pre or ("z", 0)
    dev = (0, int(match["dev_number"] or 0)) if match["dev"] else (1, 0)
    local = tuple((1, int(part), "") if part.isdigit() else (0, 0, part) for part in _local(match["local"]))
    return int(match["epoch"] or 0), release, before, post, dev, local


def _local(text: str | None) -> list[str]:
    return re.split(r"[-_.]", text) if text else []


def in_file_name(name: str, application: str, architecture: str) -> str | None:
    """Return the version in the name of an image's file, ``<application>-<version>-<architecture>.AppImage``."""
    match = re.fullmatch(rf"{re.escape(application)}-([0-9].*)-{re.escape(architecture)}\.AppImage", name)
    return match[1] if match else None
