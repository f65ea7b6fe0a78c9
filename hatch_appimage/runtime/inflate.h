/* SPDX-License-Identifier: MIT */
#ifndef INFLATE_H
#define INFLATE_H

#include <stddef.h>
#include <stdint.h>

/* Decompresses one zlib stream (RFC 1950); returns its size, or -EIO when it is damaged or does not fit. */
int inflate_zlib(uint8_t *to, size_t room, const uint8_t *from, size_t size);

#endif
