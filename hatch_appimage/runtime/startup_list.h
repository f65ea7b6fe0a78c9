/* SPDX-License-Identifier: MIT */
/*
 * The files that start-up reads: where their data is, and the directories that they lie in.
 *
 * The packer lays the files that start-up reads at the front of the image, in the order of their use; those of them that
 * every release of the application changes lie near its end, with the others that do.  It writes into the runtime's
 * section .startup where both begin and end: four little-endian 64-bit counts of bytes from the start of the superblock;
 * 0 and 0 for no such files.  Which files these are follows from the inodes, so for every other reader it is an ordinary
 * image, and a wrong number costs time only.
 *
 * The server prefetches them into the kernel's page cache, see prefetch.h.  When it is through, a process beside the
 * application lists their directories, which gives the kernel every name and inode in them at once.
 */
#ifndef STARTUP_LIST_H
#define STARTUP_LIST_H

#include <sys/types.h>

#include "squashfs.h"

struct startup_range {
	uint64_t start;
	uint64_t end;
};

/* Where the data of the files begins. */
struct startup_ranges {
	struct startup_range front; /* empty: there is nothing in the other one either */
	struct startup_range own;
};

/* A directory with files that start-up reads, in itself or below. */
struct startup_directory {
	uint64_t position; /* of the first such file among all the image's data */
	char *path;
};

struct startup_list {
	struct startup_directory *directories;
	size_t count;
	size_t room;
	struct startup_ranges ranges;
};

/* What the section says; empty where there is none. */
struct startup_ranges startup_list_ranges(int file);
/* Whether a file is among them whose data begins here. */
bool startup_list_has(const struct startup_ranges *ranges, uint64_t position);
/* Where a file's data begins: its first block, or its place in the fragment that holds all of it. */
uint64_t startup_list_position(const struct squashfs *fs, const struct inode *inode);
/*
 * The directories of the files, and those above them, in the order of the files' data; none when the image is damaged.
 */
void startup_list_find(struct squashfs *fs, const struct startup_ranges *ranges, struct startup_list *list);
/* Lists them below the mount point, until `application`, a descriptor from process_open(), ends. */
void startup_list_learn(const struct startup_list *list, int root, int application);
/* Lists one directory from an offset, 0 for its beginning, to its end. */
void startup_list_learn_directory(int root, const char *path, off_t offset);
/* Reads on in a directory's listing; false at its end. */
bool startup_list_learn_entries(int directory);

#endif
