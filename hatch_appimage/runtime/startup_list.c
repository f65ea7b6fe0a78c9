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
	DEEPEST = 64,              /* folders within folders; a damaged tree may contain itself */
	MOST_FOLDERS = 4096,       /* more than any start reads from */
	LISTING_SIZE = 128 * 1024, /* the kernel asks the server for as much as it is asked for */
};

struct search {
	struct squashfs *fs;
	struct warm_list *list;
	uint64_t left; /* entries to be looked at: a damaged tree may have the same folder in many places */
	char path[PATH_MAX];
};

uint64_t warm_position(const struct squashfs *fs, const struct inode *inode)
{
	if (squashfs_block_count(fs, inode) || inode->fragment == NO_FRAGMENT)
		return inode->data_start;
	return fs->fragments[inode->fragment].start;
}

static int add_folder(struct search *search, uint64_t position, size_t length)
{
	struct warm_list *list = search->list;

	if (list->count == MOST_FOLDERS)
		return -EIO;
	if (list->count == list->room) {
		size_t room = list->room ? list->room * 2 : 64;
		struct warm_folder *folders = realloc(list->folders, room * sizeof(*folders));
		if (!folders)
			return -ENOMEM;
		list->folders = folders;
		list->room = room;
	}
	char *path = strndup(search->path, length);
	if (!path)
		return -ENOMEM;
	list->folders[list->count++] = (struct warm_folder){position, path};
	return 0;
}

/* `nearest`: becomes the position of the first data in the folder or below, if that is smaller. */
static int find_below(struct search *search, uint64_t reference, size_t length, unsigned depth, uint64_t *nearest)
{
	uint64_t first = UINT64_MAX;
	struct cursor cursor = {0};
	struct inode folder, inode;
	struct entry entry;
	int got = squashfs_inode(search->fs, reference, &folder);

	if (got || folder.type != TYPE_DIRECTORY || depth > DEEPEST)
		return -EIO;
	while ((got = squashfs_next(search->fs, &folder, &cursor, &entry)) == 1) {
		int error = 0;
		size_t slash = length != 0, end = length + slash + entry.length;
		if (!search->left--)
			return -EIO;
		if (entry.type == TYPE_FILE) {
			error = squashfs_inode(search->fs, entry.reference, &inode);
			if (!error && inode.size && warm_position(search->fs, &inode) < first)
				first = warm_position(search->fs, &inode);
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
	return got == 0 && first < search->list->end ? add_folder(search, first, length) : got;
}

static int compare_positions(const void *a, const void *b)
{
	const struct warm_folder *left = a, *right = b;

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
	uint64_t nearest = UINT64_MAX;

	*list = (struct warm_list){.end = end};
	search = (struct search){.fs = fs, .list = list, .left = squashfs_most_entries(fs)};
	if (!end)
		return;
	if (find_below(&search, fs->super.root_inode, 0, 0, &nearest))
		list->count = 0;
	qsort(list->folders, list->count, sizeof(*list->folders), compare_positions);
}

/* Every entry of a listing becomes known to the kernel, with its inode. */
bool warm_list(int folder)
{
	static char listing[LISTING_SIZE];

	return syscall(SYS_getdents64, folder, listing, sizeof(listing)) > 0;
}

void warm_list_folder(int root, const char *path, off_t offset)
{
	int folder = openat(root, *path ? path : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (folder < 0)
		return;
	lseek(folder, offset, SEEK_SET);
	while (warm_list(folder))
		continue;
	close(folder);
}

void warm_list_folders(const struct warm_list *list, int root, int application)
{
	for (size_t i = 0; i < list->count && process_wait(application, -1, 0) == TIME_PASSED; i++)
		warm_list_folder(root, list->folders[i].path, 0);
}
