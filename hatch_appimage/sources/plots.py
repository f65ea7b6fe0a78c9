# SPDX-License-Identifier: MIT
"""Whether a Python source has matplotlib open windows, as far as its text shows it. Nothing of it is run."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from hatch_appimage.syntax import last_name

if TYPE_CHECKING:
    from hatch_appimage.syntax import Nodes

_PLOTTING = frozenset({"pylab", "pyplot"})
_WINDOWS = frozenset({"pause", "show"})


def opens_plots(words: frozenset[str], nodes: Nodes) -> bool:
    """Whether a source has matplotlib open a window: it names pyplot and calls what shows its figures.

    Args:
        words: all words in it.
        nodes: all of it.

    """
    return not words.isdisjoint(_PLOTTING) and any(last_name(call.func) in _WINDOWS for call in nodes.of(ast.Call))
