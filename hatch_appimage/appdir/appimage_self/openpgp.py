# SPDX-License-Identifier: MIT
"""Keys and signatures of OpenPGP, version 4 (RFC 9580, sections 5.2 and 5.5): RSA and Ed25519 alone, verified strictly.

What is unknown is refused: a kind of key, a hash, a critical subpacket.
"""

from __future__ import annotations

import hashlib
import struct
import time
from typing import NamedTuple

from . import ed25519
from .errors import SelfError
from .packets import Reader, read_packets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from .packets import Packet

_VERSION = 4
SIGNATURE, KEY, USER, SUBKEY = 2, 6, 13, 14
# Section 9.1. DSA, ElGamal and ECDSA are not among them.
_RSA, _EDDSA, _ED25519 = frozenset({1, 3}), 22, 27
# Curve OID of Ed25519 in keys of the older kind (section 9.2), behind its length.
_CURVE = bytes.fromhex("092b06010401da470f01")
_NATIVE_POINT = b"\x40"
_RSA_BITS = range(2048, 8193)
_MAX_EXPONENT = 1 << 64
# Section 9.5, with the DigestInfo that RSA puts before each (RFC 8017, section 9.2).
_HASHES = {
    8: ("sha256", bytes.fromhex("3031300d060960864801650304020105000420")),
    9: ("sha384", bytes.fromhex("3041300d060960864801650304020205000430")),
    10: ("sha512", bytes.fromhex("3051300d060960864801650304020305000440")),
}
# Section 5.2.1.
BINARY, TEXT = 0x00, 0x01
CERTIFICATIONS = frozenset({0x10, 0x11, 0x12, 0x13})
BINDING, BACK_SIGNATURE, DIRECT, REVOCATION, SUBKEY_REVOCATION = 0x18, 0x19, 0x1F, 0x20, 0x28
CERTIFICATION_REVOCATION = 0x30
# Section 5.2.3.7: those that change what a signature means; others are for people or for other tools.
_CREATED, _EXPIRES, _KEY_EXPIRES, _ISSUER, _NOTATION, _FLAGS, _EMBEDDED, _FINGERPRINT = 2, 3, 9, 16, 20, 27, 32, 33
# By this notation (section 5.2.3.24) a key that certifies another says that the other may sign updates in its place. A
# certification without it says who somebody is, and nothing of updates.
_SUCCESSOR = (b"successor@hatch-appimage", b"yes")
_MAY_SIGN = 2
_IGNORED = frozenset({4, 5, 6, 7, 10, 11, 12, 21, 22, 23, 24, 25, 26, 28, 29, 30, 31, 34, 35, 37, 38, 39})


class Key(NamedTuple):
    """A public key.

    Attributes:
        fingerprint: in hexadecimal, in capitals.
        created: in seconds since the epoch.
        body: of its packet.
        numbers: modulus and exponent of RSA, or None.
        point: of Ed25519, 32 bytes, or None.

    """

    fingerprint: str
    created: int
    body: bytes
    numbers: tuple[int, int] | None
    point: bytes | None

    @property
    def hashed(self) -> bytes:
        """As what it is part of signatures of keys (section 5.2.4)."""
        return b"\x99" + struct.pack(">H", len(self.body)) + self.body


class Signature(NamedTuple):
    """A signature.

    Attributes:
        type: what it is of.
        hash: number of the hash.
        created: in seconds since the epoch.
        expires: so many seconds after that; 0 for never.
        key_expires: so many seconds after the key was created; 0 for never.
        issuer: fingerprint or the last 16 digits of it, in hexadecimal; empty if it does not say.
        flags: what the key is for; None if it does not say.
        embedded: bodies of signatures in it.
        names_successor: it says that the key that it certifies may sign in place of the key that made it.
        trailer: what is hashed behind the data.
        number: what RSA computed, or None.
        point: what Ed25519 computed, 64 bytes, or None.

    """

    type: int
    hash: int
    created: int
    expires: int
    key_expires: int
    issuer: str
    flags: int | None
    embedded: tuple[bytes, ...]
    names_successor: bool
    trailer: bytes
    number: int | None
    point: bytes | None


def read_key(body: bytes) -> Key:
    """Read the body of a public key's packet (section 5.5.2).

    Raises:
        SelfError: it is damaged, or its kind is not known here.

    """
    reader = Reader(body)
    if reader.number(1) != _VERSION:
        raise SelfError("the key is of another version of OpenPGP than 4")
    created, algorithm = reader.number(4), reader.number(1)
    numbers, point = None, None
    if algorithm in _RSA:
        numbers = reader.integer(), reader.integer()
        if numbers[0].bit_length() not in _RSA_BITS or not (numbers[1] & 1 and 1 < numbers[1] < _MAX_EXPONENT):
            raise SelfError("the key is an RSA key of a size that nobody uses")
    elif algorithm == _EDDSA and reader.take(len(_CURVE)) == _CURVE:
        number = reader.integer()
        if number.bit_length() > 8 * (ed25519.SIZE + 1) or number >> 8 * ed25519.SIZE != _NATIVE_POINT[0]:
            raise SelfError("the Ed25519 key is damaged")
        point = number.to_bytes(ed25519.SIZE + 1, "big")[1:]
    elif algorithm == _ED25519:
        point = reader.take(ed25519.SIZE)
    else:
        raise SelfError("the key is of a kind that cannot be verified here: RSA and Ed25519 can")
    if reader:
        raise SelfError("the key has more behind it")
    fingerprint = hashlib.sha1(b"\x99" + struct.pack(">H", len(body)) + body).hexdigest().upper()  # noqa: S324
    return Key(fingerprint, created, body, numbers, point)


