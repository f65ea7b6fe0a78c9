# SPDX-License-Identifier: MIT
"""Libraries that open others find those in the image, of which the machine may have none, or another build."""

from __future__ import annotations

import json
from ctypes.util import find_library
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.machine import make_public
from support.plugin import build_image
from support.projects import make_project
from support.tools import unavailable

if TYPE_CHECKING:
    from support.plugin import Plugin
    from support.runner import Runner

PROBE = """
import ctypes, json, os, subprocess, sys

def nss():
    library = ctypes.CDLL("libnss3.so")
    status = library.NSS_NoDB_Init(None)
    library.SECMOD_LoadUserModule.restype = ctypes.c_void_p
    return status == 0 and bool(library.SECMOD_LoadUserModule(b'library=libnssckbi.so name="roots"', None, 0))

def magic():
    library = ctypes.CDLL("libmagic.so.1")
    library.magic_open.restype = ctypes.c_void_p
    cookie = ctypes.c_void_p(library.magic_open(0))
    return library.magic_load(cookie, None) == 0

def sasl2():
    return ctypes.CDLL("libsasl2.so.2").sasl_client_init(None) == 0

def crypto():
    load = ctypes.CDLL("libcrypto.so.3").OSSL_PROVIDER_load
    load.restype = ctypes.c_void_p
    return bool(load(None, b"legacy"))

def data():
    with open(sys.prefix + "/share/dpkg/cputable") as file:
        return "amd64" in file.read()

def main():
    works = globals()[sys.argv[1]]()
    with open("/proc/self/maps") as maps:
        files = sorted({line.split(None, 5)[5].strip() for line in maps if "/" in line})
    child = subprocess.run(["env"], capture_output=True, text=True).stdout
    set_for_child = [name for name in ("MAGIC", "OPENSSL_MODULES", "SASL_PATH") if f"{name}=" in child]
    print(json.dumps([works, os.environ["APPDIR"], files, set_for_child]))
"""
# What each opens, by the beginnings of names.
OPENED = {
    "nss3": ("libsoftokn3.so", "libfreebl", "libnssckbi.so"),
    "magic": ("magic.mgc",),
    "sasl2": ("libplain.so", "libscram.so"),
    "crypto": ("legacy.so",),
}
SONAMES = {"nss3": "libnss3.so", "magic": "libmagic.so.1", "sasl2": "libsasl2.so.2", "crypto": "libcrypto.so.3"}


#: A file of every Debian.
DATA = "/usr/share/dpkg/cputable"


@pytest.fixture(scope="module")
def opening_image(plugin: Plugin, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an image with those of these libraries that this machine has, some of them and data by a trace."""
    sonames = [soname for name, soname in SONAMES.items() if find_library(name) == soname]
    table = f'libraries = {json.dumps(sonames[::2])}\ntrace = "probe.trace"\nstartup-order = false\n'
    project = make_project(make_public(tmp_path_factory, "opened"), PROBE, table=table)
    traced = [*sonames[1::2], *([DATA] if Path(DATA).exists() else [])]
    (project / "probe.trace").write_text("".join(f"{name}\n" for name in traced))
    return build_image(plugin, project)


@pytest.mark.parametrize("name", SONAMES)
def test_opens_what_is_in_the_image(opening_image: Path, quick_runner: Runner, name: str) -> None:
    if find_library(name) != SONAMES[name]:
        unavailable(f"{SONAMES[name]} is missing")
    result = quick_runner.run(opening_image, name.removesuffix("3"))
    assert result.returncode == 0, result.stderr
    works, appdir, files, set_for_child = json.loads(result.stdout)
    opened = [file for file in files if file.rpartition("/")[2].startswith(OPENED[name])]
    assert works, files
    assert len(opened) == len(OPENED[name])
    assert all(file.startswith(f"{appdir}/usr/lib/") for file in opened), opened
    assert set_for_child == []


def test_data_of_the_trace(opening_image: Path, quick_runner: Runner) -> None:
    """It lies where it did, below the prefix."""
    if not Path(DATA).exists():
        unavailable(f"{DATA} is missing")
    result = quick_runner.run(opening_image, "data")
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)[0]
