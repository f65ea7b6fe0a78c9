# SPDX-License-Identifier: MIT
"""An application that tells what it and what it starts see of their surroundings.

Its first argument names one of the functions below, whose answer is printed as JSON.
"""

from __future__ import annotations

import json
import sys
from typing import Any


def main() -> None:
    """Print what one of the probes says."""
    from children import libraries, processes, programs

    name, *arguments = sys.argv[1:]
    for module in (libraries, processes, programs):
        if hasattr(module, name):
            answer: Any = getattr(module, name)(*arguments)
            print(json.dumps(answer))
            return
    sys.exit(f"There is no probe {name}")


def hello() -> None:
    """Print by what name it was started."""
    print(json.dumps(sys.argv))
