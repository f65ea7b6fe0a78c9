# SPDX-License-Identifier: MIT
"""Is run by its path."""

import sys

sys.stdout.write("worker")
