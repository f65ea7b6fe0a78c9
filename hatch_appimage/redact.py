# SPDX-License-Identifier: MIT
"""Addresses without what is secret in them, for all that people read and for all that is in an image.

Names, passwords and tokens stand before a host, and in the query of addresses that were signed or have a token
(RFC 3986, sections 3.2.1 and 3.4). Both are left out; servers that need them ask again.
"""

from __future__ import annotations

import re
from typing import Any

# Up to the last `@` before the path: what people paste need not be percent-encoded.
_USER = re.compile(r"\b((?:git\+|hg\+|svn\+|bzr\+)?[a-z][a-z0-9.-]*://)([^\s/'\"`<>]*)@", re.IGNORECASE)
# Of an address, or of a path as HTTP libraries write it into their errors.
_QUERY = re.compile(r"((?:/|://[^\s/?#'\"`<>]+)[^\s?#'\"`<>()]*)\?[^\s#'\"`<>()]+")
# The user of a machine, such as the one of `ssh://git@github.com/`, is no secret.
_ACCOUNT = re.compile(r"(?!.*:)[\w.-]+\Z")


def redact(text: str) -> str:
    """Return a text with all addresses in it without user, password and query; fragments stay."""
    return _QUERY.sub(r"\1", _USER.sub(_without_user, text))


def redact_all(value: Any) -> Any:
    """Return a value that JSON can have with all texts in it redacted."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {redact(key): redact_all(item) for key, item in value.items()}
    return [redact_all(item) for item in value] if isinstance(value, (list, tuple)) else value


def _without_user(match: re.Match[str]) -> str:
    scheme, user = match.groups()
    is_account = "ssh://" in scheme.lower() and _ACCOUNT.match(user)
    return f"{scheme}{user}@" if is_account else scheme
