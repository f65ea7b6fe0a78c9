/* SPDX-License-Identifier: MIT */
/* Decompressed blocks, shared by threads, in bounded memory. */
#ifndef CACHE_H
#define CACHE_H

#include "squashfs.h"

struct cached_block;

struct cache {
	struct squashfs *fs;
	uint8_t *memory; /* of all blocks */
	struct cached_block *blocks;
	uint32_t block_count;
	uint32_t clock;
	pthread_mutex_t lock;
	pthread_cond_t loaded;
};

/* Bytes of a block that stay where they are until cache_release(). */
struct block_view {
	const uint8_t *data;
	uint32_t size;
	struct cached_block *block;
};

/* `users` is the number of blocks that may be held at a time.  With little memory, it holds hardly more. */
int cache_open(struct cache *cache, struct squashfs *fs, uint32_t users);
void cache_close(struct cache *cache);
/* Whether cache_get() would return at once. */
bool cache_holds(struct cache *cache, const struct extent *extent);
int cache_get(struct cache *cache, const struct extent *extent, struct block_view *view);
void cache_release(struct cache *cache, struct block_view *view);

#endif
