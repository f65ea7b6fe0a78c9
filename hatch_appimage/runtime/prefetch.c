/* SPDX-License-Identifier: MIT */
#include "prefetch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/random.h>
#include <unistd.h>

#include "fuse_protocol.h"
#include "monotonic.h"
#include "process.h"
#include "startup_list.h"

enum {
	FIRST_FILES = 8, /* that the first listing has */
	MAX_FILES = 1 << 14,
	ZEROED_PAGES_MINOR = 41, /* Linux 6.12's; some kernels with 40 leave there what was in the memory before */
};

/* Of larger files, a start reads parts only: nobody shall wait for all of them. */
static const uint64_t MAX_FILE_SIZE = 16u << 20;

/* Bytes of the page cache, whatever the image says. */
static const uint64_t MAX_MEMORY = 256u << 20;

enum file_state { FILE_WAITING, FILE_OPEN, FILE_CLOSED };

struct file {
	uint64_t reference;
	uint64_t position; /* see startup_list_position() */
	enum file_state state;
	uint64_t size;
	uint32_t pieces; /* blocks, and the tail in a fragment */
	uint32_t taken;
	uint32_t finished;
};

struct prefetch {
	const struct prefetch_plan *plan;
	struct squashfs *fs;
	struct cache *cache;
	int device;              /* -1: none yet */
	atomic_bool zeros_pages; /* the kernel makes all of a page zero that lies behind a file's end */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct file *files; /* in the order in which they are read */
	uint32_t count;
	struct file **by_reference;
	bool found;
	bool missed;             /* a file was wanted before */
	_Atomic uint32_t listed; /* files whose inodes the kernel has been told of */
	atomic_bool failed;      /* the kernel takes no more */
	atomic_bool done;        /* no file is prefetched any more */
	uint32_t open;           /* files that are being prefetched */
};

/* The block that a thread has decompressed last. */
struct own_block {
	uint64_t start;
	uint32_t size;
	uint8_t *data;
};

/* False when there is no randomness. */
static bool name_directory(char name[PREFETCH_NAME_ROOM])
{
	uint64_t noise;

	if (getrandom(&noise, sizeof(noise), 0) != sizeof(noise))
		return false;
	snprintf(name, PREFETCH_NAME_ROOM, ".prefetch%016llx", (unsigned long long)noise);
	return true;
}

static bool is_wanted(const struct prefetch_plan *plan)
{
	return plan->ranges.front.end > plan->ranges.front.start;
}

void prefetch_decide(struct prefetch_plan *plan, int image)
{
	*plan = (struct prefetch_plan){.ranges = {.front = {0}, .own = {0}}};
	/* With one processor, prefetching keeps the application from running. */
	if (getenv("APPIMAGE_NO_PREFETCH") || process_processors(2) < 2 || !name_directory(plan->directory))
		return;
	plan->ranges = startup_list_ranges(image);
	/* A filter may kill who chooses a processor. */
	if (is_wanted(plan) && !process_is_filtered())
		plan->split = cpu_split_make();
}

int prefetch_connect(struct prefetch_plan *plan)
{
	return pipe2(plan->pipe, O_CLOEXEC) ? -errno : 0;
}

/* Having the kernel learn */

