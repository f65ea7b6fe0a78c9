/* SPDX-License-Identifier: MIT */
#ifndef DECOMPRESS_H
#define DECOMPRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Takes the memory that decompressing needs in this thread; false when there is none. */
bool decompress_prepare(int compression);
/* One whole compressed block into `to`; returns its size, -EIO when it is damaged or does not fit, or -ENOMEM. */
int decompress(int compression, uint8_t *to, size_t room, const uint8_t *from, size_t size);

#endif
