# SPDX-License-Identifier: MIT
"""How an application finds its own modules, data and metadata, and what of the host it needs."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.resources
import locale
import os
import pkgutil
import runpy
import sys
import zoneinfo
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import children


def modules() -> dict[str, Any]:
    """Find modules and run them by their names and paths."""
    by_name = runpy.run_module("children.nested.module", run_name="__main__", alter_sys=True)
    by_path = runpy.run_path(by_name["__file__"], run_name="other")
    return {
        "walked": sorted(found.name for found in pkgutil.walk_packages(children.__path__, "children.")),
        "names": [by_name["name"], by_path["name"]],
        "arguments": by_name["arguments"],
        "data": (pkgutil.get_data("children", "greeting.txt") or b"").decode(),
        "resolved": pkgutil.resolve_name("children.nested.module:plugin")(),
    }


def metadata() -> dict[str, Any]:
    """Read what was installed."""
    distribution = importlib.metadata.distribution("children")
    (plugin,) = importlib.metadata.entry_points(group="children.plugins")
    return {
        "version": importlib.metadata.version("children"),
        "summary": distribution.metadata["Summary"],
        "requires": distribution.requires,
        "scripts": sorted(point.name for point in importlib.metadata.entry_points(group="console_scripts")),
        "plugin": plugin.load()(),
        "missing": [str(file) for file in distribution.files or () if not Path(str(file.locate())).exists()],
    }


def resources() -> dict[str, str]:
    """Read a file of the package in every way there is."""
    import warnings

    found = importlib.resources.files("children").joinpath("greeting.txt")
    with importlib.resources.as_file(found) as path:
        as_file = path.read_text(encoding="utf-8")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says that it is deprecated
        pkg_resources = importlib.import_module("pkg_resources")  # not among what the type checker knows
    (plugin,) = pkg_resources.iter_entry_points("children.plugins")
    return {
        "files": found.read_text(encoding="utf-8"),
        "as_file": as_file,
        "beside": Path(__file__).with_name("greeting.txt").read_text(encoding="utf-8"),
        "pkg_resources": Path(pkg_resources.resource_filename("children", "greeting.txt")).read_text(encoding="utf-8"),
        "version": pkg_resources.get_distribution("children").version,
        "plugin": plugin.load()(),
    }


def localized(*names: str) -> dict[str, Any]:
    """Use the locales of the host."""
    return {
        "locales": {name: locale.setlocale(locale.LC_ALL, name) for name in ("", *names)},
        "encodings": [sys.getfilesystemencoding(), locale.getpreferredencoding(), sys.stdout.encoding],
        "environment": os.environ.get("LC_CTYPE"),
    }


def zones() -> dict[str, Any]:
    """Find a time zone on the host, and in the package ``tzdata``."""
    summer = datetime(2024, 7, 1, tzinfo=timezone.utc)
    path = zoneinfo.TZPATH
    package = sys.modules.pop("tzdata", None)
    sys.modules["tzdata"] = None  # type: ignore[assignment] # what hides a package
    try:
        from_host = zoneinfo.ZoneInfo.no_cache("Europe/Berlin")
    finally:
        del sys.modules["tzdata"]
        if package is not None:
            sys.modules["tzdata"] = package
    zoneinfo.reset_tzpath(to=())
    from_package = zoneinfo.ZoneInfo.no_cache("Europe/Berlin")
    return {
        "path": path,
        "host": str(summer.astimezone(from_host)),
        "package": str(summer.astimezone(from_package)),
        "local": str(datetime(2024, 7, 1, tzinfo=timezone.utc).astimezone()),
    }
