/* SPDX-License-Identifier: MIT */
/* libFuzzer's way into the decompressor for gzip images: whatever it returns stays within its buffers. */
#include <stdlib.h>
#include <string.h>

#include "inflate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum { ROOM = 1 << 16 };
	/* Of exactly these sizes, so that the sanitizer sees every step beyond them. */
	uint8_t *from = malloc(size), *to = malloc(ROOM);

	memcpy(from, data, size);
	int got = inflate_zlib(to, ROOM, from, size);
	if (got > ROOM)
		abort();
	free(from);
	free(to);
	return 0;
}