void prefetch_list_first(const struct prefetch_plan *plan, const char *mount_point, bool all)
{
	int root = is_wanted(plan) ? open(mount_point, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;

	if (root < 0)
		return;
	int directory = openat(root, plan->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	while (directory >= 0 && startup_list_learn_entries(directory) && all)
		continue;
	if (directory >= 0)
		close(directory);
	close(root);
}

/* Until the server has something to say; false when nobody uses the mount any more. */
static bool wait_for_server(const struct prefetch_plan *plan, const char *mount_point, int application)
{
	if (process_wait(application, plan->pipe[0], -1) == PEER_READABLE)
		return true;
	/* The application may have left its work to others. */
	return process_using(mount_point) && process_wait(-1, plan->pipe[0], -1) == PEER_READABLE;
}

void prefetch_list_others(const struct prefetch_plan *plan, const char *mount_point, int image, uint64_t offset,
                          int application)
{
	static struct squashfs fs;
	struct startup_list list;
	char more;
	int root = is_wanted(plan) ? open(mount_point, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;

	if (root < 0)
		return;
	if (wait_for_server(plan, mount_point, application) && read(plan->pipe[0], &more, 1) == 1)
		startup_list_learn_directory(root, plan->directory, FIRST_FILES);
	if (wait_for_server(plan, mount_point, application) && !squashfs_open(&fs, image, offset)) {
		startup_list_find(&fs, &plan->ranges, &list);
		bool left = process_wait(application, -1, 0) == PROCESS_ENDED;
		startup_list_learn(&list, root, left ? -1 : application);
	}
	close(root);
}

/* The server */

struct prefetch *prefetch_open(const struct prefetch_plan *plan, struct squashfs *fs, struct cache *cache)
{
	struct prefetch *prefetch = calloc(1, sizeof(*prefetch));

	if (!prefetch)
		return NULL;
	*prefetch = (struct prefetch){.plan = plan, .fs = fs, .cache = cache, .device = -1, .done = !is_wanted(plan)};
	pthread_mutex_init(&prefetch->lock, NULL);
	monotonic_cond_init(&prefetch->changed);
	return prefetch;
}

void prefetch_begin(struct prefetch *prefetch, int device)
{
	pthread_mutex_lock(&prefetch->lock);
	prefetch->device = device;
	pthread_cond_broadcast(&prefetch->changed);
	pthread_mutex_unlock(&prefetch->lock);
}

void prefetch_set_kernel(struct prefetch *prefetch, uint32_t minor)
{
	prefetch->zeros_pages = minor >= ZEROED_PAGES_MINOR;
}

bool prefetch_is_done(const struct prefetch *prefetch)
{
	return prefetch->done;
}

bool prefetch_names_directory(const struct prefetch *prefetch, const char *name, size_t length)
{
	const char *directory = prefetch->plan->directory;

	return !prefetch->done && length == strlen(directory) + 1 && !memcmp(name, directory, length);
}

int prefetch_inode(const struct prefetch *prefetch, uint64_t number, struct inode *inode)
{
	return squashfs_inode(prefetch->fs, prefetch->files[number].reference, inode);
}

void prefetch_listed(struct prefetch *prefetch, uint64_t end)
{
	pthread_mutex_lock(&prefetch->lock);
	if (prefetch->listed < end)
		prefetch->listed = (uint32_t)end;
	pthread_cond_broadcast(&prefetch->changed);
	pthread_mutex_unlock(&prefetch->lock);
}

/* The kernel knows the inodes a moment after the listing has been answered. */
static int store(struct prefetch *prefetch, uint64_t reference, uint64_t offset, const uint8_t *data, uint32_t size)
{
	enum { RETRY_NS = 50 * NS_PER_US, MAX_RETRIES = 400 };
	uint64_t node = fuse_node(prefetch->fs, reference);
	int error;

	for (unsigned i = 0; (error = fuse_store(prefetch->device, node, offset, data, size)); i++) {
		if (error != -ENOENT || i == MAX_RETRIES || prefetch->failed) {
			prefetch->failed = true; /* the kernel does not know the inodes, has no memory, or no such request */
			return error;
		}
		monotonic_sleep(RETRY_NS);
	}
	return 0;
}

static int load(struct prefetch *prefetch, const struct extent *extent, struct own_block *block)
{
	if (!block->data) {
		block->data = malloc(prefetch->fs->super.block_size);
		block->start = UINT64_MAX;
	}
	if (!block->data)
		return -ENOMEM;
	if (block->start == extent->start)
		return 0;
	int size = squashfs_read_extent(prefetch->fs, extent, block->data);
	block->start = size < 0 ? UINT64_MAX : extent->start;
	block->size = size < 0 ? 0 : (uint32_t)size;
	return size < 0 ? size : 0;
}

/*
 * How much of what ends with the file can be prefetched.  Before Linux 6.11, a page that is not stored to its end keeps
 * there what was in the memory before, and programs that map the file see it.
 */
static uint32_t size_in_pages(const struct prefetch *prefetch, uint64_t offset, uint32_t size)
{
	uint64_t end = (offset + size) & ~(uint64_t)(getauxval(AT_PAGESZ) - 1);

	if (prefetch->zeros_pages)
		return size;
	return end > offset ? (uint32_t)(end - offset) : 0;
}

/* Where a piece of a file is: the block that holds it, and its place in there. */
static int locate(struct prefetch *prefetch, const struct inode *inode, uint32_t piece, struct extent *extent,
                  uint32_t *at)
{
	static _Thread_local struct block_memo memo = {.reference = UINT64_MAX};
	struct squashfs *fs = prefetch->fs;

	*at = 0;
	if (piece < squashfs_block_count(fs, inode))
		return squashfs_block(fs, inode, piece, &memo, extent);
	*extent = fs->fragments[inode->fragment];
	*at = inode->fragment_offset;
	return 0;
}

/*
 * Most blocks are wanted once: they need no room in the cache.  The application's own come between the files of one
 * block, which is not to be decompressed again.
 */
static int get_block(struct prefetch *prefetch, const struct extent *extent, struct block_view *view)
{
	static _Thread_local struct own_block own;

	if (cache_holds(prefetch->cache, extent) || extent->start >= prefetch->plan->ranges.front.end)
		return cache_get(prefetch->cache, extent, view);
	int error = load(prefetch, extent, &own);
	*view = (struct block_view){own.data, own.size, NULL};
	return error;
}

static int prefetch_piece(struct prefetch *prefetch, const struct inode *inode, uint32_t piece)
{
	uint64_t offset = (uint64_t)piece << prefetch->fs->super.block_log;
	uint32_t at, size = prefetch->fs->super.block_size;
	struct block_view block;
	struct extent extent;

	if (inode->size - offset < size)
		size = size_in_pages(prefetch, offset, (uint32_t)(inode->size - offset));
	if (!size)
		return 0;
	int error = locate(prefetch, inode, piece, &extent, &at);
	if (error || !extent.size) /* a hole is read when it is wanted */
		return error;
	error = get_block(prefetch, &extent, &block);
	if (error)
		return error;
	if (at > block.size || size > block.size - at)
		error = -EIO;
	else
		error = store(prefetch, inode->reference, offset, block.data + at, size);
	if (block.block)
		cache_release(prefetch->cache, &block);
	return error;
}

/*
 * Decompresses a file into the cache, as far as `room`, a number of blocks, lasts.  When it gives way, it ends as soon
 * as the kernel knows the first inodes; it returns false then.
 */
static bool load_ahead(struct prefetch *prefetch, const struct file *file, uint32_t *room, bool gives_way)
{
	struct block_view block;
	struct extent extent;
	struct inode inode;
	uint32_t at;

	if (squashfs_inode(prefetch->fs, file->reference, &inode))
		return true;
	for (uint32_t piece = 0; piece < file->pieces && *room; piece++) {
		if ((gives_way && prefetch->listed) || locate(prefetch, &inode, piece, &extent, &at))
			return false;
		if (extent.size && !cache_holds(prefetch->cache, &extent) && !cache_get(prefetch->cache, &extent, &block)) {
			cache_release(prefetch->cache, &block);
			--*room;
		}
	}
	return true;
}

/* Any thread may do so for a file that is open. */
static void prefetch_pieces(struct prefetch *prefetch, struct file *file)
{
	struct inode inode;
	int error = squashfs_inode(prefetch->fs, file->reference, &inode);

	pthread_mutex_lock(&prefetch->lock);
	while (file->taken < file->pieces) {
		uint32_t piece = file->taken++;
		pthread_mutex_unlock(&prefetch->lock);
		if (!error)
			error = prefetch_piece(prefetch, &inode, piece);
		pthread_mutex_lock(&prefetch->lock);
		if (++file->finished == file->pieces) {
			file->state = FILE_CLOSED;
			prefetch->open--;
			pthread_cond_broadcast(&prefetch->changed);
		}
	}
	pthread_mutex_unlock(&prefetch->lock);
}

static int compare_references(const void *a, const void *b)
{
	const struct file *const *left = a, *const *right = b;

	return ((*left)->reference > (*right)->reference) - ((*left)->reference < (*right)->reference);
}

static struct file *find(const struct prefetch *prefetch, uint64_t reference)
{
	uint32_t low = 0, high = prefetch->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (prefetch->by_reference[middle]->reference < reference)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == prefetch->count || prefetch->by_reference[low]->reference != reference)
		return NULL;
	return prefetch->by_reference[low];
}

/* Called with the lock held: what is not found by the time it is wanted is not prefetched. */
static void wait_until_found(struct prefetch *prefetch)
{
	enum { FIND_NS = 4 * NS_PER_MS }; /* a large tree is not worth more */
	uint64_t end = monotonic_ns() + FIND_NS;

	while (!prefetch->found && !monotonic_cond_wait(&prefetch->changed, &prefetch->lock, end))
		continue;
	prefetch->missed = !prefetch->found;
}

uint32_t prefetch_listing_end(struct prefetch *prefetch, uint64_t start)
{
	pthread_mutex_lock(&prefetch->lock);
	if (!prefetch->found && !prefetch->missed)
		wait_until_found(prefetch);
	uint32_t end = prefetch->count;
	pthread_mutex_unlock(&prefetch->lock);
	return !start && end > FIRST_FILES ? FIRST_FILES : end;
}

/*
 * Called with the lock held.  Once the kernel has been told of the inode, unless someone has been told of the file by
 * name.
 */
static bool can_open(const struct prefetch *prefetch, const struct file *file)
{
	return file->state == FILE_WAITING && (uint32_t)(file - prefetch->files) < prefetch->listed && !prefetch->failed;
}

/* Called with the lock held. */
static void open_file(struct prefetch *prefetch, struct file *file)
{
	file->state = FILE_OPEN;
	prefetch->open++;
}

/* The whole of a large file is worth waiting for; one that shares its block with others is read as quickly. */
static bool is_large(const struct file *file)
{
	return file->pieces > 1;
}

bool prefetch_holds(struct prefetch *prefetch, uint64_t reference)
{
	if (prefetch->done)
		return false;
	pthread_mutex_lock(&prefetch->lock);
	const struct file *file = find(prefetch, reference);
	bool holds = file && (file->state == FILE_OPEN || (is_large(file) && can_open(prefetch, file)));
	pthread_mutex_unlock(&prefetch->lock);
	return holds;
}

bool prefetch_hides(struct prefetch *prefetch, uint64_t reference)
{
	if (prefetch->done)
		return false;
	pthread_mutex_lock(&prefetch->lock);
	const struct file *file = find(prefetch, reference);
	bool hides = file ? file->state != FILE_CLOSED : !prefetch->found && !prefetch->missed;
	pthread_mutex_unlock(&prefetch->lock);
	return hides;
}

void prefetch_release(struct prefetch *prefetch, uint64_t reference)
{
	if (prefetch->done)
		return;
	pthread_mutex_lock(&prefetch->lock);
	if (!prefetch->found && !prefetch->missed)
		wait_until_found(prefetch);
	struct file *file = find(prefetch, reference);
	if (file && is_large(file) && can_open(prefetch, file))
		open_file(prefetch, file);
	if (file && file->state == FILE_WAITING) {
		file->state = FILE_CLOSED;
		pthread_cond_broadcast(&prefetch->changed);
	}
	while (file && file->state == FILE_OPEN) {
		pthread_mutex_unlock(&prefetch->lock);
		prefetch_pieces(prefetch, file);
		pthread_mutex_lock(&prefetch->lock);
		if (file->state == FILE_OPEN)
			pthread_cond_wait(&prefetch->changed, &prefetch->lock);
	}
	pthread_mutex_unlock(&prefetch->lock);
}

static int compare_positions(const void *a, const void *b)
{
	uint64_t left = ((const struct file *)a)->position, right = ((const struct file *)b)->position;

	return (left > right) - (left < right);
}

/*
 * The application's own are read soon: it is what imports most others.  They come behind those that the interpreter
 * needs in any case; where memory is short, at the end.
 */
static void move_own_forward(struct file *files, uint32_t count, uint64_t front_end)
{
	uint32_t front = count;

	while (front && files[front - 1].position >= front_end)
		front--;
	uint32_t own = count - front;
	struct file *moved = front > FIRST_FILES && own ? malloc(own * sizeof(*moved)) : NULL;
	if (!moved)
		return;
	memcpy(moved, files + front, own * sizeof(*moved));
	memmove(files + FIRST_FILES + own, files + FIRST_FILES, (front - FIRST_FILES) * sizeof(*files));
	memcpy(files + FIRST_FILES, moved, own * sizeof(*moved));
	free(moved);
}

/* All inodes in the order of their table: walking through the directories takes three times as long. */
static uint32_t find_files(struct squashfs *fs, const struct startup_ranges *ranges, struct file **files)
{
	uint64_t position = 0;
	uint32_t count = 0, room = 0, left = fs->super.inode_count;
	struct inode inode;

	*files = NULL;
	while (count < MAX_FILES && left-- && squashfs_next_inode(fs, &position, &inode) == 1) {
		if (inode.type != TYPE_FILE || !inode.size || !startup_list_has(ranges, startup_list_position(fs, &inode)))
			continue;
		if (count == room) {
			room = room ? room * 2 : 512;
			struct file *more = realloc(*files, room * sizeof(*more));
			if (!more)
				return 0;
			*files = more;
		}
		(*files)[count++] = (struct file){
			.reference = inode.reference,
			.position = startup_list_position(fs, &inode),
			.size = inode.size,
			.state = inode.size > MAX_FILE_SIZE ? FILE_CLOSED : FILE_WAITING,
			.pieces = squashfs_block_count(fs, &inode) + (inode.fragment != NO_FRAGMENT),
		};
	}
	qsort(*files, count, sizeof(**files), compare_positions);
	move_own_forward(*files, count, ranges->front.end);
	return count;
}

/* False when there are none or it is too late. */
static bool prepare(struct prefetch *prefetch)
{
	struct file *files;
	uint32_t count = find_files(prefetch->fs, &prefetch->plan->ranges, &files);
	struct file **by_reference = calloc(count + 1, sizeof(struct file *));

	for (uint32_t i = 0; by_reference && i < count; i++)
		by_reference[i] = &files[i];
	if (by_reference)
		qsort(by_reference, count, sizeof(*by_reference), compare_references);
	pthread_mutex_lock(&prefetch->lock);
	bool in_time = by_reference && count && !prefetch->missed;
	if (in_time) {
		prefetch->files = files;
		prefetch->by_reference = by_reference;
		prefetch->count = count;
	} else {
		prefetch->done = true;
	}
	prefetch->found = true;
	pthread_cond_broadcast(&prefetch->changed);
	pthread_mutex_unlock(&prefetch->lock);
	return in_time;
}

/*
 * Waits until a file can be prefetched; false if it is not to be, or not any more.  Who lists the files may have died.
 */
static bool wait_for_file(struct prefetch *prefetch, uint32_t number)
{
	enum { LISTING_NS = NS_PER_S };
	struct file *file = &prefetch->files[number];
	uint64_t end = monotonic_ns() + LISTING_NS;

	pthread_mutex_lock(&prefetch->lock);
	while (prefetch->listed <= number && file->state == FILE_WAITING && !prefetch->failed) {
		if (monotonic_cond_wait(&prefetch->changed, &prefetch->lock, end))
			prefetch->failed = true;
	}
	if (can_open(prefetch, file))
		open_file(prefetch, file);
	bool is_open = file->state == FILE_OPEN; /* by somebody who waits for it, too */
	pthread_mutex_unlock(&prefetch->lock);
	return is_open;
}

/* Others may still be prefetching what they have taken. */
static void finish(struct prefetch *prefetch)
{
	pthread_mutex_lock(&prefetch->lock);
	while (prefetch->open)
		pthread_cond_wait(&prefetch->changed, &prefetch->lock);
	prefetch->done = true;
	pthread_mutex_unlock(&prefetch->lock);
}

static void store_all(struct prefetch *prefetch)
{
	uint32_t first = prefetch->count < FIRST_FILES ? prefetch->count : FIRST_FILES;
	uint32_t room = prefetch->cache->block_count / 4 * 3;
	uint64_t memory = 0;

	for (uint32_t i = 0; i < first && load_ahead(prefetch, &prefetch->files[i], &room, true); i++)
		continue;
	for (uint32_t i = 0; i < prefetch->count && !prefetch->failed && memory < MAX_MEMORY; i++) {
		struct file *file = &prefetch->files[i];
		if (i < first && file->size > MAX_FILE_SIZE)
			load_ahead(prefetch, file, &room, false);
		if (i == FIRST_FILES)
			(void)!write(prefetch->plan->pipe[1], "", 1);
		if (wait_for_file(prefetch, i)) {
			memory += file->size;
			prefetch_pieces(prefetch, file);
		}
	}
	finish(prefetch);
}

void prefetch_run(struct prefetch *prefetch)
{
	if (is_wanted(prefetch->plan) && prepare(prefetch))
		store_all(prefetch);
}
