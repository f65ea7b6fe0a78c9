import ctypes
import ctypes.util

from native_ext._yaml import count_scalars

DOCUMENT = "names: [ada, grace]\n"


def main():
    by_name = ctypes.CDLL("libsodium.so.23")
    found = ctypes.CDLL(ctypes.util.find_library("sodium"))
    assert by_name.sodium_init() >= 0
    digest = ctypes.create_string_buffer(32)
    found.crypto_generichash(digest, ctypes.c_size_t(32), DOCUMENT.encode(), ctypes.c_ulonglong(20), None, 0)
    print(f"{count_scalars(DOCUMENT)} scalars, {digest.raw.hex()[:8]}")
