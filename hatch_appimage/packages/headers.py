# SPDX-License-Identifier: MIT
"""What a package that is compiled wants of the build machine, told in one line where it is known."""

from __future__ import annotations

import re

# What Meson says of a library without its pkg-config file.
_MESON = re.compile(r"ERROR: Dependency (?:lookup for )?[\"']?([\w.+-]+)[\"']?,? [^\n]*?(?:not found|failed)")
# What uv says of the package that it was building.
_PACKAGE = re.compile(r"Failed to build `([\w.-]+)==([^`\s]+)`")

_OLDER = (
    "install Debian's libgirepository-2.0-dev; where there is none, as on Debian 12 and Ubuntu 22.04, install "
    'libgirepository1.0-dev and require an older PyGObject: requirements = ["PyGObject<3.51"]'
)
_KNOWN = {
    "cairo": "install Debian's libcairo2-dev",
    "girepository-2.0": _OLDER,
    "gobject-introspection-1.0": "install Debian's libgirepository1.0-dev, or require PyGObject 3.51 or newer, which "
    "wants libgirepository-2.0-dev instead",
}


def missing_headers(output: str) -> str | None:
    """Return one line on the library whose headers a package lacks that is compiled; None where that is not the fault.

    Args:
        output: of the build.

    """
    found = _MESON.search(output)
    name = found[1] if found else ""
    if name not in _KNOWN:
        return None
    package = _PACKAGE.search(output)
    subject = f"{package[1]} {package[2]}" if package else "A package"
    return (
        f"{subject} has to be compiled, and the headers of {name} are not on this machine: {_KNOWN[name]}. Compiling "
        "also needs Debian's gcc, pkg-config and python3-dev. Where there is apt, `build-packages` has it fetch all of "
        "these for the build alone"
    )
