# SPDX-License-Identifier: MIT
"""Update information: the line in an image that tells update tools where newer ones are.

Its forms are those of the AppImage specification (https://github.com/AppImage/AppImageSpec, "Update information") and
of the tools that read it.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from hatch_appimage.image.name import ANY_VERSION

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

log = logging.getLogger(__name__)

# The section has 1024 bytes and ends with a NUL.
LIMIT = 1023

# The transports, and what their fields are.
_FORMS = {
    "zsync": ("URL of the .zsync file",),
    "gh-releases-zsync": ("owner", "repository", "tag", "pattern"),
    "pling-v1-zsync": ("product", "pattern"),
    "gl-releases-zsync": ("owner", "repository", "tag", "pattern"),
    "cb-releases-zsync": ("owner", "repository", "tag", "pattern"),
    "gitea-releases-zsync": ("instance", "owner", "repository", "tag", "pattern"),
    "forgejo-releases-zsync": ("instance", "owner", "repository", "tag", "pattern"),
}
# These are known to pkgforge's AppImageUpdate only.
_RARE = ("gl-releases-zsync", "cb-releases-zsync", "gitea-releases-zsync", "forgejo-releases-zsync")
# Tags that stand for whichever release is the newest of its kind.
_NEWEST = ("latest", "latest-pre", "latest-all")
# The first part of an address there is an owner, but for GitHub's own pages.
_GITHUB = re.compile(
    r"(?:(?:git\+)?https?://|ssh://git@|git@)(?:www\.)?github\.com[/:]"
    r"(?!(?:apps|collections|features|marketplace|orgs|settings|sponsors|topics|users)/)"
    r"([\w.-]+)/([\w.-]+?)(?:\.git)?(?:[/#?].*)?"
)
_GITHUB_SERVER = "https://github.com"
# What the other fields look like, and what is wrong where they do not.
_FIELDS = {
    "owner": (r"[\w.-]+", "is no name on such a site"),
    "repository": (r"[\w.-]+", "is no name on such a site"),
    "tag": (r"[^/]+", "has a `/` in it, by which tools do not find it"),
    "instance": (r"(https://)?[\w.-]+(:\d+)?", "is no host"),
    "product": (r"\d+", "is no number"),
}


@dataclass(frozen=True)
class UpdateInformation:
    """Where updates are.

    Attributes:
        template: the line; ``{arch}`` in it stands for the architecture, ``{name}`` for the application's name.

    """

    template: str

    @classmethod
    def read(cls, value: str, urls: Iterable[str], environment: Mapping[str, str]) -> UpdateInformation:
        """Read the option ``update-information``.

        Args:
            value: a line, or ``github``, possibly with ``:`` and a tag.
            urls: the project's, one of which may be that of its repository.
            environment: in which GitHub's CI names the repository.

        Raises:
            ValueError: what is wrong, as the end of a sentence about the option.

        """
        keyword, _, tag = value.partition(":")
        if keyword == "github":
            return cls(_github(tag or "latest", urls, environment))
        _check(value)
        return cls(value)

    @property
    def channel(self) -> str | None:
        """The tag of the only release that update tools look into; None where they look for the newest one."""
        transport, *fields = self.template.split("|")
        forms = _FORMS[transport]
        tag = fields[forms.index("tag")] if "tag" in forms else None
        return None if tag in _NEWEST else tag

    def zsync_name(self, architecture: str) -> str | None:
        """Return the name of the file that update tools fetch; None where they look for one like the image's."""
        transport, *fields = self.template.replace("{arch}", architecture).split("|")
        return urlsplit(fields[0]).path.rpartition("/")[2] if transport == "zsync" else None

    def line(self, name: str, file_name: str, architecture: str) -> str:
        """Return the line for one image.

        Args:
            name: what the image's file is named after, which has no characters that mean something in patterns.
            file_name: of the image.
            architecture: of the image.

        Raises:
            ValueError: the pattern does not mean the image's file.

        """
        transport = self.template.partition("|")[0]
        if transport in _RARE:
            log.warning("`%s` is known to the AppImageUpdate of pkgforge only: others find no updates", transport)
        line = self.template.replace("{arch}", architecture).replace("{name}", name)
        fields = line.split("|")[1:]
        if _FORMS[transport][-1] == "pattern":
            expected = file_name if transport == "pling-v1-zsync" else f"{file_name}.zsync"
            if not fnmatchcase(expected, fields[-1]):
                raise ValueError(
                    f"looks for files named like `{fields[-1]}`, and this build makes `{expected}`: no update would "
                    "ever be found ({arch} in the pattern stands for the architecture)"
                )
        if len(line) > LIMIT:
            raise ValueError(f"is longer than the {LIMIT} bytes that an image has room for")
        return line


def _github(tag: str, urls: Iterable[str], environment: Mapping[str, str]) -> str:
    elsewhere = environment.get("GITHUB_SERVER_URL", _GITHUB_SERVER) != _GITHUB_SERVER  # a company's own
    owner_and_name = "" if elsewhere else environment.get("GITHUB_REPOSITORY", "")
    for url in urls:
        match = _GITHUB.fullmatch(url)
        if match is not None:
            owner_and_name = f"{match[1]}/{match[2]}"
            break
    owner, _, repository = owner_and_name.partition("/")
    if not (owner and repository):
        raise ValueError(
            "is `github`, but no entry of [project.urls] is a repository there, and GITHUB_REPOSITORY is not set"
        )
    line = f"gh-releases-zsync|{owner}|{repository}|{tag}|{{name}}-{ANY_VERSION}-{{arch}}.AppImage.zsync"
    _check(line)
    return line


def _check(line: str) -> None:
    """Check every field of a line.

    Raises:
        ValueError: what is wrong.

    """
    if not line.isascii() or not line.isprintable() or " " in line:
        raise ValueError("must be printable ASCII without blanks: tools read it up to the first other character")
    transport, *fields = line.split("|")
    if transport == "bintray-zsync":
        raise ValueError("uses `bintray-zsync`: Bintray was closed in 2021, so nobody could be updated from there")
    if transport not in _FORMS:
        raise ValueError(
            f"must be `github`, or begin with one of {', '.join(_FORMS)} and `|`; `{transport}` is unknown"
        )
    names = _FORMS[transport]
    if len(fields) != len(names) or not all(fields):
        raise ValueError(f"must have the fields `{transport}|{'|'.join(names)}`, none of them empty: `{line}`")
    for name, field in zip(names, fields, strict=True):
        problem = _problem(transport, name, field)
        if problem:
            raise ValueError(f"has a wrong {name}: `{field}` {problem}")


def _problem(transport: str, name: str, field: str) -> str | None:
    """Say what is wrong with one field."""
    if name == "pattern":
        ending = ".AppImage" if transport == "pling-v1-zsync" else ".zsync"
        return (
            None if field.endswith(ending) and "/" not in field else f"does not end in `{ending}`, or has a `/` in it"
        )
    if name.startswith("URL"):
        url = urlsplit(field)
        if url.scheme not in {"http", "https"} or not url.netloc or not url.path.endswith(".zsync"):
            return "is no http or https address of a `.zsync` file"
        if url.query or url.fragment:
            return "has more behind the file's name, which tools drop when they look for the image beside it"
        return None
    form, problem = _FIELDS[name]
    return None if re.fullmatch(form, field) else problem