def read_signature(body: bytes) -> Signature:
    """Read the body of a signature's packet (section 5.2.3).

    Raises:
        SelfError: it is damaged, or something in it is not known here.

    """
    reader = Reader(body)
    if reader.number(1) != _VERSION:
        raise SelfError("the signature is of another version of OpenPGP than 4")
    kind, algorithm, digest = reader.number(1), reader.number(1), reader.number(1)
    hashed = reader.take(reader.number(2))
    fields = _read_subpackets(hashed, hashed=True)
    unhashed = _read_subpackets(reader.take(reader.number(2)), hashed=False)
    if digest not in _HASHES:
        raise SelfError("the signature uses a hash that is too weak, or not known here")
    reader.take(2)  # the beginning of the digest
    number, point = None, None
    if algorithm in _RSA:
        number = reader.integer()
    elif algorithm == _EDDSA:
        point = b"".join(_native(reader.integer()) for _ in range(2))
    elif algorithm == _ED25519:
        point = reader.take(2 * ed25519.SIZE)
    else:
        raise SelfError("the signature is of a kind that cannot be verified here: RSA and Ed25519 can")
    if reader or _CREATED not in fields:
        raise SelfError("the signature is damaged")
    trailer = body[: 6 + len(hashed)]
    return Signature(
        type=kind,
        hash=digest,
        created=fields[_CREATED],
        expires=fields.get(_EXPIRES, 0),
        key_expires=fields.get(_KEY_EXPIRES, 0),
        issuer=fields.get(_FINGERPRINT)
        or unhashed.get(_FINGERPRINT)
        or fields.get(_ISSUER)
        or unhashed.get(_ISSUER, ""),
        flags=fields.get(_FLAGS),
        embedded=(*fields.get(_EMBEDDED, ()), *unhashed.get(_EMBEDDED, ())),
        names_successor=kind in CERTIFICATIONS and fields.get(_NOTATION, False),
        trailer=trailer + b"\x04\xff" + struct.pack(">I", len(trailer)),
        number=number,
        point=point,
    )


def _native(number: int) -> bytes:
    if number.bit_length() > 8 * ed25519.SIZE:
        raise SelfError("the signature is damaged")
    return number.to_bytes(ed25519.SIZE, "big")


def _read_subpackets(data: bytes, *, hashed: bool) -> dict[int, Any]:
    """Return what the subpackets say, by their types; of what is not signed no more than helps to find the key."""
    reader = Reader(data)
    found: dict[int, Any] = {}
    while reader:
        content = Reader(reader.take(reader.length()))
        first = content.number(1)
        kind, is_critical = first & 0x7F, first & 0x80
        if kind == _EMBEDDED:
            found[kind] = (*found.get(kind, ()), content.rest())
        elif kind == _ISSUER:
            found[kind] = content.take(8).hex().upper()
        elif kind == _FINGERPRINT:
            found[kind] = content.rest()[1:].hex().upper()
        elif kind in {_CREATED, _EXPIRES, _KEY_EXPIRES} and hashed:
            found[kind] = content.number(4)
        elif kind == _FLAGS and hashed:
            found[kind] = content.number(1) if content else 0
        elif kind == _NOTATION and hashed and _read_notation(content) == _SUCCESSOR:
            found[kind] = True
        elif is_critical and hashed and kind not in _IGNORED:
            raise SelfError("the signature depends on something that is not known here")
    return found


def _read_notation(content: Reader) -> tuple[bytes, bytes]:
    """Return name and value of a notation."""
    content.take(4)  # flags: whether it is text
    sizes = content.number(2), content.number(2)
    return content.take(sizes[0]), content.take(sizes[1])


def is_by(signature: Signature, key: Key, data: bytes) -> bool:
    """Whether a signature of some data is by a key; whether that may sign is another question."""
    name, prefix = _HASHES[signature.hash]
    digest = hashlib.new(name, data + signature.trailer).digest()
    if key.point is not None and signature.point is not None:
        return ed25519.verify(key.point, digest, signature.point)
    if key.numbers is None or signature.number is None:
        return False
    modulus, exponent = key.numbers
    size = (modulus.bit_length() + 7) // 8
    padding = b"\xff" * (size - 3 - len(prefix) - len(digest))
    expected = b"\x00\x01" + padding + b"\x00" + prefix + digest
    found = pow(signature.number, exponent, modulus).to_bytes(size, "big") if signature.number < modulus else b""
    return found == expected


