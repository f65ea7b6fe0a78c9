# SPDX-License-Identifier: MIT
"""Is run by its name."""

import sys

NAME = "tool"
if __name__ == "__main__":
    sys.stdout.write(NAME)
