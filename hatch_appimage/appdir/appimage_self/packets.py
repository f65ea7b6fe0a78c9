# SPDX-License-Identifier: MIT
"""OpenPGP packets, and the armor around them (RFC 9580, sections 4 to 6): read strictly, in the forms of files."""

from __future__ import annotations

import base64
import binascii
import re
from typing import NamedTuple

from .errors import SelfError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterator

_ARMOR = re.compile(
    rb"-----BEGIN PGP (?P<kind>[A-Z ]+)-----\r?\n(?:[A-Za-z]+: [^\r\n]*\r?\n)*\r?\n"
    rb"(?P<data>[A-Za-z0-9+/=\r\n]+?)(?:\r?\n=[A-Za-z0-9+/]{4})?\r?\n-----END PGP (?P=kind)-----\s*"
)
# Section 4.2.1: from these first octets on, a length has two octets, or is that of a part; this one has five.
_TWO, _PARTIAL, _FIVE = 192, 224, 255
# Section 4.2.2: the packet goes on to the end of the file.
_ENDLESS = 3


class Packet(NamedTuple):
    """A packet.

    Attributes:
        tag: what it is (section 5).
        body: what is in it.

    """

    tag: int
    body: bytes


class Reader:
    """Reads fields of bytes that nobody vouches for; every method raises SelfError where they end early."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    def __bool__(self) -> bool:
        return self._position < len(self._data)

    def take(self, size: int) -> bytes:
        """Return the next bytes."""
        end = self._position + size
        if end > len(self._data):
            raise SelfError("a packet of the signature or its key ends early")
        found, self._position = self._data[self._position : end], end
        return found

    def number(self, size: int) -> int:
        """Return the next bytes as a number, the highest first."""
        return int.from_bytes(self.take(size), "big")

    def integer(self) -> int:
        """Return a multiprecision integer (section 3.2)."""
        bits = self.number(2)
        value = int.from_bytes(self.take((bits + 7) // 8), "big")
        if value.bit_length() > bits:
            raise SelfError("a number in the signature or its key has a wrong length")
        return value

    def length(self) -> int:
        """Return a length of a packet or a subpacket (sections 4.2.1 and 5.2.3.7)."""
        first = self.number(1)
        if first < _TWO:
            return first
        if first == _FIVE:
            return self.number(4)
        return (first - _TWO << 8) + self.number(1) + _TWO

    def partial_follows(self) -> bool:
        """Whether the next length is that of a part only, which signatures and keys have none of."""
        return bool(self) and _PARTIAL <= self._data[self._position] < _FIVE

    def rest(self) -> bytes:
        """Return all that is left."""
        return self.take(len(self._data) - self._position)


def remove_armor(text: bytes, kind: str) -> bytes:
    """Return what armor protects.

    Raises:
        SelfError: it is not of this kind, or there is more than one.

    """
    match = _ARMOR.fullmatch(text)
    if match is None or match["kind"].decode() != kind:
        raise SelfError(f"there is no {kind.lower()} in armor")
    try:
        return base64.b64decode(re.sub(rb"[\r\n]", b"", match["data"]), validate=True)
    except binascii.Error:
        raise SelfError(f"the armor of the {kind.lower()} is damaged") from None


def read_packets(data: bytes) -> Iterator[Packet]:
    """Yield the packets of a message (section 4.2).

    Raises:
        SelfError: it is damaged.

    """
    reader = Reader(data)
    while reader:
        first = reader.number(1)
        if not first & 0x80:
            raise SelfError("the signature or its key is damaged")
        if first & 0x40:
            if reader.partial_follows():
                raise SelfError("a packet of the signature or its key comes in parts")
            yield Packet(first & 0x3F, reader.take(reader.length()))
        elif first & 3 == _ENDLESS:
            raise SelfError("a packet of the signature or its key has no length")
        else:
            yield Packet(first >> 2 & 15, reader.take(reader.number(1 << (first & 3))))
