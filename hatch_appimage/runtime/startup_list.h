/* SPDX-License-Identifier: MIT */
/*
 * The files that start-up reads: where the list of them ends, and the directories that they lie in.
 *
 * The packer lays the files that start-up reads at the front of the image, in the order of their use, and writes into
 * the runtime's section .startup how far they reach: a little-endian 64-bit count of bytes from the start of the
 * superblock to the end of the last of their data blocks; 0 for no such files.  Which files these are follows from the
 * inodes, so for every other reader it is an ordinary image, and a wrong number costs time only.
 *
 * The server prefetches them into the kernel's page cache, see prefetch.h.  When it is through, a process beside the
 * application lists their directories, which gives the kernel every name and inode in them at once.
 */
#ifndef STARTUP_LIST_H
#define STARTUP_LIST_H

#include <sys/types.h>

#include "squashfs.h"

/* A directory with files that start-up reads, in itself or below. */
struct startup_directory {
	uint64_t position; /* of the first such file among all the image's data */
	char *path;
};

struct startup_list {
	struct startup_directory *directories;
	size_t count;
	size_t room;
	uint64_t end; /* of the files' data in the image */
};

/* What the section says; 0 where there is none. */
uint64_t startup_list_end(int file);
/* Where a file's data begins: its first block, or its place in the fragment that holds all of it. */
uint64_t startup_list_position(const struct squashfs *fs, const struct inode *inode);
/*
 * The directories of files whose data begins before `end`, and those above them, in its order; none when the image is
 * damaged.
 */
void startup_list_find(struct squashfs *fs, uint64_t end, struct startup_list *list);
/* Lists them below the mount point, until `application`, a descriptor from process_open(), ends. */
void startup_list_learn(const struct startup_list *list, int root, int application);
/* Lists one directory from an offset, 0 for its beginning, to its end. */
void startup_list_learn_directory(int root, const char *path, off_t offset);
/* Reads on in a directory's listing; false at its end. */
bool startup_list_learn_entries(int directory);

#endif
