# SPDX-License-Identifier: MIT
"""A package in a package."""
