# SPDX-License-Identifier: MIT
"""An update that is killed at any moment leaves the old image or the new one, and the next update works."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from typing import TYPE_CHECKING

from hatch_appimage.appdir.appimage_self import engine, information
from hatch_appimage.appdir.appimage_self.web import Web
from support.update_images import ARCHITECTURE, installed, make_version
from support.update_server import Site, serving

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

# 200 are run by hand.
MOMENTS = int(os.environ.get("UPDATE_KILLS", "20"))
LINE = f"gh-releases-zsync|owner|app|latest|app-[0-9]*-{ARCHITECTURE}.AppImage.zsync"


def update(target: Path) -> None:
    connection, image = Web(), installed(target, "1.0")
    release = engine.find_release(image, connection)
    assert release is not None
    engine.update(image, connection, release)


def start_update(target: Path) -> int:
    """Start an update in a process of its own, and return that."""
    child = os.fork()
    if child:
        return child
    try:
        update(target)
        os._exit(0)
    finally:
        os._exit(1)


def test_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = (make_version(tmp_path / version, version, LINE) for version in ("1.0", "2.0"))
    target = tmp_path / "apps" / "App.AppImage"
    chance, seen = random.Random(1), set()  # noqa: S311 - no secret
    with serving(Site()) as site:
        monkeypatch.setattr(information, "GITHUB", site.url)
        site.release("v2.0", new.files())
        target.parent.mkdir()
        shutil.copy(old.path, target)
        start = time.monotonic()
        assert os.waitpid(start_update(target), 0)[1] == 0
        duration = time.monotonic() - start
        for _ in range(MOMENTS):
            shutil.copy(old.path, target)
            child = start_update(target)
            time.sleep(chance.uniform(0, duration))
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            data = target.read_bytes()
            assert data in {old.data, new.data}
            seen.add(data == new.data)
            if data == old.data:  # with whatever the killed one has left
                update(target)
                assert target.read_bytes() == new.data
        assert MOMENTS < 100 or seen == {True, False}
        names = {path.name for path in target.parent.iterdir()}
    assert names <= {"App.AppImage", "App.AppImage.previous", ".App.AppImage.part", ".App.AppImage.old"}
