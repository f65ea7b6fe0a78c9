/* SPDX-License-Identifier: MIT */
/* The kernel's FUSE protocol (include/uapi/linux/fuse.h), spoken directly on /dev/fuse, for a read-only file system. */
#ifndef FUSE_H
#define FUSE_H

#include "squashfs.h"

struct cache;

struct fuse_server {
	struct squashfs *fs;
	struct cache *cache;
	int device;
	bool own_files; /* report the caller as every file's owner */
	uint32_t features; /* that the kernel offers: flags of FUSE_INIT */
	uint64_t startup_end; /* set by fuse_begin() */
	atomic_flag has_eager;
};

enum { FUSE_READ_LIMIT = 128 * 1024 };

/* How many blocks one serving thread holds at a time. */
uint32_t fuse_blocks_per_thread(const struct squashfs *fs);
/* Called once before the others. */
void fuse_begin(struct fuse_server *server);
/* Answers requests until the file system is unmounted; as many threads as wanted may do so. */
void fuse_serve(struct fuse_server *server);

#endif
