/* SPDX-License-Identifier: MIT */
#include "warm.h"

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
	LISTING_SIZE = 128 * 1024, /* the kernel asks the server for as much as it is asked for */
};

struct search {
	struct squashfs *fs;
	struct warm_list *list;
	char path[PATH_MAX];
};

uint64_t warm_position(const struct squashfs *fs, const struct inode *inode)
{
	if (squashfs_block_count(fs, inode) || inode->fragment == NO_FRAGMENT)
		return inode->data_start;
	return fs->fragments[inode->fragment].start;
}

static int add_file(struct search *search, const struct inode *inode, size_t folder_length)
{
	struct warm_list *list = search->list;
	uint64_t position = warm_position(search->fs, inode);

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
	list->files[list->count++] = (struct warm_file){position, path, folder_length};
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
		size_t slash = length != 0, end = length + slash + entry.length;
		if (end >= sizeof(search->path))
			continue;
		search->path[length] = '/';
		memcpy(search->path + length + slash, entry.name, (size_t)entry.length + 1);
		if (entry.type == TYPE_DIRECTORY)
			error = find_below(search, entry.reference, end, depth + 1);
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

/* Every entry of a listing becomes known to the kernel, with its inode. */
bool warm_list(int folder)
{
	static char listing[LISTING_SIZE];

	return syscall(SYS_getdents64, folder, listing, sizeof(listing)) > 0;
}

void warm_list_folder(int root, const char *path)
{
	int folder = openat(root, *path ? path : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (folder < 0)
		return;
	while (warm_list(folder))
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
	warm_list_folder(root, path);
}

void warm_list_folders(const struct warm_list *list, int root, int application)
{
	for (size_t i = 0; i < list->count && process_wait(application, -1, 0) == TIME_PASSED; i++)
		list_folder_of(root, list, i);
}
