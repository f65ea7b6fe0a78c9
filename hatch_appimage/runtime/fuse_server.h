/* SPDX-License-Identifier: MIT */
/* Answers the kernel's requests for the files of an image. */
#ifndef FUSE_SERVER_H
#define FUSE_SERVER_H

#include "cache.h"
#include "fuse_workers.h"

struct fuse_server {
	struct squashfs fs;
	struct cache cache;
	struct prefetch *prefetch;
	bool own_files;    /* report the caller as every file's owner */
	uint32_t features; /* that the kernel offers: flags of FUSE_INIT */
	struct fuse_workers workers;
};

/* Opens the image and what serving it takes.  `gone`, `processors` and `max_threads` of the workers are given. */
int fuse_server_open(struct fuse_server *server, int image, uint64_t offset, const struct prefetch_plan *plan);
/* Answers until the file system is gone. */
void fuse_server_run(struct fuse_server *server, int device, bool own_files);

#endif
