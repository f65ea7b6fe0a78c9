# SPDX-License-Identifier: MIT
"""Verify signatures by Ed25519 (RFC 8032, section 5.1). There is no secret here, so nothing has to take equal time."""

from __future__ import annotations

import hashlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Tuple

    # Extended homogeneous coordinates (section 5.1.4): X, Y, Z, T with x = X/Z, y = Y/Z, x * y = T/Z.
    Point = Tuple[int, int, int, int]

SIZE = 32
_P = 2**255 - 19
_L = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, _P - 2, _P) % _P
_ROOT_OF_MINUS_ONE = pow(2, (_P - 1) // 4, _P)
_NEUTRAL = (0, 1, 1, 0)


def verify(key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether a signature of a message is by a key.

    Args:
        key: 32 bytes.
        message: what is signed.
        signature: 64 bytes.

    """
    public, point = _decode(key), _decode(signature[:SIZE])
    scalar = int.from_bytes(signature[SIZE:], "little")
    if public is None or point is None or len(signature) != 2 * SIZE or scalar >= _L:
        return False
    challenge = int.from_bytes(hashlib.sha512(signature[:SIZE] + key + message).digest(), "little") % _L
    left, right = _multiply(scalar, _BASE), _add(point, _multiply(challenge, public))
    return _are_equal(left, right)


def _add(first: Point, second: Point) -> Point:
    a = (first[1] - first[0]) * (second[1] - second[0]) % _P
    b = (first[1] + first[0]) * (second[1] + second[0]) % _P
    c = 2 * first[3] * second[3] * _D % _P
    d = 2 * first[2] * second[2] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _multiply(scalar: int, point: Point) -> Point:
    result: Point = _NEUTRAL
    while scalar:
        if scalar & 1:
            result = _add(result, point)
        point = _add(point, point)
        scalar >>= 1
    return result


def _are_equal(first: Point, second: Point) -> bool:
    return (first[0] * second[2] - second[0] * first[2]) % _P == 0 and (
        first[1] * second[2] - second[1] * first[2]
    ) % _P == 0


def _decode(data: bytes) -> Point | None:
    """Return a point (section 5.1.3); None where the bytes are of none, or not the only form of one."""
    if len(data) != SIZE:
        return None
    number = int.from_bytes(data, "little")
    sign, y = number >> 255, number & (1 << 255) - 1
    if y >= _P:
        return None
    square = (y * y - 1) * pow(_D * y * y + 1, _P - 2, _P) % _P
    x = pow(square, (_P + 3) // 8, _P)
    if x * x % _P != square:
        x = x * _ROOT_OF_MINUS_ONE % _P
    if x * x % _P != square or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = _P - x
    return x, y, 1, x * y % _P


_BASE = _decode((4 * pow(5, _P - 2, _P) % _P).to_bytes(SIZE, "little")) or _NEUTRAL
