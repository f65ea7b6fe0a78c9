/* SPDX-License-Identifier: MIT */
/*
 * Bringing into the kernel's caches what the application is about to read.
 *
 * The packer lays the files that start-up reads at the front of the image, in the order of their use, and writes into
 * the runtime's section .startup how far they reach: a little-endian 64-bit count of bytes from the start of the
 * superblock to the end of the last of their data blocks; 0 for no such files.  Which files these are follows from the
 * inodes, so for every other reader it is an ordinary image, and a wrong number costs time only.
 *
 * A process beside the application lists their folders, which gives the kernel every name and inode in them at once,
 * and reads the files; the application then finds its files in memory, without a question to the server.  That could
 * also be had with fewer requests, by FUSE_NOTIFY_STORE, but a server that is killed while the kernel has it wait for a
 * page that it should itself deliver would never end.
 */
#ifndef WARM_H
#define WARM_H

#include "squashfs.h"

struct cache;

struct warm_file {
	uint64_t reference;
	uint64_t position; /* of the file's first byte among all the image's data */
	char *path;
	size_t folder_length; /* of the folder's part of the path */
	uint64_t size;
};

struct warm_list {
	struct warm_file *files;
	size_t count;
	size_t room;
	uint64_t end; /* of their data in the image */
};

/* What the section says; 0 where there is none. */
uint64_t warm_end(int file);
/* The files whose data begins before `end`, in its order; none when the image is damaged. */
void warm_find(struct squashfs *fs, uint64_t end, struct warm_list *list);
/* In the server: decompresses their blocks before they are asked for. */
void warm_decompress(const struct warm_list *list, struct cache *cache);
/* In another process: reads them through the mount, until `application`, a descriptor from process_open(), ends. */
void warm_read(const struct warm_list *list, const char *mount_point, int application);

#endif
