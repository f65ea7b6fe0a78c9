# SPDX-License-Identifier: MIT
"""What stands in the AppDir beside Python and the packages: launcher, desktop entry, icons; and what is left out."""
