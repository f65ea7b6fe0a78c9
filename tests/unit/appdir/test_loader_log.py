# SPDX-License-Identifier: MIT
"""What glibc's loader tells."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

from hatch_appimage.appdir.loader_log import Load, loader_variables, read_loads

if TYPE_CHECKING:
    from pathlib import Path

LOG = """\
      42:\t
      42:\tfile=libc.so.6 [0];  needed by /a/usr/bin/python3 [0]
      42:\tfile=libc.so.6 [0];  generating link map
      42:\t  dynamic: 0x00007f1fd1d0cb40  base: 0x00007f1fd1b3a000   size: 0x00000000001f9dd0
      42:\t
      42:\tcalling init: /lib/libc.so.6
      42:\t
      42:\tinitialize program: /a/usr/bin/python3
      42:\t
      42:\tfile=liba.so.1 [0];  dynamically loaded by /a/b c/_ctypes.so [0]
      42:\tfile=liba.so.1 [0];  generating link map
      42:\tfile=libb.so.2 [0];  needed by /usr/lib/liba.so.1 [0]
      42:\t
      42:\tcalling init: /usr/lib/libb.so.2
      42:\t
      42:\tcalling init: /usr/lib/liba.so.1
      42:\tfile=libgone.so [0];  dynamically loaded by /a/b c/_ctypes.so [0]
      43:\tfile=/opt/libp.so [0];  dynamically loaded by /usr/lib/liba.so.1 [0]
      43:\tcalling init: /opt/libp.so
      43:\tcalling fini: /opt/libp.so [0]
"""


def test_what_was_loaded(tmp_path: Path) -> None:
    """What was looked for and not found is not, nor is what another program wrote there."""
    (tmp_path / "loads.42").write_text(LOG)
    (tmp_path / "loads.7").write_bytes(b"\xff\0\n  7:\tfile=x [0];  needed by")
    (tmp_path / "other").write_text("      1:\tfile=libo.so [0];  needed by a [0]\n      1:\tcalling init: /libo.so")
    assert read_loads(tmp_path) == (
        Load("libc.so.6", "/lib/libc.so.6", "/a/usr/bin/python3", needed=True, process=1),
        Load("libb.so.2", "/usr/lib/libb.so.2", "/usr/lib/liba.so.1", needed=True, process=1),
        Load("liba.so.1", "/usr/lib/liba.so.1", "/a/b c/_ctypes.so", needed=False, process=1),
        Load("/opt/libp.so", "/opt/libp.so", "/usr/lib/liba.so.1", needed=False, process=1),
    )


def test_this_machines_loader(tmp_path: Path) -> None:
    """Its words are those that are looked for, in a child and what takes its place, too."""
    code = "import os, _ctypes; os.execv('/bin/sh', ['sh', '-c', 'true'])"
    variables = loader_variables(tmp_path)
    subprocess.run([sys.executable, "-c", code], env={**os.environ, **variables}, check=True)
    loads = read_loads(tmp_path)
    assert [load.needed for load in loads if load.path.rpartition("/")[2].startswith("_ctypes.")] == [False]
    assert [load.path for load in loads if load.name == "libc.so.6" and load.loader == "sh" and load.needed]
