# SPDX-License-Identifier: MIT
"""Whether a Python source has matplotlib open windows, as far as its text shows it. Nothing of it is run."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from hatch_appimage.syntax import last_name

if TYPE_CHECKING:
    from hatch_appimage.syntax import Nodes

_PLOTTING = re.compile(rb"\b(?:pyplot|pylab)\b")
_WINDOWS = frozenset({"pause", "show"})


def opens_plots(source: bytes, nodes: Nodes) -> bool:
    """Whether a source has matplotlib open a window: it names pyplot and calls what shows its figures.

    Args:
        source: its text.
        nodes: all of it.

    """
    return bool(_PLOTTING.search(source)) and any(last_name(call.func) in _WINDOWS for call in nodes.of(ast.Call))
