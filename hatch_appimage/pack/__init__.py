# SPDX-License-Identifier: MIT
"""Images of what other tools have made: of AppDirs, of frozen applications, and of finished AppImages."""
