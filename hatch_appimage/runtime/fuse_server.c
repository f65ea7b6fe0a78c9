/* SPDX-License-Identifier: MIT */
#include "fuse_server.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_SEGMENTS = FUSE_READ_LIMIT / MIN_BLOCK_SIZE + 2 };

/* The directory's with the prefetched files: see prefetch.h. */
static const uint64_t PREFETCH_NODE = UINT64_MAX;

/* A request, and who answers it. */
struct op {
	struct fuse_server *server;
	struct fuse_worker *worker;
	const struct fuse_request *request;
};

static int inode_of(const struct op *op, struct inode *inode)
{
	struct squashfs *fs = &op->server->fs;

	return squashfs_inode(fs, fuse_reference(fs, op->request->header->nodeid), inode);
}

static void op_init(const struct op *op)
{
	const struct fuse_init_in *in = op->request->body;

	op->server->features = in->flags;
	prefetch_set_kernel(op->server->prefetch, in->minor);
	fuse_reply_init(op->request);
}

/* Before the kernel is told of a file by name. */
static void release(const struct op *op, uint64_t reference)
{
	if (prefetch_holds(op->server->prefetch, reference))
		fuse_worker_stop_listening(op->worker);
	prefetch_release(op->server->prefetch, reference);
}

static bool asks_for_prefetch_directory(const struct op *op)
{
	return op->request->header->nodeid == FUSE_ROOT_ID &&
	       prefetch_names_directory(op->server->prefetch, op->request->body, op->request->body_size);
}

/* Not to be remembered: others shall not find it. */
static void lookup_prefetch_directory(const struct op *op)
{
	struct fuse_entry_out out = {
		.nodeid = PREFETCH_NODE,
		.attr_valid = FUSE_FOREVER_S,
		.attr = {.ino = UINT32_MAX, .mode = S_IFDIR | 0555, .nlink = 2, .uid = geteuid(), .gid = getegid()},
	};

	fuse_reply(op->request, &out, sizeof(out));
}

/* 1 and the file of the name, 0 where there is none. */
static int look_up(const struct op *op, struct inode *inode)
{
	struct squashfs *fs = &op->server->fs;
	const char *name = op->request->body;
	struct entry entry;
	int error = inode_of(op, inode);

	if (error)
		return error;
	if (inode->type != TYPE_DIRECTORY)
		return -ENOTDIR;
	int got = squashfs_lookup(fs, inode, name, strnlen(name, op->request->body_size), &entry);
	if (got != 1)
		return got;
	error = squashfs_inode(fs, entry.reference, inode);
	return error ? error : 1;
}

static void op_lookup(const struct op *op)
{
	/* Node 0 says "not there" and may be remembered, unlike an error. */
	struct fuse_entry_out out = {.entry_valid = FUSE_FOREVER_S};
	struct inode inode;

	if (asks_for_prefetch_directory(op)) {
		lookup_prefetch_directory(op);
		return;
	}
	int got = look_up(op, &inode);
	if (got < 0) {
		fuse_reply_error(op->request, got);
		return;
	}
	if (got) {
		release(op, inode.reference);
		out = fuse_entry(&op->server->fs, &inode, op->server->own_files);
	}
	fuse_reply(op->request, &out, sizeof(out));
}

static void op_getattr(const struct op *op)
{
	struct inode inode;
	int error = inode_of(op, &inode);

	if (error) {
		fuse_reply_error(op->request, error);
		return;
	}
	struct fuse_attr_out out = {.attr_valid = FUSE_FOREVER_S,
	                            .attr = fuse_attributes(&op->server->fs, &inode, op->server->own_files)};
	fuse_reply(op->request, &out, sizeof(out));
}

static void op_readlink(const struct op *op)
{
	struct inode inode;
	char target[PATH_MAX];
	int error = inode_of(op, &inode);

	if (!error && inode.type != TYPE_SYMLINK)
		error = -EINVAL;
	if (!error)
		error = squashfs_readlink(&op->server->fs, &inode, target);
	if (error)
		fuse_reply_error(op->request, error);
	else
		fuse_reply(op->request, target, (size_t)inode.size);
}

