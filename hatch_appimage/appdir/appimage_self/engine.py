# SPDX-License-Identifier: MIT
"""Update an image: find what is newer, fetch what it has not, see that it is genuine, and put it into its place."""

from __future__ import annotations

import os
import re
from typing import NamedTuple

from . import versions
from .assemble import assemble, is_announced
from .blocks import MAX_SIZE, SUFFIX, read_map
from .elf import UPDATE_INFORMATION, read_runtime, read_section
from .errors import SelfError
from .information import find_offers, newest, version_order
from .place import Place
from .signature import verify
from .web import beside, is_protected
from .zsync import fetch_header

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO, Callable

    from .blocks import BlockMap
    from .information import Offer
    from .running import Image
    from .signature import Signed
    from .web import Web
    from .zsync import ZsyncHeader

    #: Is told how many bytes of the new image are there, and how many it has.
    Progress = Callable[[int, int], object]


class Release(NamedTuple):
    """An image on a server.

    Attributes:
        version: its own, as the name of its file has it.
        size: in bytes.
        url: where it is.
        zsync: the address of its ``.zsync`` file.
        sha1: in hexadecimal.
        sha256: in hexadecimal; empty if nobody says.
        blocks: its block map; None if there is none.

    """

    version: str
    size: int
    url: str
    zsync: str
    sha1: str
    sha256: str
    blocks: BlockMap | None


class Updated(NamedTuple):
    """An image that has been replaced.

    Attributes:
        version: the new one.
        path: of the image.
        previous: where the old image is until the next update.
        fetched: how many bytes were fetched for it.
        size: how many bytes it has.
        signer: fingerprint of the key that signed it; empty if it is not signed.

    """

    version: str
    path: str
    previous: str
    fetched: int
    size: int
    signer: str


def find_release(image: Image, web: Web, to: str | None = None) -> Release | None:
    """Find the image to update to.

    Args:
        image: the one that is to be updated.
        web: fetches.
        to: the version that is wanted, older ones and this one among them; None for the newest.

    Returns:
        it; None if there is nothing newer.

    Raises:
        SelfError: nobody can tell.

    """
    with open(image.file, "rb") as file:
        line = read_section(file, read_runtime(file), UPDATE_INFORMATION).decode("ascii", "replace")
    if not line:
        raise SelfError("this image does not know where newer ones are: it was built without update information")
    offers = find_offers(web, line, every=to is not None)
    if to is not None:
        offers = [each for each in offers if not each.name or _is_version(image, each.name, to)]
    offer = newest(offers, image.file_name, image.architecture)
    if offer is None and to is None:
        raise SelfError(f"no image for {image.architecture} is where this one looks for newer ones ({line})")
    release = None if offer is None else _read_offer(image, web, offer)
    if to is not None:
        if release is None or versions.order(release.version) != _order(to):
            raise SelfError(f"there is no version {to} where this image looks for others ({line})")
        return release
    assert release is not None  # noqa: S101 - for the type checker: there is an offer
    return release if _order(release.version) > _order(image.version) else None


def _order(version: str) -> versions.Order:
    found = versions.order(version)
    if found is None:
        raise SelfError(f"`{version}` is no version")
    return found


def _is_version(image: Image, name: str, version: str) -> bool:
    return version_order(name, image.file_name, image.architecture) == _order(version)


def _read_offer(image: Image, web: Web, offer: Offer) -> Release:
    header = fetch_header(web, offer.zsync)
    url = beside(offer.zsync, header.reference)
    block_map = _fetch_map(web, url, offer.blocks, header)
    names = (offer.name, header.name)
    in_names = (versions.in_file_name(name, image.file_name, image.architecture) for name in names)
    version = next(filter(None, in_names), "")
    # In names of files `_` is both `!` and `+`.
    if (block_map and re.sub("[!+]", "_", block_map.version) == version) or not version:
        version = block_map.version if block_map else ""
    if versions.order(version) is None:
        raise SelfError(f"{offer.zsync} does not say of which version it is: nobody can tell whether it is newer")
    sha256 = offer.sha256 or (block_map.sha256 if block_map else "")
    if block_map and sha256 != block_map.sha256:
        block_map = None  # of another image
    return Release(version, header.size, url, offer.zsync, header.sha1, sha256, block_map)


def _fetch_map(web: Web, image: str, url: str | None, header: ZsyncHeader) -> BlockMap | None:
    """Fetch the block map of an image; None where there is none that is of use, as one can do without."""
    if url is None:
        return None
    try:
        data = web.read(url or image + SUFFIX, MAX_SIZE)
        found = read_map(data, url or image + SUFFIX)
    except SelfError:
        return None
    return found if found.size == header.size else None


