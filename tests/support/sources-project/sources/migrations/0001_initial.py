# SPDX-License-Identifier: MIT
NUMBER = 1
