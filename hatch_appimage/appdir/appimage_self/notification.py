# SPDX-License-Identifier: MIT
"""The outcome of a command for people who started it from a menu, where nobody sees what it prints."""

from __future__ import annotations

import shutil
import subprocess
import sys
from contextlib import contextmanager, redirect_stdout
from io import StringIO

from .errors import SelfError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterator


@contextmanager
def notifying(name: str) -> Iterator[None]:
    """Show what is printed, or why it fails, as a notification of the desktop, besides printing it.

    Args:
        name: of the application.

    """
    printed = StringIO()
    try:
        with redirect_stdout(printed):
            yield
    except SelfError as error:
        _notify(name, str(error))
        raise
    finally:
        sys.stdout.write(printed.getvalue())
    _notify(name, printed.getvalue().strip())


def _notify(name: str, text: str) -> None:
    tool = shutil.which("notify-send")
    if tool and text:
        command = [tool, f"--app-name={name}", "--", name, text]
        subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
