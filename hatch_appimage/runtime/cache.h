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
	uint32_t ahead; /* blocks that were read ahead and that nobody has wanted yet */
	pthread_mutex_t lock;
	pthread_cond_t loaded;
	pthread_cond_t wanted;
};

/* Bytes of a block that stay where they are until cache_release(). */
struct block_view {
	const uint8_t *data;
	uint32_t size;
	struct cached_block *block;
};

/* `users` is the number of blocks that may be held at a time. */
int cache_open(struct cache *cache, struct squashfs *fs, uint32_t users);
int cache_get(struct cache *cache, const struct extent *extent, struct block_view *view);
/* Brings a block in for later.  Waits while half the cache holds such blocks, until they are wanted. */
void cache_read_ahead(struct cache *cache, const struct extent *extent);
void cache_release(struct cache *cache, struct block_view *view);

#endif
