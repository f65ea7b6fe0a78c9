# SPDX-License-Identifier: MIT
"""Names of wheels and sdists, which are not written the same everywhere.

Indexes keep a file's name as it was uploaded (``MarkupSafe-2.1.5.tar.gz``), tools that write locks normalise it
(``markupsafe-2.1.5.tar.gz``), and addresses have it URL-encoded (``torch-2.1%2Bcpu-...``).
"""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)


def last_part(place: str) -> str:
    """Return the name of a file from its address or path."""
    return unquote(urlsplit(place).path.rsplit("/", 1)[-1])


def standard_wheel_name(file_name: str) -> str:
    """Return a wheel's name with the project's name as the specification wants it; build number and tags stay.

    https://packaging.python.org/en/latest/specifications/binary-distribution-format/#escaping-and-unicode

    What old tools wrote need not be allowed today, such as ``Foo__bar-1.0-py3-none-any.whl``.
    """
    name, dash, rest = file_name.partition("-")
    return f"{canonicalize_name(name).replace('-', '_')}{dash}{rest}"


def is_standard_sdist_name(file_name: str, name: str, version: str) -> bool:
    """Tell whether a name is one that the specification allows for the sdist of a project's version.

    https://packaging.python.org/en/latest/specifications/source-distribution-format/#source-distribution-file-name

    Older sdists also are ``.tar.bz2`` files, or have versions such as ``1.0-1``.
    """
    try:
        found, number = parse_sdist_filename(file_name)
    except InvalidSdistFilename:
        return False
    return (found, str(number)) == (canonicalize_name(name), version)


def file_key(file_name: str) -> tuple[object, ...]:
    """Return what is equal for two names exactly if they mean the same file of the same release."""
    try:
        if file_name.endswith(".whl"):
            return parse_wheel_filename(standard_wheel_name(file_name))
        return parse_sdist_filename(file_name)
    except (InvalidSdistFilename, InvalidWheelFilename):
        return (file_name.lower(),)
