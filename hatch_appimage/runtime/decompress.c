/* SPDX-License-Identifier: MIT */
#include "decompress.h"

#include <errno.h>

#include "inflate.h"
#include "squashfs.h"
#include "zstd.h"

/* One a thread: setting a context up costs as much as a small block. */
static _Thread_local ZSTD_DCtx *context;

bool decompress_prepare(int compression)
{
	if (compression == COMPRESSION_ZSTD && !context)
		context = ZSTD_createDCtx();
	return compression != COMPRESSION_ZSTD || context;
}

static int decompress_zstd(uint8_t *to, size_t room, const uint8_t *from, size_t size)
{
	if (!decompress_prepare(COMPRESSION_ZSTD))
		return -ENOMEM;
	size_t got = ZSTD_decompressDCtx(context, to, room, from, size);
	return ZSTD_isError(got) ? -EIO : (int)got;
}

int decompress(int compression, uint8_t *to, size_t room, const uint8_t *from, size_t size)
{
	if (compression == COMPRESSION_ZSTD)
		return decompress_zstd(to, room, from, size);
	return inflate_zlib(to, room, from, size);
}
