# SPDX-License-Identifier: MIT
"""How desktops show an application: its entry and its icons."""
