/* SPDX-License-Identifier: MIT */
#include "warm.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cache.h"
#include "elf_file.h"
#include "process.h"

enum {
	DEEPEST = 64,             /* folders within folders; a damaged tree may contain itself */
	LISTING_SIZE = 64 * 1024, /* the kernel asks the server for as much as it is asked for */
	AHEAD = 512 * 1024,       /* read at most so far before waiting: the application's own requests come between */
};

struct search {
	struct squashfs *fs;
	struct warm_list *list;
	char path[PATH_MAX];
};

/* Where a file's data begins: its first block, or its place in the fragment that holds all of it. */
static uint64_t data_position(const struct squashfs *fs, const struct inode *inode)
{
	if (squashfs_block_count(fs, inode) || inode->fragment == NO_FRAGMENT)
		return inode->data_start;
	return fs->fragments[inode->fragment].start;
}

static int add_file(struct search *search, const struct inode *inode, size_t folder_length)
{
	struct warm_list *list = search->list;
	uint64_t position = data_position(search->fs, inode);

	if (position >= list->end || !inode->size)
		return 0;
	if (list->count == list->room) {
		size_t room = list->room ? list->room * 2 : 512;
		struct warm_file *files = realloc(list->files, room * sizeof(*files));
		if (!files)
			return -ENOMEM;
		list->files = files;
		list->room = room;
	}
	char *path = strdup(search->path);
	if (!path)
		return -ENOMEM;
	list->files[list->count++] = (struct warm_file){inode->reference, position, path, folder_length, inode->size};
	return 0;
}

static int find_below(struct search *search, uint64_t reference, size_t length, unsigned depth)
{
	struct cursor cursor = {0};
	struct inode folder, inode;
	struct entry entry;
	int got = squashfs_inode(search->fs, reference, &folder);

	if (got || folder.type != TYPE_DIRECTORY || depth > DEEPEST)
		return -EIO;
	while ((got = squashfs_next(search->fs, &folder, &cursor, &entry)) == 1) {
		int error = 0;
		int added = snprintf(search->path + length, sizeof(search->path) - length, "%s%s", length ? "/" : "",
		                     entry.name);
		if (length + (size_t)added >= sizeof(search->path))
			continue;
		if (entry.type == TYPE_DIRECTORY)
			error = find_below(search, entry.reference, length + (size_t)added, depth + 1);
		else if (entry.type == TYPE_FILE && !(error = squashfs_inode(search->fs, entry.reference, &inode)))
			error = add_file(search, &inode, length);
		if (error)
			return error;
	}
	return got;
}

static int compare_positions(const void *a, const void *b)
{
	const struct warm_file *left = a, *right = b;

	return (left->position > right->position) - (left->position < right->position);
}

uint64_t warm_end(int file)
{
	uint64_t end;

	return elf_section(file, ".startup", &end, sizeof(end)) == sizeof(end) ? end : 0;
}

void warm_find(struct squashfs *fs, uint64_t end, struct warm_list *list)
{
	static struct search search;

	*list = (struct warm_list){.end = end};
	search = (struct search){.fs = fs, .list = list};
	if (!end)
		return;
	if (find_below(&search, fs->super.root_inode, 0, 0))
		list->count = 0;
	qsort(list->files, list->count, sizeof(*list->files), compare_positions);
}

static void decompress_file(struct cache *cache, const struct warm_file *file)
{
	struct squashfs *fs = cache->fs;
	struct block_memo memo = {.reference = UINT64_MAX};
	struct extent extent;
	struct inode inode;

	if (squashfs_inode(fs, file->reference, &inode))
		return;
	uint32_t blocks = squashfs_block_count(fs, &inode);
	for (uint32_t i = 0; i < blocks && !squashfs_block(fs, &inode, i, &memo, &extent); i++) {
		if (extent.size)
			cache_read_ahead(cache, &extent);
	}
	if (inode.fragment != NO_FRAGMENT)
		cache_read_ahead(cache, &fs->fragments[inode.fragment]);
}

void warm_decompress(const struct warm_list *list, struct cache *cache)
{
	/* One request to the disk instead of many, where the image is not in memory. */
	posix_fadvise(cache->fs->file, (off_t)cache->fs->offset, (off_t)list->end, POSIX_FADV_WILLNEED);
	for (size_t i = 0; i < list->count; i++)
		decompress_file(cache, &list->files[i]);
}

/* Every entry of a listing becomes known to the kernel, with its inode. */
static void list_folder(int root, const char *path)
{
	static char listing[LISTING_SIZE];
	int folder = openat(root, *path ? path : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (folder < 0)
		return;
	while (syscall(SYS_getdents64, folder, listing, sizeof(listing)) > 0)
		continue;
	close(folder);
}

static bool same_folder(const struct warm_file *a, const struct warm_file *b)
{
	return a->folder_length == b->folder_length && !memcmp(a->path, b->path, a->folder_length);
}

static void list_folder_of(int root, const struct warm_list *list, size_t at)
{
	const struct warm_file *file = &list->files[at];
	char path[PATH_MAX];

	for (size_t earlier = at; earlier--;) {
		if (same_folder(file, &list->files[earlier]))
			return;
	}
	memcpy(path, file->path, file->folder_length);
	path[file->folder_length] = 0;
	list_folder(root, path);
}

/* Has the kernel read the file in large pieces, and waits for each: what is queued delays the application. */
static void read_file(int root, const struct warm_file *file)
{
	int descriptor = openat(root, file->path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	char byte;

	if (descriptor < 0)
		return;
	for (uint64_t at = 0; at < file->size; at += AHEAD) {
		uint64_t size = file->size - at < AHEAD ? file->size - at : AHEAD;
		posix_fadvise(descriptor, (off_t)at, (off_t)size, POSIX_FADV_WILLNEED);
		if (pread(descriptor, &byte, 1, (off_t)(at + size - 1)) != 1)
			break;
	}
	close(descriptor);
}

void warm_read(const struct warm_list *list, const char *mount_point, int application)
{
	int root = list->count ? open(mount_point, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;

	if (root < 0)
		return;
	for (size_t i = 0; i < list->count && process_wait(application, -1, 0) == TIME_PASSED; i++) {
		list_folder_of(root, list, i);
		read_file(root, &list->files[i]);
	}
	close(root);
}