/* Directory listings: "." and ".." come first, then the entries, each known by the place of what follows it. */

enum { DOT = 1, DOT_DOT = 2, ENTRIES = 3 };

/* A cursor as an offset, from the highest bit on: the place, how far behind the header of its run, and its index in it. */
enum {
	INDEX_BITS = 8,
	DISTANCE_BITS = 18,
	INDEX = (1 << INDEX_BITS) - 1,
	DISTANCE = (1 << DISTANCE_BITS) - 1,
};

static uint64_t pack_cursor(const struct cursor *cursor)
{
	uint64_t place = (uint64_t)cursor->next << DISTANCE_BITS | (cursor->next - cursor->header);

	return ENTRIES + (place << INDEX_BITS | cursor->index);
}

/* Programs may seek anywhere: squashfs_next() checks what comes out of this. */
static struct cursor unpack_cursor(uint64_t offset)
{
	if (offset < ENTRIES)
		return (struct cursor){0};
	offset -= ENTRIES;
	uint32_t next = (uint32_t)(offset >> (DISTANCE_BITS + INDEX_BITS));
	uint32_t distance = (uint32_t)(offset >> INDEX_BITS) & DISTANCE;
	return (struct cursor){next - distance, next, (uint32_t)offset & INDEX};
}

static bool add_dots(struct fuse_listing *listing, const struct inode *directory, uint64_t offset)
{
	const struct fuse_name dot = {".", 1, directory->number, TYPE_DIRECTORY, DOT};
	const struct fuse_name dot_dot = {"..", 2, directory->parent, TYPE_DIRECTORY, DOT_DOT};

	/* Without attributes: the kernel knows both directories already. */
	return (offset >= DOT || fuse_listing_add(listing, &dot, NULL)) &&
	       (offset >= DOT_DOT || fuse_listing_add(listing, &dot_dot, NULL));
}

static int add_entries(const struct op *op, struct fuse_listing *listing, const struct inode *directory, uint64_t offset)
{
	struct fuse_server *server = op->server;
	struct cursor cursor = unpack_cursor(offset);
	int got = 0;

	if (!add_dots(listing, directory, offset))
		return 0;
	for (;;) {
		struct entry entry;
		struct inode inode;
		struct fuse_entry_out out;
		if ((got = squashfs_next(&server->fs, directory, &cursor, &entry)) != 1)
			return got;
		const struct fuse_name name = {entry.name, entry.length, entry.number, entry.type, pack_cursor(&cursor)};
		/* A file that is still to be prefetched must not be known by name: see prefetch.h. */
		bool known = listing->plus && !prefetch_hides(server->prefetch, entry.reference);
		if (known && (got = squashfs_inode(&server->fs, entry.reference, &inode)))
			return got;
		if (known)
			out = fuse_entry(&server->fs, &inode, server->own_files);
		if (!fuse_listing_add(listing, &name, known ? &out : NULL))
			return 0;
	}
}

/*
 * Files by number: only their inodes matter.  Those that are prefetched first come first.  `*offset` becomes that of
 * what follows.
 */
static int add_prefetched(const struct op *op, struct fuse_listing *listing, uint64_t *offset)
{
	struct fuse_server *server = op->server;
	uint64_t end = prefetch_listing_end(server->prefetch, *offset);

	for (; *offset < end; ++*offset) {
		struct inode inode;
		char text[24];
		int error = prefetch_inode(server->prefetch, *offset, &inode);
		if (error)
			return error;
		int length = snprintf(text, sizeof(text), "%llu", (unsigned long long)*offset);
		const struct fuse_name name = {text, (size_t)length, inode.number, TYPE_FILE, *offset + 1};
		struct fuse_entry_out out = fuse_entry(&server->fs, &inode, server->own_files);
		out.entry_valid = 0; /* the inode shall be known, but nobody open it by this name */
		if (!fuse_listing_add(listing, &name, &out))
			return 0;
	}
	return 0;
}

