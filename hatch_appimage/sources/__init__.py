# SPDX-License-Identifier: MIT
"""What the Python sources in an image import and name; nothing of them is run."""
