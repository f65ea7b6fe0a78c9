/* SPDX-License-Identifier: MIT */
/*
 * The kernel's FUSE protocol (include/uapi/linux/fuse.h), spoken directly on /dev/fuse: what requests and answers look
 * like, for a read-only file system that is a SquashFS image.
 */
#ifndef FUSE_PROTOCOL_H
#define FUSE_PROTOCOL_H

#include <linux/fuse.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "squashfs.h"

enum {
	FUSE_READ_LIMIT = 128 * 1024,
	FUSE_REQUEST_SIZE = 2 * FUSE_MIN_READ_BUFFER, /* writes, the only longer requests, do not come */
};

/* The image never changes: what the kernel has learned stays true. */
enum { FUSE_FOREVER_S = INT32_MAX };

struct fuse_request {
	int device;
	const struct fuse_in_header *header;
	const void *body;
	size_t body_size;
};

/*
 * The next request, in `input`, which has FUSE_REQUEST_SIZE bytes: 0, or a negative errno value.  -ENOENT: it was taken
 * back; -EAGAIN: there is none yet, where reading does not wait; all but these and -EINTR: the file system is gone.
 */
int fuse_receive(int device, void *input, struct fuse_request *request);

/* The first of the parts is left free for the header. */
void fuse_reply_parts(const struct fuse_request *request, struct iovec *parts, size_t count);
void fuse_reply(const struct fuse_request *request, const void *body, size_t size);
/* A negative errno value, or 0 for an answer that says no more than that all is well. */
void fuse_reply_error(const struct fuse_request *request, int error);
/* To FUSE_INIT. */
void fuse_reply_init(const struct fuse_request *request);
/* Puts data into the page cache of a file whose inode the kernel knows (FUSE_NOTIFY_STORE).  Negative errno value. */
int fuse_store(int device, uint64_t node, uint64_t offset, const uint8_t *data, uint32_t size);

/* The kernel's number of an inode is its place in the inode table; 0 and FUSE_ROOT_ID have meanings of their own. */
uint64_t fuse_node(const struct squashfs *fs, uint64_t reference);
uint64_t fuse_reference(const struct squashfs *fs, uint64_t node);
/* `own_files`: the caller is reported as the owner. */
struct fuse_attr fuse_attributes(const struct squashfs *fs, const struct inode *inode, bool own_files);
struct fuse_entry_out fuse_entry(const struct squashfs *fs, const struct inode *inode, bool own_files);

/* The answer to FUSE_READDIR, or FUSE_READDIRPLUS: then every entry has attributes before it. */
struct fuse_listing {
	uint8_t *data;
	size_t size;
	size_t room;
	bool plus;
};

struct fuse_name {
	const char *text; /* no zero need be behind it */
	size_t length;
	uint64_t number;
	enum inode_type type;
	uint64_t next; /* the offset of what follows */
};

/* `known`: what the kernel shall learn of the file, or NULL.  False when there is no room left. */
bool fuse_listing_add(struct fuse_listing *listing, const struct fuse_name *name, const struct fuse_entry_out *known);

#endif