static void reply_listing(const struct op *op, const struct fuse_listing *listing, int error)
{
	if (error && !listing->size)
		fuse_reply_error(op->request, error);
	else
		fuse_reply(op->request, listing->data, listing->size);
}

static void list_prefetched(const struct op *op, struct fuse_listing *listing, uint64_t offset)
{
	uint64_t end = offset;
	int error = add_prefetched(op, listing, &end);

	reply_listing(op, listing, error);
	if (end > offset)
		prefetch_listed(op->server->prefetch, end);
}

static void op_readdir(const struct op *op)
{
	const struct fuse_read_in *in = op->request->body;
	struct fuse_listing listing = {
		.data = op->worker->output,
		.room = in->size < FUSE_READ_LIMIT ? in->size : FUSE_READ_LIMIT,
		.plus = op->request->header->opcode == FUSE_READDIRPLUS,
	};
	struct inode inode;

	if (op->request->header->nodeid == PREFETCH_NODE) {
		list_prefetched(op, &listing, in->offset);
		return;
	}
	int error = inode_of(op, &inode);
	if (!error && inode.type != TYPE_DIRECTORY)
		error = -ENOTDIR;
	if (!error)
		error = add_entries(op, &listing, &inode, in->offset);
	reply_listing(op, &listing, error);
}

/* File contents */

/* An answer made of pieces of cached blocks. */
struct pieces {
	struct iovec parts[1 + MAX_SEGMENTS];
	size_t count;
	struct block_view views[MAX_SEGMENTS];
	size_t held;
};

/* How many blocks one thread holds at a time. */
static uint32_t blocks_per_thread(const struct squashfs *fs)
{
	return FUSE_READ_LIMIT / fs->super.block_size + 2;
}

static int add_extent(const struct op *op, struct pieces *pieces, const struct extent *extent, uint32_t at, uint32_t size)
{
	static uint8_t zeros[FUSE_READ_LIMIT]; /* not const: takes no room in the file */
	const uint8_t *data = zeros;

	if (extent->size) {
		struct block_view *view = &pieces->views[pieces->held];
		if (!cache_holds(&op->server->cache, extent))
			fuse_worker_stop_listening(op->worker);
		int error = cache_get(&op->server->cache, extent, view);
		if (error)
			return error;
		pieces->held++;
		if (at > view->size || size > view->size - at)
			return -EIO;
		data = view->data + at;
	}
	pieces->parts[pieces->count++] = (struct iovec){(void *)data, size};
	return 0;
}

static int gather(const struct op *op, const struct inode *inode, uint64_t offset, uint64_t end, struct pieces *pieces)
{
	struct squashfs *fs = &op->server->fs;
	uint32_t block_size = fs->super.block_size;
	uint32_t blocks = squashfs_block_count(fs, inode);

	while (offset < end) {
		uint32_t block = (uint32_t)(offset >> fs->super.block_log);
		uint32_t at = (uint32_t)offset & (block_size - 1);
		uint32_t size = end - offset < block_size - at ? (uint32_t)(end - offset) : block_size - at;
		struct extent extent;
		int error = 0;
		if (block < blocks) {
			error = squashfs_block(fs, inode, block, &op->worker->memo, &extent);
		} else {
			extent = fs->fragments[inode->fragment];
			at += inode->fragment_offset;
		}
		if (!error)
			error = add_extent(op, pieces, &extent, at, size);
		if (error)
			return error;
		offset += size;
	}
	return 0;
}

