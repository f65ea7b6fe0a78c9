# SPDX-License-Identifier: MIT
"""The finished file: written, named, signed, described for updates, tried."""
