# SPDX-License-Identifier: MIT
"""What a Python is asked about its platform, in words that every Python 3 understands."""

from __future__ import annotations

from typing import Final

#: A program's beginning: its answer is in `platform_answer`, for JSON. It has the environment markers
#: (https://packaging.python.org/en/latest/specifications/dependency-specifiers/#environment-markers), the ABI, and the
#: C library that the Python runs on. It may be older than packaging supports.
ASK_PLATFORM: Final = """
import json, os, platform, struct, sys, sysconfig
try:
    libc = os.confstr("CS_GNU_LIBC_VERSION") or ""
except (OSError, ValueError):  # musl has no such name
    libc = ""
platform_answer = {
    "markers": {
        "implementation_name": sys.implementation.name,
        "implementation_version": platform.python_version().rstrip("+"),
        "os_name": os.name,
        "platform_machine": platform.machine(),
        "platform_python_implementation": platform.python_implementation(),
        "platform_release": platform.release(),
        "platform_system": platform.system(),
        "platform_version": platform.version(),
        "python_full_version": platform.python_version().rstrip("+"),
        "python_version": ".".join(platform.python_version_tuple()[:2]),
        "sys_platform": sys.platform,
    },
    "abi": "cp%d%d%s%s" % (
        sys.version_info[0],
        sys.version_info[1],
        "t" if sysconfig.get_config_var("Py_GIL_DISABLED") else "",
        "d" if sysconfig.get_config_var("Py_DEBUG") else "",
    ),
    "bits": struct.calcsize("P") * 8,
    "libc": libc,
}
"""