class Certificate(NamedTuple):
    """A key with what it says of itself.

    Attributes:
        primary: the key that is its identity.
        signers: keys that may sign, each with the time in seconds since the epoch when it expires; 0 for never.
        certifications: signatures of it that are not its own, or take such a one back, each with what it is of.

    """

    primary: Key
    signers: tuple[tuple[Key, int], ...]
    certifications: tuple[tuple[Signature, bytes], ...]

    def signer_of(self, signature: Signature, data: bytes) -> tuple[Key, int] | None:
        """Return the key that made a signature of some data, and when it expires; None if none of these did."""
        for key, expires in self.signers:
            named = not signature.issuer or key.fingerprint.endswith(signature.issuer)
            if named and is_by(signature, key, data):
                return key, expires
        return None

    def succeeds(self, other: Key) -> bool:
        """Whether another key says that this one may sign in its place, and has not taken it back."""
        theirs = [each for each, signed in self.certifications if is_by(each, other, signed)]
        if any(each.type == CERTIFICATION_REVOCATION for each in theirs):
            return False
        now = time.time()
        return any(each.names_successor and not (each.expires and each.created + each.expires < now) for each in theirs)


def read_certificate(data: bytes) -> Certificate:
    """Read an exported public key (section 10.1), and verify what it says of itself.

    Raises:
        SelfError: it is damaged or revoked, or has nothing that may sign.

    """
    primary, parts = _split(data)
    own, others = [], []
    for each, signed in _statements(primary, parts):
        if is_by(each, primary, signed):
            own.append(each)
        else:
            others.append((each, signed))
    if any(each.type == REVOCATION for each in own):
        raise SelfError("the key was revoked")
    statements = [each for each in own if each.type == DIRECT or each.type in CERTIFICATIONS]
    if not statements:
        raise SelfError("the key does not vouch for itself")
    newest = max(statements, key=lambda each: each.created)
    expires = primary.created + newest.key_expires if newest.key_expires else 0
    signers = []
    if newest.flags is None or newest.flags & _MAY_SIGN:
        signers.append((primary, expires))
    for packet, signatures in parts:
        if packet.tag == SUBKEY:
            signers += _signing_subkey(primary, packet, signatures, expires)
    if not signers:
        raise SelfError("the key may not sign")
    return Certificate(primary, tuple(signers), tuple(others))


def _split(data: bytes) -> tuple[Key, list[tuple[Packet, list[Signature]]]]:
    """Return the key, and each of its parts with the signatures of it; the first part is the key itself."""
    packets = list(read_packets(data))
    if not packets or packets[0].tag != KEY or sum(each.tag == KEY for each in packets) != 1:
        raise SelfError("there is not exactly one key")
    parts: list[tuple[Packet, list[Signature]]] = []
    for packet in packets:
        if packet.tag != SIGNATURE:
            parts.append((packet, []))
            continue
        try:
            parts[-1][1].append(read_signature(packet.body))
        except SelfError:  # of somebody else, or of a kind that says nothing here
            continue
    return read_key(packets[0].body), parts


def _statements(primary: Key, parts: Iterable[tuple[Packet, list[Signature]]]) -> Iterator[tuple[Signature, bytes]]:
    """Yield the signatures of a key and its owner, by whomever, each with what it is of."""
    for packet, signatures in parts:
        for each in signatures:
            if packet.tag == KEY and each.type in {DIRECT, REVOCATION}:
                yield each, primary.hashed
            elif packet.tag == USER and each.type in {*CERTIFICATIONS, CERTIFICATION_REVOCATION}:
                yield each, primary.hashed + b"\xb4" + struct.pack(">I", len(packet.body)) + packet.body


def _signing_subkey(primary: Key, packet: Packet, signatures: list[Signature], expires: int) -> list[tuple[Key, int]]:
    """Return a subkey that its key has bound to itself for signing, and when it expires; nothing for another one."""
    try:
        subkey = read_key(packet.body)
    except SelfError:  # for encryption
        return []
    bound = primary.hashed + subkey.hashed
    own = [each for each in signatures if is_by(each, primary, bound)]
    bindings = [each for each in own if each.type == BINDING]
    if any(each.type == SUBKEY_REVOCATION for each in own) or not bindings:
        return []
    newest = max(bindings, key=lambda each: each.created)
    if not (newest.flags or 0) & _MAY_SIGN:
        return []
    # The subkey has to agree, or else anybody could take another's for their own (section 5.2.1, type 0x19).
    back = [read_signature(each) for each in newest.embedded]
    if not any(each.type == BACK_SIGNATURE and is_by(each, subkey, bound) for each in back):
        return []
    ends = [subkey.created + newest.key_expires if newest.key_expires else 0, expires]
    return [(subkey, min(filter(None, ends), default=0))]
