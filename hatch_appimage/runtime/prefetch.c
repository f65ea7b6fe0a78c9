/* SPDX-License-Identifier: MIT */
#include "prefetch.h"

#include <errno.h>
#include <linux/fuse.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/random.h>
#include <sys/uio.h>
#include <unistd.h>

#include "fuse.h"
#include "monotonic.h"

enum { MOST = 1 << 14 }; /* files */

/* Of larger files, a start reads parts only: nobody shall wait for all of them. */
static const uint64_t LARGEST = 8u << 20;

/* Bytes of the page cache, whatever the image says. */
static const uint64_t MOST_MEMORY = 256u << 20;

/* The block that a thread has decompressed last. */
struct own_block {
	uint64_t start;
	uint32_t size;
	uint8_t *data;
};

bool push_name(char *name)
{
	uint64_t noise;

	if (getrandom(&noise, sizeof(noise), 0) != sizeof(noise))
		return false;
	snprintf(name, PUSH_NAME_ROOM, ".push%016llx", (unsigned long long)noise);
	return true;
}

void push_open(struct push *push, struct squashfs *fs, struct cache *cache, const char *folder, int more)
{
	*push = (struct push){.fs = fs, .cache = cache, .device = -1, .folder = folder, .more = more};
	pthread_mutex_init(&push->lock, NULL);
	monotonic_cond_init(&push->changed);
}

void push_begin(struct push *push, int device)
{
	pthread_mutex_lock(&push->lock);
	push->device = device;
	pthread_cond_broadcast(&push->changed);
	pthread_mutex_unlock(&push->lock);
}

bool push_names_folder(const struct push *push, const char *name, size_t length)
{
	return !push->over && length == strlen(push->folder) + 1 && !memcmp(name, push->folder, length);
}

void push_listed(struct push *push, uint32_t count)
{
	pthread_mutex_lock(&push->lock);
	if (push->listed < count)
		push->listed = count;
	pthread_cond_broadcast(&push->changed);
	pthread_mutex_unlock(&push->lock);
}

/* The kernel's struct fuse_notify_store_out.  It knows the inodes a moment after the listing has been answered. */
static int store(struct push *push, uint64_t reference, uint64_t offset, const uint8_t *data, uint32_t size)
{
	enum { RETRY_NS = 50 * NS_PER_US, MAX_RETRIES = 400 };
	struct fuse_notify_store_out out = {
		.nodeid = fuse_node(push->fs, reference), .offset = offset, .size = size};
	struct fuse_out_header header = {(uint32_t)(sizeof(header) + sizeof(out) + size), FUSE_NOTIFY_STORE, 0};
	struct iovec parts[] = {{&header, sizeof(header)}, {&out, sizeof(out)}, {(void *)data, size}};

	for (unsigned i = 0;; i++) {
		if (writev(push->device, parts, 3) >= 0)
			return 0;
		if (errno != ENOENT || i == MAX_RETRIES || push->failed) {
			push->failed = true; /* the kernel does not know the inodes, has no memory, or no such request */
			return -errno;
		}
		monotonic_sleep(RETRY_NS);
	}
}

static int load(struct push *push, const struct extent *extent, struct own_block *block)
{
	if (!block->data) {
		block->data = malloc(push->fs->super.block_size);
		block->start = UINT64_MAX;
	}
	if (!block->data)
		return -ENOMEM;
	if (block->start == extent->start)
		return 0;
	int size = squashfs_read_extent(push->fs, extent, block->data);
	block->start = size < 0 ? UINT64_MAX : extent->start;
	block->size = size < 0 ? 0 : (uint32_t)size;
	return size < 0 ? size : 0;
}

/*
 * How much of what ends with the file can be pushed.  Before Linux 6.11, a page that is not stored to its end keeps
 * there what was in the memory before, and programs that map the file see it.
 */
static uint32_t size_in_pages(const struct push *push, uint64_t offset, uint32_t size)
{
	uint64_t end = (offset + size) & ~(uint64_t)(getauxval(AT_PAGESZ) - 1);

	if (push->fills_pages)
		return size;
	return end > offset ? (uint32_t)(end - offset) : 0;
}

/* Where a piece of a file is: the block that holds it, and its place in there. */
static int locate(struct push *push, const struct inode *inode, uint32_t piece, struct extent *extent, uint32_t *at)
{
	static _Thread_local struct block_memo memo = {.reference = UINT64_MAX};
	struct squashfs *fs = push->fs;

	*at = 0;
	if (piece < squashfs_block_count(fs, inode))
		return squashfs_block(fs, inode, piece, &memo, extent);
	*extent = fs->fragments[inode->fragment];
	*at = inode->fragment_offset;
	return 0;
}

