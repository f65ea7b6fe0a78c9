# SPDX-License-Identifier: MIT
"""Libraries that open others by name find those in the image, of which the machine may have none, or another build."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from support.machine import make_public
from support.plugin import build_image
from support.projects import make_project

if TYPE_CHECKING:
    from pathlib import Path

    from support.plugin import Plugin
    from support.runner import Runner

NSS = """
import ctypes, json, os

def main():
    nss = ctypes.CDLL("libnss3.so")
    status = nss.NSS_NoDB_Init(None)
    nss.SECMOD_LoadUserModule.restype = ctypes.c_void_p
    loaded = nss.SECMOD_LoadUserModule(b'library=libnssckbi.so name="roots"', None, 0)
    with open("/proc/self/maps") as maps:
        files = {line.split(None, 5)[5].strip() for line in maps if ".so" in line}
    names = ("libsoftokn3.so", "libfreebl", "libnssckbi.so")
    found = [file for file in files if os.path.basename(file).startswith(names)]
    print(json.dumps([status, bool(loaded), os.environ["APPDIR"], found]))
"""


@pytest.fixture(scope="module")
def nss_image(plugin: Plugin, tmp_path_factory: pytest.TempPathFactory) -> Path:
    table = 'libraries = ["libnss3.so"]\n'
    return build_image(plugin, make_project(make_public(tmp_path_factory, "nss"), NSS, table=table))


def test_nss(nss_image: Path, quick_runner: Runner) -> None:
    result = quick_runner.run(nss_image)
    assert result.returncode == 0, result.stderr
    status, loaded, appdir, found = json.loads(result.stdout)
    assert (status, loaded) == (0, True)
    assert len(found) == 3
    assert all(file.startswith(f"{appdir}/usr/lib/") for file in found), found
