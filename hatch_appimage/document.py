# SPDX-License-Identifier: MIT
"""Documents for other programs."""

from __future__ import annotations

import json
from operator import attrgetter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def write_json(content: Mapping[str, Any], *, version: int) -> str:
    """Return a document as JSON, with the version of its format as its first key.

    Args:
        content: the other keys; members of enumerations are written as their values.
        version: raised with every change that a reader of this kind of document would notice, other than a new key.

    """
    return json.dumps({"version": version, **content}, indent=2, default=attrgetter("value")) + "\n"