/* Most blocks are wanted once: they need no room in the cache. */
static int get_block(struct push *push, const struct extent *extent, struct block_view *view)
{
	static _Thread_local struct own_block own;

	if (cache_holds(push->cache, extent))
		return cache_get(push->cache, extent, view);
	int error = load(push, extent, &own);
	*view = (struct block_view){own.data, own.size, NULL};
	return error;
}

static int push_piece(struct push *push, const struct inode *inode, uint32_t piece)
{
	uint64_t offset = (uint64_t)piece << push->fs->super.block_log;
	uint32_t at, size = push->fs->super.block_size;
	struct block_view block;
	struct extent extent;

	if (inode->size - offset < size)
		size = size_in_pages(push, offset, (uint32_t)(inode->size - offset));
	if (!size)
		return 0;
	int error = locate(push, inode, piece, &extent, &at);
	if (error || !extent.size) /* a hole is read when it is wanted */
		return error;
	error = get_block(push, &extent, &block);
	if (error)
		return error;
	if (at > block.size || size > block.size - at)
		error = -EIO;
	else
		error = store(push, inode->reference, offset, block.data + at, size);
	if (block.block)
		cache_release(push->cache, &block);
	return error;
}

/*
 * Decompresses a file into the cache, as far as `room`, a number of blocks, lasts.  When it gives way, it ends as soon
 * as the kernel knows the first inodes; it returns false then.
 */
static bool load_ahead(struct push *push, const struct push_file *file, uint32_t *room, bool gives_way)
{
	struct block_view block;
	struct extent extent;
	struct inode inode;
	uint32_t at;

	if (squashfs_inode(push->fs, file->reference, &inode))
		return true;
	for (uint32_t piece = 0; piece < file->pieces && *room; piece++) {
		if ((gives_way && push->listed) || locate(push, &inode, piece, &extent, &at))
			return false;
		if (extent.size && !cache_holds(push->cache, &extent) && !cache_get(push->cache, &extent, &block)) {
			cache_release(push->cache, &block);
			--*room;
		}
	}
	return true;
}

/* Any thread may do so for a file that is open. */
static void push_pieces(struct push *push, struct push_file *file)
{
	struct inode inode;
	int error = squashfs_inode(push->fs, file->reference, &inode);

	pthread_mutex_lock(&push->lock);
	while (file->taken < file->pieces) {
		uint32_t piece = file->taken++;
		pthread_mutex_unlock(&push->lock);
		if (!error)
			error = push_piece(push, &inode, piece);
		pthread_mutex_lock(&push->lock);
		if (++file->finished == file->pieces) {
			file->state = PUSH_CLOSED;
			push->open--;
			pthread_cond_broadcast(&push->changed);
		}
	}
	pthread_mutex_unlock(&push->lock);
}

static int compare_references(const void *a, const void *b)
{
	uint64_t left = (*(struct push_file *const *)a)->reference, right = (*(struct push_file *const *)b)->reference;

	return (left > right) - (left < right);
}

static struct push_file *find(const struct push *push, uint64_t reference)
{
	uint32_t low = 0, high = push->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (push->by_reference[middle]->reference < reference)
			low = middle + 1;
		else
			high = middle;
	}
	return low < push->count && push->by_reference[low]->reference == reference ? push->by_reference[low] : NULL;
}

/* Called with the lock held: what is not found by the time it is wanted is not pushed. */
static void wait_until_found(struct push *push)
{
	enum { FIND_NS = 4 * NS_PER_MS }; /* a large tree is not worth more */
	uint64_t end = monotonic_ns() + FIND_NS;

	while (!push->found && !monotonic_cond_wait(&push->changed, &push->lock, end))
		continue;
	push->late = !push->found;
}

uint32_t push_count(struct push *push)
{
	pthread_mutex_lock(&push->lock);
	if (!push->found && !push->late)
		wait_until_found(push);
	uint32_t count = push->count;
	pthread_mutex_unlock(&push->lock);
	return count;
}

bool push_holds(struct push *push, uint64_t reference)
{
	if (push->over)
		return false;
	pthread_mutex_lock(&push->lock);
	const struct push_file *file = find(push, reference);
	bool holds = file && file->state == PUSH_OPEN;
	pthread_mutex_unlock(&push->lock);
	return holds;
}

bool push_hides(struct push *push, uint64_t reference)
{
	if (push->over)
		return false;
	pthread_mutex_lock(&push->lock);
	const struct push_file *file = find(push, reference);
	bool hides = file ? file->state != PUSH_CLOSED : !push->found && !push->late;
	pthread_mutex_unlock(&push->lock);
	return hides;
}

