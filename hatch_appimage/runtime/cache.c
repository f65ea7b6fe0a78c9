/* SPDX-License-Identifier: MIT */
#include "cache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

static const uint32_t MEMORY = 24u << 20;
static const uint32_t MAX_BLOCKS = 512; /* they are searched one by one */

enum state { EMPTY, LOADING, READY };

struct cached_block {
	uint64_t start; /* of the extent in the image */
	uint8_t *data;
	uint32_t size;
	uint32_t holders;
	uint32_t used; /* the cache's clock when it was last wanted */
	enum state state;
};

/* A limited address space has to hold tables, threads and decompressors as well. */
static uint32_t memory_to_take(void)
{
	enum { SHARE = 4 };
	struct rlimit limit;

	return getrlimit(RLIMIT_AS, &limit) || limit.rlim_cur / SHARE > MEMORY ? MEMORY
	                                                                       : (uint32_t)(limit.rlim_cur / SHARE);
}

static void *map(const struct cache *cache)
{
	return mmap(NULL, (size_t)cache->block_count * cache->fs->super.block_size, PROT_READ | PROT_WRITE,
	            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}

int cache_open(struct cache *cache, struct squashfs *fs, uint32_t users)
{
	uint32_t size = fs->super.block_size, room = memory_to_take() / size;

	memset(cache, 0, sizeof(*cache));
	cache->fs = fs;
	cache->block_count = room < MAX_BLOCKS ? room : MAX_BLOCKS;
	if (cache->block_count <= users)
		cache->block_count = users + 1;
	/* Takes memory as blocks are filled for the first time; RLIMIT_AS counts all of it. */
	while ((cache->memory = map(cache)) == MAP_FAILED) {
		if (cache->block_count == users + 1)
			return -ENOMEM;
		cache->block_count = cache->block_count / 2 > users ? cache->block_count / 2 : users + 1;
	}
	cache->blocks = calloc(cache->block_count, sizeof(*cache->blocks));
	if (!cache->blocks) {
		munmap(cache->memory, (size_t)cache->block_count * size);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < cache->block_count; i++)
		cache->blocks[i].data = cache->memory + (size_t)i * size;
	pthread_mutex_init(&cache->lock, NULL);
	pthread_cond_init(&cache->loaded, NULL);
	return 0;
}

void cache_close(struct cache *cache)
{
	munmap(cache->memory, (size_t)cache->block_count * cache->fs->super.block_size);
	free(cache->blocks);
}

static struct cached_block *find(struct cache *cache, uint64_t start)
{
	for (uint32_t i = 0; i < cache->block_count; i++) {
		struct cached_block *block = &cache->blocks[i];
		if (block->state != EMPTY && block->start == start)
			return block;
	}
	return NULL;
}

/* The block that nobody holds and that was wanted longest ago. */
static struct cached_block *oldest(struct cache *cache)
{
	struct cached_block *best = NULL;

	for (uint32_t i = 0; i < cache->block_count; i++) {
		struct cached_block *block = &cache->blocks[i];
		if (block->holders)
			continue;
		if (block->state == EMPTY)
			return block;
		if (!best || cache->clock - block->used > cache->clock - best->used)
			best = block;
	}
	return best;
}

/* Called and left with the lock held; not held while decompressing. */
static int load(struct cache *cache, struct cached_block *block, const struct extent *extent)
{
	block->state = LOADING;
	block->start = extent->start;
	block->holders++;
	pthread_mutex_unlock(&cache->lock);
	int size = squashfs_read_extent(cache->fs, extent, block->data);
	pthread_mutex_lock(&cache->lock);
	block->state = size < 0 ? EMPTY : READY;
	block->size = size < 0 ? 0 : (uint32_t)size;
	block->used = ++cache->clock;
	block->holders--;
	pthread_cond_broadcast(&cache->loaded);
	return size < 0 ? size : 0;
}

bool cache_holds(struct cache *cache, const struct extent *extent)
{
	pthread_mutex_lock(&cache->lock);
	struct cached_block *block = find(cache, extent->start);
	bool ready = block && block->state == READY;
	pthread_mutex_unlock(&cache->lock);
	return ready;
}

int cache_get(struct cache *cache, const struct extent *extent, struct block_view *view)
{
	struct cached_block *block;
	int error = 0;

	pthread_mutex_lock(&cache->lock);
	while ((block = find(cache, extent->start)) && block->state == LOADING)
		pthread_cond_wait(&cache->loaded, &cache->lock);
	if (!block) {
		block = oldest(cache); /* there is one: more blocks than users */
		error = load(cache, block, extent);
	}
	if (!error) {
		block->holders++;
		block->used = ++cache->clock;
		*view = (struct block_view){block->data, block->size, block};
	}
	pthread_mutex_unlock(&cache->lock);
	return error;
}

void cache_release(struct cache *cache, struct block_view *view)
{
	pthread_mutex_lock(&cache->lock);
	view->block->holders--;
	pthread_mutex_unlock(&cache->lock);
}