def check_protection(image: Image, release: Release) -> Signed | None:
    """See what vouches for what will be fetched.

    Returns:
        the signature of the running image; None if it has none, so that TLS alone protects.

    Raises:
        SelfError: nothing does, or the running image was changed.

    """
    with open(image.file, "rb") as file:
        try:
            signed = verify(file, at_signing=True)
        except SelfError as error:
            raise SelfError(
                f"nobody can tell whether a newer image is genuine, as the signature of this one is bad ({error}): "
                "get a new image by hand"
            ) from None
    if signed is None and not (is_protected(release.url) and is_protected(release.zsync)):
        raise SelfError(
            f"neither a signature nor TLS protects what {release.url} sends: anybody on the way could change it"
        )
    return signed


def update(
    image: Image, web: Web, release: Release, *, asked: bool = False, progress: Progress | None = None
) -> Updated:
    """Replace an image.

    Args:
        image: the one that is to be updated.
        web: fetches.
        release: what is to be in its place.
        asked: this very version was asked for, even if it is older than the image.
        progress: is told how far it has got.

    Raises:
        SelfError: it cannot be done, or must not be; the image is as it was.

    """
    place = Place.of(image.file)
    place.check()
    signed = check_protection(image, release)
    before = web.fetched
    try:
        with open(place.path, "rb") as old, place.open_part() as part:
            status = os.fstat(old.fileno())
            if status.st_size == release.size and is_announced(old, release):
                place.discard_part()
                raise SelfError(f"{place.path} is version {release.version} already: start it anew")
            assemble(web, release, [place.path, place.previous], part, progress or (lambda *_: None))
            try:
                _check_digests(part, release)
                older = asked and _order(release.version) < _order(image.version)
                new = check_genuine(part, read_runtime(old).machine, signed, older=older)
            except SelfError:
                place.discard_part()
                raise
            place.publish(part, status)
    except OSError as error:
        raise SelfError(f"cannot update {place.path}: {error.strerror or error}; nothing was changed") from None
    return Updated(
        release.version,
        place.path,
        place.previous,
        web.fetched - before,
        release.size,
        new.primary if new else "",
    )


def roll_back(image: Image) -> Place:
    """Put the previous image into its place again; the newer one is the previous one then.

    Raises:
        SelfError: there is none, or it is not genuine.

    """
    place = Place.of(image.file)
    place.check()
    try:
        with open(place.path, "rb") as file, place.open_previous() as previous, place.open_part():
            try:
                signed = verify(file, at_signing=True)
                check_genuine(previous, read_runtime(file).machine, signed, older=True)
                place.roll_back(previous)
            finally:
                place.discard_part()
    except OSError as error:
        raise SelfError(f"cannot replace {place.path}: {error.strerror or error}; nothing was changed") from None
    return place


def check_genuine(file: BinaryIO, machine: int, old: Signed | None, *, older: bool) -> Signed | None:
    """See that an image is for this machine, and by whoever made the old one.

    Args:
        file: the image.
        machine: what the old one is for.
        old: who signed the old one, and when; None if nobody did.
        older: it may be one from before the old one, whose key may have expired since.

    Returns:
        who signed it.

    Raises:
        SelfError: it is not.

    """
    try:
        runtime = read_runtime(file)
        signed = verify(file, at_signing=older)
    except SelfError as error:
        raise SelfError(f"the new image is refused: {error}") from None
    if runtime.machine != machine:
        raise SelfError("the new image is refused: it is for another kind of machine")
    if old is None:
        return signed
    if signed is None:
        raise SelfError("the new image is refused: it is not signed any more, and this one is")
    # An older image may be by the key that the present one has taken the place of.
    if not old.is_followed_by(signed) and not (older and signed.is_followed_by(old)):
        raise SelfError(
            f"the new image is refused: another key signed it ({signed.primary}) than this one ({old.primary}), "
            "which does not name it as its successor; if its maker says that the key was changed, get the new image by "
            "hand"
        )
    if signed.created < old.created and not older:
        raise SelfError(
            "the new image is refused: it was signed before this one, so it is an older one under a newer name"
        )
    return signed


def _check_digests(part: BinaryIO, release: Release) -> None:
    if not is_announced(part, release):
        raise SelfError(f"{release.url} is not what was announced: its digest is another one")
