/* SPDX-License-Identifier: MIT */
/* libFuzzer's way into the SquashFS reader: an input is an image, of which everything is read. */
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cache.h"
#include "squashfs.h"

enum { MOST_ENTRIES = 300, MOST_BLOCKS = 8, DEEPEST = 8 };

struct reading {
	struct squashfs fs;
	struct cache cache;
	unsigned entries;
};

static void read_contents(struct reading *reading, const struct inode *inode)
{
	struct squashfs *fs = &reading->fs;
	struct block_memo memo = {.reference = UINT64_MAX};
	uint32_t blocks = squashfs_block_count(fs, inode);
	struct block_view view;
	struct extent extent;

	for (uint32_t i = 0; i < blocks && i < MOST_BLOCKS; i++) {
		/* From both ends, as programs do. */
		uint32_t block = i % 2 ? blocks - 1 - i / 2 : i / 2;
		if (block < 1 << 20 && !squashfs_block(fs, inode, block, &memo, &extent) && extent.size &&
		    !cache_get(&reading->cache, &extent, &view))
			cache_release(&reading->cache, &view);
	}
	if (inode->fragment != NO_FRAGMENT && !cache_get(&reading->cache, &fs->fragments[inode->fragment], &view))
		cache_release(&reading->cache, &view);
}

static void read_tree(struct reading *reading, uint64_t reference, unsigned depth)
{
	struct squashfs *fs = &reading->fs;
	struct cursor cursor = {0};
	struct inode folder, inode;
	struct entry entry, again;
	char target[PATH_MAX];

	if (squashfs_inode(fs, reference, &folder) || folder.type != TYPE_DIRECTORY || depth > DEEPEST)
		return;
	while (reading->entries++ < MOST_ENTRIES && squashfs_next(fs, &folder, &cursor, &entry) == 1) {
		squashfs_lookup(fs, &folder, entry.name, entry.length, &again);
		if (squashfs_inode(fs, entry.reference, &inode))
			continue;
		if (inode.type == TYPE_DIRECTORY)
			read_tree(reading, entry.reference, depth + 1);
		else if (inode.type == TYPE_SYMLINK)
			squashfs_readlink(fs, &inode, target);
		else if (inode.type == TYPE_FILE)
			read_contents(reading, &inode);
	}
	/* A position that no listing has given: programs may seek anywhere. */
	cursor = (struct cursor){reading->entries, reading->entries * 7, 3};
	squashfs_next(fs, &folder, &cursor, &entry);
}

static void read_inodes(struct reading *reading)
{
	struct inode inode;
	uint64_t position = 0;

	for (unsigned i = 0; i < MOST_ENTRIES && squashfs_next_inode(&reading->fs, &position, &inode) == 1; i++)
		continue;
}

static void forget_table(struct table *table)
{
	if (table->data && table->data != MAP_FAILED)
		munmap(table->data, (size_t)table->count * METADATA_SIZE + 1);
	free(table->compressed);
	free(table->starts);
	free(table->ready);
}

/* The runtime never does: its processes end with the mount. */
static void forget(struct reading *reading)
{
	if (reading->cache.blocks)
		munmap(reading->cache.memory, (size_t)reading->cache.block_count * reading->fs.super.block_size);
	free(reading->cache.blocks);
	forget_table(&reading->fs.inodes);
	forget_table(&reading->fs.directories);
	free(reading->fs.ids);
	free(reading->fs.fragments);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int file = -1;
	static struct reading reading;

	if (file < 0)
		file = memfd_create("image", 0);
	if (ftruncate(file, 0) || pwrite(file, data, size, 0) != (ssize_t)size)
		abort();
	memset(&reading, 0, sizeof(reading));
	if (!squashfs_open(&reading.fs, file, 0) && !cache_open(&reading.cache, &reading.fs, 1)) {
		read_tree(&reading, reading.fs.super.root_inode, 0);
		read_inodes(&reading);
	}
	forget(&reading);
	return 0;
}