void push_release(struct push *push, uint64_t reference)
{
	if (push->over)
		return;
	pthread_mutex_lock(&push->lock);
	if (!push->found && !push->late)
		wait_until_found(push);
	struct push_file *file = find(push, reference);
	if (file && file->state == PUSH_WAITING) {
		file->state = PUSH_CLOSED;
		pthread_cond_broadcast(&push->changed);
	}
	while (file && file->state == PUSH_OPEN) {
		pthread_mutex_unlock(&push->lock);
		push_pieces(push, file);
		pthread_mutex_lock(&push->lock);
		if (file->state == PUSH_OPEN)
			pthread_cond_wait(&push->changed, &push->lock);
	}
	pthread_mutex_unlock(&push->lock);
}

static int compare_positions(const void *a, const void *b)
{
	uint64_t left = ((const struct push_file *)a)->position, right = ((const struct push_file *)b)->position;

	return (left > right) - (left < right);
}

/* All inodes in the order of their table: walking through the folders takes three times as long. */
static uint32_t find_files(struct squashfs *fs, uint64_t end, struct push_file **files)
{
	uint64_t position = 0;
	uint32_t count = 0, room = 0, left = end ? fs->super.inode_count : 0;
	struct inode inode;

	*files = NULL;
	while (count < MOST && left-- && squashfs_next_inode(fs, &position, &inode) == 1) {
		if (inode.type != TYPE_FILE || !inode.size || warm_position(fs, &inode) >= end)
			continue;
		if (count == room) {
			room = room ? room * 2 : 512;
			struct push_file *more = realloc(*files, room * sizeof(*more));
			if (!more)
				return 0;
			*files = more;
		}
		(*files)[count++] = (struct push_file){
			.reference = inode.reference,
			.position = warm_position(fs, &inode),
			.size = inode.size,
			.state = inode.size > LARGEST ? PUSH_CLOSED : PUSH_WAITING,
			.pieces = squashfs_block_count(fs, &inode) + (inode.fragment != NO_FRAGMENT),
		};
	}
	qsort(*files, count, sizeof(**files), compare_positions);
	return count;
}

bool push_find(struct push *push, uint64_t end)
{
	struct push_file *files;
	uint32_t count = find_files(push->fs, end, &files);
	struct push_file **by_reference = calloc(count + 1, sizeof(struct push_file *));

	for (uint32_t i = 0; by_reference && i < count; i++)
		by_reference[i] = &files[i];
	if (by_reference)
		qsort(by_reference, count, sizeof(*by_reference), compare_references);
	pthread_mutex_lock(&push->lock);
	bool in_time = by_reference && count && !push->late;
	if (in_time) {
		push->files = files;
		push->by_reference = by_reference;
		push->count = count;
	} else {
		push->over = true;
	}
	push->found = true;
	pthread_cond_broadcast(&push->changed);
	pthread_mutex_unlock(&push->lock);
	return in_time;
}

/*
 * Once the kernel has been told of the inode, unless someone has been told of the file.  Who lists the files may have
 * died.
 */
static bool open_file(struct push *push, uint32_t number)
{
	enum { LISTING_NS = NS_PER_S };
	struct push_file *file = &push->files[number];
	uint64_t end = monotonic_ns() + LISTING_NS;

	pthread_mutex_lock(&push->lock);
	while (push->listed <= number && file->state == PUSH_WAITING && !push->failed) {
		if (monotonic_cond_wait(&push->changed, &push->lock, end))
			push->failed = true;
	}
	bool open = file->state == PUSH_WAITING && !push->failed;
	if (open) {
		file->state = PUSH_OPEN;
		push->open++;
	}
	pthread_mutex_unlock(&push->lock);
	return open;
}

/* Others may still be pushing what they have taken. */
static void end(struct push *push)
{
	pthread_mutex_lock(&push->lock);
	while (push->open)
		pthread_cond_wait(&push->changed, &push->lock);
	push->over = true;
	pthread_mutex_unlock(&push->lock);
}

void push_all(struct push *push)
{
	uint32_t first = push->count < PUSH_FIRST ? push->count : PUSH_FIRST;
	uint32_t room = push->cache->block_count / 4 * 3;
	uint64_t memory = 0;

	for (uint32_t i = 0; i < first && load_ahead(push, &push->files[i], &room, true); i++)
		continue;
	for (uint32_t i = 0; i < push->count && !push->failed && memory < MOST_MEMORY; i++) {
		struct push_file *file = &push->files[i];
		if (i < first && file->size > LARGEST)
			load_ahead(push, file, &room, false);
		if (i == PUSH_FIRST)
			(void)!write(push->more, "", 1);
		if (open_file(push, i)) {
			memory += file->size;
			push_pieces(push, file);
		}
	}
	end(push);
}
