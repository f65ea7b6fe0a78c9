# SPDX-License-Identifier: MIT
"""GObject introspection: what a program that uses GTK and the like through PyGObject needs beside libraries."""
