# SPDX-License-Identifier: MIT
"""``python -m children``."""

from children import main

if __name__ == "__main__":
    main()
