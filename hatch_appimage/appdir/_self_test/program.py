# SPDX-License-Identifier: MIT
"""The program: all checks one after the other, and what it prints of them."""

from __future__ import annotations

import os
import signal
import sys
from functools import partial
from itertools import groupby

from .check import FAILED, OK, SKIPPED, Check, SkippedError, one_line
from .child import run_checks
from .content import check_entry_point, import_module, load_library
from .files import find_files
from .image import Image
from .machine import check_c_library, check_certificates, check_encoding, check_time_zones

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


def find_checks(image: Image) -> Iterator[list[Check]]:
    """Yield what is to be checked; each list in one process, if all goes well."""
    yield [Check("C library", partial(check_c_library, image))]
    yield [Check("text encoding", check_encoding)]
    yield [Check("certificates", check_certificates)]
    yield [Check("time zones", check_time_zones)]
    for point in image.entry_points:
        yield [Check(f"entry point {point['command']}", partial(check_entry_point, point))]
    files = find_files(image)
    load = partial(partial, load_library, places=files.places, image=image)
    # Importing a package takes longer than all of its extension modules do.
    for _, modules in groupby(sorted(files.modules), lambda name: name.partition(".")[0]):
        yield [
            Check(f"module {name}", partial(import_module, name, load(files.modules[name])), optional=True)
            for name in modules
        ]
    for path in files.libraries:
        yield [Check(name_library(path, image), load(path))]
    for path, reason in files.unusable:
        yield [Check(name_library(path, image), partial(skip, reason))]


def name_library(path: str, image: Image) -> str:
    """Return how a file is called in what is printed."""
    return f"library {os.path.relpath(path, image.root)}"


def skip(reason: str) -> str:
    """Skip a check."""
    raise SkippedError(reason)


def main(directory: str) -> int:
    """Check everything, and return the exit status.

    Args:
        directory: of the self-test in the image.

    """
    if len(sys.argv) > 1:
        print("AppImage: --appimage-self-test takes no arguments", file=sys.stderr)
        return 2
    sys.path.remove(directory)  # the application has no modules there
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    image = Image.read(directory)
    verdicts = []
    for checks in find_checks(image):
        for check, result in run_checks(checks, image):
            verdicts.append(result.verdict)
            detail = f": {result.detail}" if result.detail else ""
            print(f"{result.verdict:<7}  {one_line(check.subject)}{detail}", flush=True)
    print(f"self-test: {verdicts.count(OK)} ok, {verdicts.count(SKIPPED)} skipped, {verdicts.count(FAILED)} failed")
    return 1 if FAILED in verdicts else 0