static void op_read(const struct op *op)
{
	const struct fuse_read_in *in = op->request->body;
	struct pieces pieces = {.count = 1};
	struct inode inode;
	int error = inode_of(op, &inode);

	if (!error && inode.type != TYPE_FILE)
		error = -EINVAL;
	if (!error) {
		uint64_t offset = in->offset < inode.size ? in->offset : inode.size;
		uint64_t size = inode.size - offset;
		if (size > in->size)
			size = in->size;
		if (size > FUSE_READ_LIMIT)
			size = FUSE_READ_LIMIT;
		error = gather(op, &inode, offset, offset + size, &pieces);
	}
	if (error)
		fuse_reply_error(op->request, error);
	else
		fuse_reply_parts(op->request, pieces.parts, pieces.count);
	for (size_t i = 0; i < pieces.held; i++)
		cache_release(&op->server->cache, &pieces.views[i]);
}

static void op_statfs(const struct op *op)
{
	const struct superblock *super = &op->server->fs.super;
	struct fuse_statfs_out out = {.st = {
		.blocks = (super->bytes_used + super->block_size - 1) / super->block_size,
		.files = super->inode_count,
		.bsize = super->block_size,
		.frsize = super->block_size,
		.namelen = NAME_LIMIT,
	}};

	fuse_reply(op->request, &out, sizeof(out));
}

/* ENOSYS tells a kernel that can do without never to ask again. */
static void op_open(const struct op *op, uint32_t can_do_without, bool is_complete)
{
	struct fuse_open_out out = {.open_flags = is_complete ? FOPEN_KEEP_CACHE | FOPEN_CACHE_DIR : 0};

	if (op->server->features & can_do_without && is_complete)
		fuse_reply_error(op->request, -ENOSYS);
	else
		fuse_reply(op->request, &out, sizeof(out));
}

static void handle(struct fuse_server *server, struct fuse_worker *worker, const struct fuse_request *request)
{
	const struct op op = {server, worker, request};

	switch (request->header->opcode) {
	case FUSE_INIT:
		op_init(&op);
		break;
	case FUSE_LOOKUP:
		op_lookup(&op);
		break;
	case FUSE_GETATTR:
		op_getattr(&op);
		break;
	case FUSE_READLINK:
		op_readlink(&op);
		break;
	case FUSE_READDIR:
	case FUSE_READDIRPLUS:
		op_readdir(&op);
		break;
	case FUSE_READ:
		op_read(&op);
		break;
	case FUSE_OPEN:
		op_open(&op, FUSE_NO_OPEN_SUPPORT, true);
		break;
	case FUSE_OPENDIR:
		/* What a directory's listing leaves out while files are prefetched, the next one shall bring. */
		op_open(&op, FUSE_NO_OPENDIR_SUPPORT, prefetch_is_done(server->prefetch));
		break;
	case FUSE_STATFS:
		op_statfs(&op);
		break;
	case FUSE_RELEASE:
	case FUSE_RELEASEDIR:
	case FUSE_DESTROY:
		fuse_reply_error(request, 0);
		break;
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT: /* none of these is answered */
		break;
	default:
		/* The kernel remembers and asks no more: extended attributes, access checks, flushing. */
		fuse_reply_error(request, -ENOSYS);
	}
}

/* With fewer threads where memory is short. */
static int open_cache(struct fuse_server *server)
{
	unsigned *threads = &server->workers.max_threads;
	int error;

	do
		error = cache_open(&server->cache, &server->fs, (*threads + 1) * blocks_per_thread(&server->fs));
	while (error && --*threads);
	return error;
}

int fuse_server_open(struct fuse_server *server, int image, uint64_t offset, const struct prefetch_plan *plan)
{
	int error = squashfs_open(&server->fs, image, offset);

	if (!error)
		error = open_cache(server);
	if (error)
		return error;
	server->prefetch = prefetch_open(plan, &server->fs, &server->cache);
	if (!server->prefetch)
		return -ENOMEM;
	server->workers.handle = handle;
	server->workers.server = server;
	server->workers.prefetch = server->prefetch;
	server->workers.split = &plan->split;
	return fuse_workers_open(&server->workers);
}

void fuse_server_run(struct fuse_server *server, int device, bool own_files)
{
	server->own_files = own_files;
	prefetch_begin(server->prefetch, device);
	fuse_workers_run(&server->workers, device);
}
