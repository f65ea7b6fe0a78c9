/* SPDX-License-Identifier: MIT */
#ifndef DECOMPRESS_H
#define DECOMPRESS_H

#include <stddef.h>
#include <stdint.h>

/* One whole compressed block into `to`; returns its size, or -EIO when it is damaged or does not fit. */
int decompress(int compression, uint8_t *to, size_t room, const uint8_t *from, size_t size);

#endif
