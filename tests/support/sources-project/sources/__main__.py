# SPDX-License-Identifier: MIT
"""Is run by the name of its package, or by its directory."""

import sys

sys.stdout.write("main")
