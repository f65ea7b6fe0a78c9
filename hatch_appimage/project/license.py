# SPDX-License-Identifier: MIT
"""The licence of a project as an SPDX expression (PEP 639)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

if TYPE_CHECKING:
    from collections.abc import Iterable

_PROPRIETARY = "LicenseRef-proprietary"
_PUBLIC_DOMAIN = "LicenseRef-public-domain"
_OSI = "OSI Approved :: "
# Those that mean one licence (PEP 639, "Mapping license classifiers to SPDX identifiers"), without "License :: "; the
# names of others end with the identifier. `Apache Software License` and `BSD License` mean one of several.
_CLASSIFIERS = {
    "Aladdin Free Public License (AFPL)": "Aladdin",
    "CC0 1.0 Universal (CC0 1.0) Public Domain Dedication": "CC0-1.0",
    f"{_OSI}Attribution Assurance License": "AAL",
    f"{_OSI}Common Public License": "CPL-1.0",
    f"{_OSI}European Union Public Licence 1.0 (EUPL 1.0)": "EUPL-1.0",
    f"{_OSI}European Union Public Licence 1.1 (EUPL 1.1)": "EUPL-1.1",
    f"{_OSI}European Union Public Licence 1.2 (EUPL 1.2)": "EUPL-1.2",
    f"{_OSI}GNU Affero General Public License v3": "AGPL-3.0-only",
    f"{_OSI}GNU Affero General Public License v3 or later (AGPLv3+)": "AGPL-3.0-or-later",
    f"{_OSI}GNU General Public License v2 (GPLv2)": "GPL-2.0-only",
    f"{_OSI}GNU General Public License v2 or later (GPLv2+)": "GPL-2.0-or-later",
    f"{_OSI}GNU General Public License v3 (GPLv3)": "GPL-3.0-only",
    f"{_OSI}GNU General Public License v3 or later (GPLv3+)": "GPL-3.0-or-later",
    f"{_OSI}GNU Lesser General Public License v2 (LGPLv2)": "LGPL-2.0-only",
    f"{_OSI}GNU Lesser General Public License v2 or later (LGPLv2+)": "LGPL-2.0-or-later",
    f"{_OSI}GNU Lesser General Public License v3 (LGPLv3)": "LGPL-3.0-only",
    f"{_OSI}GNU Lesser General Public License v3 or later (LGPLv3+)": "LGPL-3.0-or-later",
    f"{_OSI}IBM Public License": "IPL-1.0",
    f"{_OSI}ISC License (ISCL)": "ISC",
    f"{_OSI}MIT License": "MIT",
    f"{_OSI}Mozilla Public License 1.0 (MPL)": "MPL-1.0",
    f"{_OSI}Mozilla Public License 1.1 (MPL 1.1)": "MPL-1.1",
    f"{_OSI}Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    f"{_OSI}PostgreSQL License": "PostgreSQL",
    f"{_OSI}Python License (CNRI Python License)": "CNRI-Python",
    f"{_OSI}Python Software Foundation License": "PSF-2.0",
    f"{_OSI}Qt Public License (QPL)": "QPL-1.0",
    f"{_OSI}Sleepycat License": "Sleepycat",
    f"{_OSI}Universal Permissive License (UPL)": "UPL-1.0",
    f"{_OSI}University of Illinois/NCSA Open Source License": "NCSA",
    f"{_OSI}Vovida Software License 1.0": "VSL-1.0",
    f"{_OSI}W3C License": "W3C",
    f"{_OSI}zlib/libpng License": "Zlib",
    "Other/Proprietary License": _PROPRIETARY,
    "Public Domain": _PUBLIC_DOMAIN,
}
# Too general to say anything beside others.
_GROUPS = frozenset({"DFSG approved", "OSI Approved"})


def find_license(expression: str, text: str, classifiers: Iterable[str]) -> str:
    """Return a project's licence as an SPDX expression; an empty text if nothing says it for sure.

    Args:
        expression: the metadata field ``License-Expression``, possibly empty.
        text: the field ``License``, which may be a name or the whole licence, possibly empty.
        classifiers: all of the project.

    """
    return _canonicalize(expression) or _read_text(text) or _read_classifiers(classifiers)


def _canonicalize(expression: str) -> str:
    try:
        found = str(canonicalize_license_expression(expression)) if expression else ""
    except InvalidLicenseExpression:
        return ""
    # As AppStream spells them, which PEP 639 takes in any case.
    for name in (_PROPRIETARY, _PUBLIC_DOMAIN):
        found = re.sub(rf"(?<![\w.-]){name}(?![\w.-])", name, found, flags=re.IGNORECASE)
    return found


def _read_text(text: str) -> str:
    text = text.strip()
    if text.casefold() in ("proprietary", "commercial"):
        return _PROPRIETARY
    return _canonicalize(text) or _canonicalize(text.removesuffix(" License"))


def _read_classifiers(classifiers: Iterable[str]) -> str:
    """Return the licence that classifiers name; several need not mean that one may choose."""
    names = {name for kind, _, name in (it.partition(" :: ") for it in classifiers) if kind == "License"} - _GROUPS
    if len(names) != 1:
        return ""
    (name,) = names
    identifier = re.search(r"\(([A-Za-z0-9.-]+)\)$", name)
    return _CLASSIFIERS.get(name) or (_canonicalize(identifier[1]) if identifier else "")
