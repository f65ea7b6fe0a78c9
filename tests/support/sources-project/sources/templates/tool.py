# SPDX-License-Identifier: MIT
NAME = "template"
