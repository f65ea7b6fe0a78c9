/* SPDX-License-Identifier: MIT */
/* The kernel's FUSE protocol (include/uapi/linux/fuse.h), spoken directly on /dev/fuse, for a read-only file system. */
#ifndef FUSE_SERVER_H
#define FUSE_SERVER_H

#include "process.h"
#include "squashfs.h"

struct cache;
struct prefetch;
struct worker;

struct fuse_server {
	struct squashfs *fs;
	struct cache *cache;
	struct prefetch *prefetch;
	void (*gone)(void); /* called when the file system is, by any thread; ends the process */
	int device;
	bool own_files; /* report the caller as every file's owner */
	uint32_t features; /* that the kernel offers: flags of FUSE_INIT */
	unsigned processors;
	struct cpu_split cpu_split; /* threads keep to one of them until all is prefetched by the other */
	unsigned max_threads;
	struct worker *first;
	uint64_t contended; /* when others last wanted them, too; the listener's own */
	uint64_t startup_end;
	pthread_mutex_t lock; /* of what follows; see "Waiting for requests" */
	pthread_cond_t vacant;
	bool starting;
	bool has_listener;
	unsigned idle; /* threads that could listen */
	unsigned threads;
};

enum { FUSE_READ_LIMIT = 128 * 1024 };

/* How many blocks one serving thread holds at a time. */
uint32_t fuse_blocks_per_thread(const struct squashfs *fs);
/* The kernel's number of an inode is its place in the inode table; 0 and FUSE_ROOT_ID have meanings of their own. */
uint64_t fuse_node(const struct squashfs *fs, uint64_t reference);
/* Returns -ENOMEM where there is not enough memory to begin with. */
int fuse_open(struct fuse_server *server, struct squashfs *fs, struct cache *cache, struct prefetch *prefetch);
/* Answers requests until the file system is gone, in this thread and those that it starts when they are needed. */
void fuse_serve(struct fuse_server *server, int device, bool own_files);

#endif
