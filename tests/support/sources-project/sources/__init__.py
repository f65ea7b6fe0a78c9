# SPDX-License-Identifier: MIT
"""What goes wrong in packages that count on sources, one module for each way."""
