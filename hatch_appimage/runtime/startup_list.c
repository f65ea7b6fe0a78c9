/* SPDX-License-Identifier: MIT */
#include "startup_list.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "elf_file.h"
#include "process.h"

enum {
	MAX_DEPTH = 64,              /* directories within directories; a damaged tree may contain itself */
	MAX_DIRECTORIES = 4096,       /* more than any start reads from */
	LISTING_SIZE = 128 * 1024, /* the kernel asks the server for as much as it is asked for */
};

struct search {
	struct squashfs *fs;
	struct startup_list *list;
	uint64_t left; /* entries to be looked at: a damaged tree may have the same directory in many places */
	char path[PATH_MAX];
};

uint64_t startup_list_position(const struct squashfs *fs, const struct inode *inode)
{
	if (squashfs_block_count(fs, inode) || inode->fragment == NO_FRAGMENT)
		return inode->data_start;
	return fs->fragments[inode->fragment].start;
}

static int add_directory(struct search *search, uint64_t position, size_t length)
{
	struct startup_list *list = search->list;

	if (list->count == MAX_DIRECTORIES)
		return -EIO;
	if (list->count == list->room) {
		size_t room = list->room ? list->room * 2 : 64;
		struct startup_directory *directories = realloc(list->directories, room * sizeof(*directories));
		if (!directories)
			return -ENOMEM;
		list->directories = directories;
		list->room = room;
	}
	char *path = strndup(search->path, length);
	if (!path)
		return -ENOMEM;
	list->directories[list->count++] = (struct startup_directory){position, path};
	return 0;
}

/* `nearest`: becomes the position of the first data of start-up in the directory or below, if that is smaller. */
static int find_below(struct search *search, uint64_t reference, size_t length, unsigned depth, uint64_t *nearest)
{
	uint64_t first = UINT64_MAX;
	struct cursor cursor = {0};
	struct inode directory, inode;
	struct entry entry;
	int got = squashfs_inode(search->fs, reference, &directory);

	if (got || directory.type != TYPE_DIRECTORY || depth > MAX_DEPTH)
		return -EIO;
	while ((got = squashfs_next(search->fs, &directory, &cursor, &entry)) == 1) {
		int error = 0;
		size_t slash = length != 0, end = length + slash + entry.length;
		if (!search->left--)
			return -EIO;
		if (entry.type == TYPE_FILE) {
			error = squashfs_inode(search->fs, entry.reference, &inode);
			uint64_t position = error || !inode.size ? UINT64_MAX : startup_list_position(search->fs, &inode);
			if (position < first && startup_list_has(&search->list->ranges, position))
				first = position;
		} else if (entry.type == TYPE_DIRECTORY && end < sizeof(search->path)) {
			search->path[length] = '/';
			memcpy(search->path + length + slash, entry.name, (size_t)entry.length + 1);
			error = find_below(search, entry.reference, end, depth + 1, &first);
		}
		if (error)
			return error;
	}
	if (first < *nearest)
		*nearest = first;
	return got == 0 && first != UINT64_MAX ? add_directory(search, first, length) : got;
}

static int compare_positions(const void *a, const void *b)
{
	const struct startup_directory *left = a, *right = b;

	return (left->position > right->position) - (left->position < right->position);
}

struct startup_ranges startup_list_ranges(int file)
{
	struct startup_ranges ranges;

	if (elf_section(file, ".startup", &ranges, sizeof(ranges)) != sizeof(ranges))
		ranges = (struct startup_ranges){.front = {0}, .own = {0}};
	return ranges;
}

static bool has(const struct startup_range *range, uint64_t position)
{
	return position >= range->start && position < range->end;
}

bool startup_list_has(const struct startup_ranges *ranges, uint64_t position)
{
	return has(&ranges->front, position) || has(&ranges->own, position);
}

void startup_list_find(struct squashfs *fs, const struct startup_ranges *ranges, struct startup_list *list)
{
	static struct search search;
	uint64_t nearest = UINT64_MAX;

	*list = (struct startup_list){.ranges = *ranges};
	search = (struct search){.fs = fs, .list = list, .left = squashfs_max_entries(fs)};
	if (find_below(&search, fs->super.root_inode, 0, 0, &nearest))
		list->count = 0;
	qsort(list->directories, list->count, sizeof(*list->directories), compare_positions);
}

/* Every entry of a listing becomes known to the kernel, with its inode. */
bool startup_list_learn_entries(int directory)
{
	static char listing[LISTING_SIZE];

	return syscall(SYS_getdents64, directory, listing, sizeof(listing)) > 0;
}

void startup_list_learn_directory(int root, const char *path, off_t offset)
{
	int directory = openat(root, *path ? path : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (directory < 0)
		return;
	lseek(directory, offset, SEEK_SET);
	while (startup_list_learn_entries(directory))
		continue;
	close(directory);
}

void startup_list_learn(const struct startup_list *list, int root, int application)
{
	for (size_t i = 0; i < list->count && process_wait(application, -1, 0) == TIMED_OUT; i++)
		startup_list_learn_directory(root, list->directories[i].path, 0);
}
