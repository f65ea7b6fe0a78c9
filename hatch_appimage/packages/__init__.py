# SPDX-License-Identifier: MIT
"""What is installed: which files those are, how they are installed, and what the image says of them."""
