# SPDX-License-Identifier: MIT
"""Verify the signature that is embedded in an image, as AppImageUpdate does.

What is signed are the 64 hexadecimal digits of the SHA-256 of the file, signature and key being zeros in it.
"""

from __future__ import annotations

import time
from typing import NamedTuple

from .elf import KEY, SIGNATURE, read_runtime, read_section, signed_digest
from .errors import SelfError
from .openpgp import BINARY, TEXT, read_certificate, read_signature
from .packets import read_packets, remove_armor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

    from .openpgp import Certificate

_BEGIN = b"-----BEGIN PGP SIGNATURE-----"
_SIGNATURE_TAG = 2
# Clocks differ; in seconds.
_CLOCK_SKEW = 24 * 60 * 60


class Signed(NamedTuple):
    """A good signature.

    Attributes:
        fingerprint: of the key that signed, in hexadecimal.
        certificate: the key that this one belongs to, which is its owner's identity.
        created: when, in seconds since the epoch.

    """

    fingerprint: str
    certificate: Certificate
    created: int

    @property
    def primary(self) -> str:
        """Fingerprint of the owner's identity, in hexadecimal."""
        return self.certificate.primary.fingerprint

    def is_followed_by(self, other: Signed) -> bool:
        """Whether who signed the other may do so in place of who signed this one."""
        return other.primary == self.primary or other.certificate.succeeds(self.certificate.primary)


def verify(file: BinaryIO, *, at_signing: bool = False) -> Signed | None:
    """Verify the signature of an image by the key that is in it.

    Args:
        file: the image.
        at_signing: key and signature need not have expired when it was signed, for an image that is trusted already:
            its maker may have extended the key since.

    Returns:
        by whom and when; None if there is no signature.

    Raises:
        SelfError: it is a bad one, or one that cannot be verified here; the text is the end of a sentence.

    """
    runtime = read_runtime(file)
    text = read_section(file, runtime, SIGNATURE)
    # Some tools put a bare digest there.
    if not text.startswith(_BEGIN):
        return None
    packets = list(read_packets(remove_armor(text, "SIGNATURE")))
    if [packet.tag for packet in packets] != [_SIGNATURE_TAG]:
        raise SelfError("there is not exactly one signature")
    signature = read_signature(packets[0].body)
    if signature.type not in {BINARY, TEXT}:
        raise SelfError("the signature is of something else than a file")
    certificate = read_certificate(remove_armor(read_section(file, runtime, KEY), "PUBLIC KEY BLOCK"))
    signer = certificate.signer_of(signature, signed_digest(file, runtime).encode())
    if signer is None:
        raise SelfError("the image was changed after it was signed, or another key signed it than is in it")
    key, expires = signer
    now = time.time()
    moment = signature.created if at_signing else now
    if signature.expires and signature.created + signature.expires < moment:
        raise SelfError("the signature has expired")
    if expires and expires < moment:
        raise SelfError("the key has expired")
    if signature.created > now + _CLOCK_SKEW or signature.created < key.created:
        raise SelfError("the signature was made at a time that cannot be: see whether this machine's clock is right")
    return Signed(key.fingerprint, certificate, signature.created)
