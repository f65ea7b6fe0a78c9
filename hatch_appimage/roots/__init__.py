# SPDX-License-Identifier: MIT
"""Other distributions on this machine: where their root file systems come from, and how a command is run in one."""
