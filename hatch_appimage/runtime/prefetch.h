/* SPDX-License-Identifier: MIT */
/*
 * Putting into the kernel's page cache what the application is about to read, so that it finds it without a request.
 *
 * The kernel takes pages of inodes that it knows (FUSE_NOTIFY_STORE), and waits for a page that someone is reading just
 * then: for an answer of ours.  A server that is killed while it waits for itself never ends.  So no file is prefetched
 * that anyone can read: until its name has been looked up, only its inode is known, from a directory that nobody but
 * ours finds (see PREFETCH_FIRST), and whoever looks up a file that is being prefetched gets the answer, and helps, when
 * all of it is there.  After that it is read like any other.
 */
#ifndef PREFETCH_H
#define PREFETCH_H

#include "cache.h"
#include "startup_list.h"

enum prefetch_state { PREFETCH_WAITING, PREFETCH_OPEN, PREFETCH_CLOSED };

struct prefetch_file {
	uint64_t reference;
	uint64_t position; /* see startup_list_position() */
	enum prefetch_state state;
	uint64_t size;
	uint32_t pieces; /* blocks, and the tail in a fragment */
	uint32_t taken;
	uint32_t finished;
};

struct prefetch {
	struct squashfs *fs;
	struct cache *cache;
	int device; /* -1: none yet */
	const char *directory; /* its name, see below */
	int more; /* a pipe to who lists the other files: a byte when the first ones are prefetched */
	atomic_bool fills_pages; /* the kernel makes all of a page zero that lies behind a file's end */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct prefetch_file *files; /* in the order in which they are read */
	uint32_t count;
	struct prefetch_file **by_reference;
	bool found;
	bool missed; /* a file was wanted before */
	_Atomic uint32_t listed; /* files whose inodes the kernel has been told of */
	atomic_bool failed; /* the kernel takes no more */
	atomic_bool done; /* no file is prefetched any more */
	uint32_t open; /* files that are being prefetched */
};

/*
 * A directory in the root directory that no listing shows, under a name that nobody can guess: in it are the prefetched
 * files, by number.  The first listing gives the first files only: with them the interpreter starts, and to know an
 * inode takes the kernel time.  The others are listed from there on.
 */
enum { PREFETCH_NAME_ROOM = 32, PREFETCH_FIRST = 8 };

/* Makes a name for the directory; false when there is no randomness. */
bool prefetch_name(char *name);
/* The name stays the caller's. */
void prefetch_open(struct prefetch *prefetch, struct squashfs *fs, struct cache *cache, const char *directory, int more);
/* Finds the files whose data begins before `end`; false when there are none or it is too late. */
bool prefetch_find(struct prefetch *prefetch, uint64_t end);
void prefetch_begin(struct prefetch *prefetch, int device);
/* Whether this is the directory's name; `length` bytes with the zero at its end. */
bool prefetch_names_directory(const struct prefetch *prefetch, const char *name, size_t length);
/* How many files it has. */
uint32_t prefetch_count(struct prefetch *prefetch);
/* The first `count` of them have been listed. */
void prefetch_listed(struct prefetch *prefetch, uint32_t count);
/* Returns when all is prefetched. */
void prefetch_run(struct prefetch *prefetch);
/* Whether a file must not be known by name yet. */
bool prefetch_hides(struct prefetch *prefetch, uint64_t reference);
/* Whether prefetch_release() would wait. */
bool prefetch_holds(struct prefetch *prefetch, uint64_t reference);
/* Before anyone is told of a file. */
void prefetch_release(struct prefetch *prefetch, uint64_t reference);

#endif
