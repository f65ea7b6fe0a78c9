# SPDX-License-Identifier: MIT
"""What is left out of an image, as nothing in it uses it."""
