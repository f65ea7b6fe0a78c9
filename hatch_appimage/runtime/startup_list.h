/* SPDX-License-Identifier: MIT */
/*
 * Bringing into the kernel's caches what the application is about to read.
 *
 * The packer lays the files that start-up reads at the front of the image, in the order of their use, and writes into
 * the runtime's section .startup how far they reach: a little-endian 64-bit count of bytes from the start of the
 * superblock to the end of the last of their data blocks; 0 for no such files.  Which files these are follows from the
 * inodes, so for every other reader it is an ordinary image, and a wrong number costs time only.
 *
 * The server pushes them into the kernel's page cache, see prefetch.h.  When it is through, a process beside the application
 * lists their folders, which gives the kernel every name and inode in them at once.
 */
#ifndef WARM_H
#define WARM_H

#include <sys/types.h>

#include "squashfs.h"

/* A folder with files that start-up reads, in itself or below. */
struct warm_folder {
	uint64_t position; /* of the first such file among all the image's data */
	char *path;
};

struct warm_list {
	struct warm_folder *folders;
	size_t count;
	size_t room;
	uint64_t end; /* of the files' data in the image */
};

/* What the section says; 0 where there is none. */
uint64_t warm_end(int file);
/* Where a file's data begins: its first block, or its place in the fragment that holds all of it. */
uint64_t warm_position(const struct squashfs *fs, const struct inode *inode);
/* The folders of files whose data begins before `end`, and those above them, in its order; none when the image is damaged. */
void warm_find(struct squashfs *fs, uint64_t end, struct warm_list *list);
/* Lists them below the mount point, until `application`, a descriptor from process_open(), ends. */
void warm_list_folders(const struct warm_list *list, int root, int application);
/* Lists one folder from an offset, 0 for its beginning, to its end. */
void warm_list_folder(int root, const char *path, off_t offset);
/* Reads on in a folder's listing; false at its end. */
bool warm_list(int folder);

#endif
