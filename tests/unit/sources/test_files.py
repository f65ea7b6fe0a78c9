# SPDX-License-Identifier: MIT
"""Which files can name something."""

from __future__ import annotations

from pathlib import Path

from hatch_appimage.python import BundledPython
from hatch_appimage.sources.files import installed_sources
from hatch_appimage.sources.reader import File


def test_installed_sources(tmp_path: Path) -> None:
    """Without what only has the name of one."""
    site = tmp_path / "lib/python3.12/site-packages"
    for name in ("a.py", "p/__init__.py", "p/q/b.pyw", "p/c.txt", "p/no.py/d.py"):
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).touch()
    (site / "nowhere.py").symlink_to("missing.py")
    python = BundledPython(
        version="3.12.1",
        executable=tmp_path / "bin/python",
        stdlib=site.parent,
        site_packages=(site, tmp_path / "nowhere"),
        interpreter=Path("/python"),
        origin=Path("/"),
    )
    assert sorted(installed_sources(python)) == [
        File(site / "a.py", ""),
        File(site / "p/__init__.py", "p"),
        File(site / "p/no.py/d.py", "p.no.py"),
        File(site / "p/q/b.pyw", "p.q"),
    ]
