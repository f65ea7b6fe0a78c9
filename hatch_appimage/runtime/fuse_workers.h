/* SPDX-License-Identifier: MIT */
/*
 * The threads that wait for the kernel's requests.
 *
 * While the application starts, one thread listens and the others are idle: waking a thread takes longer than most
 * answers, and more than one would wake for each request.  The listener answers what it has at hand; before it
 * decompresses something it lets another one listen.  Where a processor is free it does not sleep between requests that
 * follow each other closely.  After that, every thread waits for requests in the kernel.
 */
#ifndef FUSE_WORKERS_H
#define FUSE_WORKERS_H

#include "fuse_protocol.h"
#include "prefetch.h"

struct fuse_server;
struct fuse_workers;

/* What one thread owns. */
struct fuse_worker {
	struct fuse_workers *workers;
	struct block_memo memo;
	bool listens;
	bool is_split;
	uint64_t answered_ns; /* when the listener last did */
	uint8_t input[FUSE_REQUEST_SIZE];
	uint8_t output[FUSE_READ_LIMIT];
};

struct fuse_workers {
	void (*handle)(struct fuse_server *server, struct fuse_worker *worker, const struct fuse_request *request);
	struct fuse_server *server;
	void (*gone)(void); /* called when the file system is, by any thread; ends the process */
	const struct prefetch *prefetch;
	const struct cpu_split *split; /* threads are pinned until all is prefetched */
	unsigned processors;
	unsigned max_threads;
	int device;
	struct fuse_worker *first;
	uint64_t contended_ns; /* when others last wanted a processor, too; the listener's own */
	uint64_t startup_end_ns;
	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t vacant;
	bool starting;
	bool has_listener;
	unsigned idle; /* threads that could listen */
	unsigned threads;
};

/* All up to `max_threads` is given.  Returns -ENOMEM where there is not enough memory to begin with. */
int fuse_workers_open(struct fuse_workers *workers);
/* Handles requests until the file system is gone, in this thread and those that it starts when they are needed. */
void fuse_workers_run(struct fuse_workers *workers, int device);
/* Before something that takes long: another thread listens. */
void fuse_worker_stop_listening(struct fuse_worker *worker);

#endif
