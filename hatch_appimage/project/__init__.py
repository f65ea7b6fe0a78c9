# SPDX-License-Identifier: MIT
"""What is packed: the project's metadata, its wheel and its commands, wherever they come from."""
