/* SPDX-License-Identifier: MIT */
/*
 * Putting into the kernel's caches what the application is about to read, so that it finds it without a request.
 *
 * The kernel takes pages of inodes that it knows (FUSE_NOTIFY_STORE), and waits for a page that someone is reading just
 * then: for an answer of ours.  A server that is killed while it waits for itself never ends.  So no file is prefetched
 * that anyone can read: until its name has been looked up, only its inode is known, from a directory that nobody but
 * ours finds, and whoever looks up a file that is being prefetched gets the answer, and helps, when all of it is there;
 * a large one that is still to come is prefetched then.  After that it is read like any other.
 *
 * That directory is in the root directory, in no listing, under a name that nobody can guess: in it are the prefetched
 * files, by number.  The first process lists the first of them, with which the interpreter starts, as to know an inode
 * takes the kernel time.  The unmounter lists the others, and when all are prefetched the directories of startup_list.h.
 *
 * docs/decisions/prefetching.md says why, and what it gains.
 */
#ifndef PREFETCH_H
#define PREFETCH_H

#include "cache.h"
#include "cpu_split.h"
#include "startup_list.h"

enum { PREFETCH_NAME_ROOM = 32 };

/* What the first process decides for all. */
struct prefetch_plan {
	struct startup_ranges ranges;       /* none in front: nothing is prefetched */
	char directory[PREFETCH_NAME_ROOM]; /* its name */
	int pipe[2];                        /* from the server to the unmounter: prefetch_connect() */
	struct cpu_split split;             /* until all is prefetched */
};

/* Nothing is prefetched with one processor, nor where APPIMAGE_NO_PREFETCH is set. */
void prefetch_decide(struct prefetch_plan *plan, int image);
/* The pipe has a byte when the first files are prefetched, and is closed when all are.  Negative errno value. */
int prefetch_connect(struct prefetch_plan *plan);

/* In the first process, which sees the mount; `all`: the unmounter does not. */
void prefetch_list_first(const struct prefetch_plan *plan, const char *mount_point, bool all);
/* In the unmounter: waits for the server; `application` is a descriptor from process_open(). */
void prefetch_list_others(const struct prefetch_plan *plan, const char *mount_point, int image, uint64_t offset,
                          int application);

/* In the server */

struct prefetch;

/* NULL: there is not enough memory.  The plan stays the caller's. */
struct prefetch *prefetch_open(const struct prefetch_plan *plan, struct squashfs *fs, struct cache *cache);
/* There is a mount. */
void prefetch_begin(struct prefetch *prefetch, int device);
/* The minor version of the kernel's protocol. */
void prefetch_set_kernel(struct prefetch *prefetch, uint32_t minor);
/* Finds the files and prefetches them; returns when all are. */
void prefetch_run(struct prefetch *prefetch);
bool prefetch_is_done(const struct prefetch *prefetch);
/* Whether this is the directory's name; `length` bytes with the zero at its end. */
bool prefetch_names_directory(const struct prefetch *prefetch, const char *name, size_t length);
/* Behind the last file that the directory's listing has which begins at a file. */
uint32_t prefetch_listing_end(struct prefetch *prefetch, uint64_t start);
/* The inode of a file of the listing. */
int prefetch_inode(const struct prefetch *prefetch, uint64_t number, struct inode *inode);
/* The files up to this one have been listed. */
void prefetch_listed(struct prefetch *prefetch, uint64_t end);
/* Whether a file must not be known by name yet. */
bool prefetch_hides(struct prefetch *prefetch, uint64_t reference);
/* Whether prefetch_release() would wait. */
bool prefetch_holds(struct prefetch *prefetch, uint64_t reference);
/* Before anyone is told of a file. */
void prefetch_release(struct prefetch *prefetch, uint64_t reference);

#endif
