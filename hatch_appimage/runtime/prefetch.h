/* SPDX-License-Identifier: MIT */
/*
 * Putting into the kernel's page cache what the application is about to read, so that it finds it without a request.
 *
 * The kernel takes pages of inodes that it knows (FUSE_NOTIFY_STORE), and waits for a page that someone is reading just
 * then: for an answer of ours.  A server that is killed while it waits for itself never ends.  So no file is pushed
 * that anyone can read: until its name has been looked up, only its inode is known, from a folder that nobody but ours
 * finds (see PUSH_FIRST), and whoever looks up a file that is being pushed gets the answer, and helps, when all of it is
 * there.  After that it is read like any other.
 */
#ifndef PUSH_H
#define PUSH_H

#include "cache.h"
#include "startup_list.h"

enum push_state { PUSH_WAITING, PUSH_OPEN, PUSH_CLOSED };

struct push_file {
	uint64_t reference;
	uint64_t position; /* see warm_position() */
	enum push_state state;
	uint64_t size;
	uint32_t pieces; /* blocks, and the tail in a fragment */
	uint32_t taken;
	uint32_t finished;
};

struct push {
	struct squashfs *fs;
	struct cache *cache;
	int device; /* -1: none yet */
	const char *folder; /* its name, see below */
	int more; /* a pipe to who lists the other files: a byte when the first ones are pushed */
	atomic_bool fills_pages; /* the kernel makes all of a page zero that lies behind a file's end */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct push_file *files; /* in the order in which they are read */
	uint32_t count;
	struct push_file **by_reference;
	bool found;
	bool late; /* a file was wanted before */
	_Atomic uint32_t listed; /* files whose inodes the kernel has been told of */
	atomic_bool failed; /* the kernel takes no more */
	atomic_bool over; /* no file is pushed any more */
	uint32_t open; /* files that are being pushed */
};

/*
 * A folder in the root folder that no listing shows, under a name that nobody can guess: in it are the pushed files, by
 * number.  The first listing gives the first files only: with them the interpreter starts, and to know an inode takes
 * the kernel time.  The others are listed from there on.
 */
enum { PUSH_NAME_ROOM = 24, PUSH_FIRST = 8 };

/* Makes a name for the folder; false when there is no randomness. */
bool push_name(char *name);
/* The name stays the caller's. */
void push_open(struct push *push, struct squashfs *fs, struct cache *cache, const char *folder, int more);
/* Finds the files whose data begins before `end`; false when there are none or it is too late. */
bool push_find(struct push *push, uint64_t end);
void push_begin(struct push *push, int device);
/* Whether this is the folder's name; `length` bytes with the zero at its end. */
bool push_names_folder(const struct push *push, const char *name, size_t length);
/* How many files it has. */
uint32_t push_count(struct push *push);
/* The first `count` of them have been listed. */
void push_listed(struct push *push, uint32_t count);
/* Returns when all is pushed. */
void push_all(struct push *push);
/* Whether a file must not be known by name yet. */
bool push_hides(struct push *push, uint64_t reference);
/* Whether push_release() would wait. */
bool push_holds(struct push *push, uint64_t reference);
/* Before anyone is told of a file. */
void push_release(struct push *push, uint64_t reference);

#endif
