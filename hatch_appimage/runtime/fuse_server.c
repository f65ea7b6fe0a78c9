/* SPDX-License-Identifier: MIT */
#include "fuse_server.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fuse.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "cache.h"
#include "monotonic.h"
#include "prefetch.h"

enum {
	REQUEST_SIZE = 2 * FUSE_MIN_READ_BUFFER, /* writes, the only longer requests, do not come */
	MAX_SEGMENTS = FUSE_READ_LIMIT / MIN_BLOCK_SIZE + 2,
	MAX_BACKGROUND = 32, /* read-ahead requests that the kernel keeps under way */
};

/* The image never changes: what the kernel has learned stays true. */
static const uint64_t FOREVER = INT32_MAX;

static void stop_listening(struct fuse_server *server, struct worker *worker);

struct request {
	struct fuse_server *server;
	const struct fuse_in_header *header;
	const void *body;
	size_t body_size;
	struct worker *worker;
};

/* What one serving thread owns. */
struct worker {
	struct fuse_server *server;
	struct block_memo memo;
	bool listens;
	bool is_split;
	uint64_t answered; /* when the listener last did */
	uint8_t input[REQUEST_SIZE];
	uint8_t output[FUSE_READ_LIMIT];
};

uint32_t fuse_blocks_per_thread(const struct squashfs *fs)
{
	return FUSE_READ_LIMIT / fs->super.block_size + 2;
}

/* The directory's with the prefetched files. */
static const uint64_t PREFETCH_NODE = UINT64_MAX;

uint64_t fuse_node(const struct squashfs *fs, uint64_t reference)
{
	return reference == fs->super.root_inode ? FUSE_ROOT_ID : reference + FUSE_ROOT_ID + 1;
}

static int inode_of(const struct request *request, struct inode *inode)
{
	struct squashfs *fs = request->server->fs;
	uint64_t node = request->header->nodeid;

	return squashfs_inode(fs, node == FUSE_ROOT_ID ? fs->super.root_inode : node - FUSE_ROOT_ID - 1, inode);
}

static void send_reply(const struct request *request, struct iovec *parts, size_t count, int error)
{
	struct fuse_out_header header = {sizeof(header), error, request->header->unique};

	parts[0] = (struct iovec){&header, sizeof(header)};
	for (size_t i = 1; i < count; i++)
		header.len += (uint32_t)parts[i].iov_len;
	/* Fails only when the caller was interrupted or the file system is gone: nobody waits for the answer then. */
	(void)!writev(request->server->device, parts, (int)count);
}

static void reply(const struct request *request, const void *body, size_t size)
{
	struct iovec parts[2] = {{0}, {(void *)body, size}};

	send_reply(request, parts, 2, 0);
}

static void reply_error(const struct request *request, int error)
{
	struct iovec part;

	send_reply(request, &part, 1, error);
}

static uint32_t mode_of(const struct inode *inode)
{
	static const uint32_t formats[] = {0, S_IFDIR, S_IFREG, S_IFLNK, S_IFBLK, S_IFCHR, S_IFIFO, S_IFSOCK};

	return formats[inode->type] | inode->permissions;
}

static struct fuse_attr attributes_of(const struct fuse_server *server, const struct inode *inode)
{
	return (struct fuse_attr){
		.ino = inode->number,
		.size = inode->size,
		.blocks = (inode->size + 511) / 512,
		.atime = inode->modified,
		.mtime = inode->modified,
		.ctime = inode->modified,
		.mode = mode_of(inode),
		.nlink = inode->links,
		.uid = server->own_files ? geteuid() : inode->uid,
		.gid = server->own_files ? getegid() : inode->gid,
		.rdev = inode->device,
		.blksize = server->fs->super.block_size,
	};
}

static struct fuse_entry_out entry_of(const struct fuse_server *server, const struct inode *inode)
{
	return (struct fuse_entry_out){
		.nodeid = fuse_node(server->fs, inode->reference),
		.entry_valid = FOREVER,
		.attr_valid = FOREVER,
		.attr = attributes_of(server, inode),
	};
}

static void op_init(const struct request *request)
{
	const struct fuse_init_in *in = request->body;
	const uint32_t wanted = FUSE_ASYNC_READ | FUSE_DO_READDIRPLUS | FUSE_PARALLEL_DIROPS | FUSE_NO_OPEN_SUPPORT |
	                        FUSE_NO_OPENDIR_SUPPORT | FUSE_CACHE_SYMLINKS | FUSE_MAX_PAGES;
	struct fuse_init_out out = {
		.major = FUSE_KERNEL_VERSION,
		.minor = FUSE_KERNEL_MINOR_VERSION,
		.max_readahead = in->max_readahead,
		.flags = in->flags & wanted,
		.max_background = MAX_BACKGROUND,
		.congestion_threshold = MAX_BACKGROUND,
		.max_write = FUSE_MIN_READ_BUFFER / 2,
		.time_gran = NS_PER_S, /* whole seconds */
		.max_pages = (uint16_t)(FUSE_READ_LIMIT / getauxval(AT_PAGESZ)),
	};

	request->server->features = in->flags;
	/* From Linux 6.12 on; the version before is that of kernels that do not, too. */
	request->server->prefetch->fills_pages = in->minor > 40;
	if (in->major < FUSE_KERNEL_VERSION)
		reply_error(request, -EPROTO);
	else
		reply(request, &out, in->minor < 23 ? FUSE_COMPAT_22_INIT_OUT_SIZE : sizeof(out));
}

/* Before the kernel is told of a file by name. */
static void release(const struct request *request, uint64_t reference)
{
	struct prefetch *prefetch = request->server->prefetch;

	if (prefetch_holds(prefetch, reference))
		stop_listening(request->server, request->worker);
	prefetch_release(prefetch, reference);
}

static bool asks_for_prefetch_directory(const struct request *request)
{
	return request->header->nodeid == FUSE_ROOT_ID &&
	       prefetch_names_directory(request->server->prefetch, request->body, request->body_size);
}

/* Not to be remembered: others shall not find it. */
static void lookup_prefetch_directory(const struct request *request)
{
	struct fuse_entry_out out = {
		.nodeid = PREFETCH_NODE,
		.attr_valid = FOREVER,
		.attr = {.ino = UINT32_MAX, .mode = S_IFDIR | 0555, .nlink = 2, .uid = geteuid(), .gid = getegid()},
	};

	reply(request, &out, sizeof(out));
}

static void op_lookup(const struct request *request)
{
	struct squashfs *fs = request->server->fs;
	struct inode inode;
	struct entry entry;
	int got;

	if (asks_for_prefetch_directory(request)) {
		lookup_prefetch_directory(request);
		return;
	}
	got = inode_of(request, &inode);
	if (!got)
		got = inode.type != TYPE_DIRECTORY
		              ? -ENOTDIR
		              : squashfs_lookup(fs, &inode, request->body, strnlen(request->body, request->body_size), &entry);
	if (got == 0) {
		/* Node 0 says "not there" and may be remembered, unlike an error. */
		struct fuse_entry_out missing = {.entry_valid = FOREVER};
		reply(request, &missing, sizeof(missing));
		return;
	}
	if (got == 1)
		got = squashfs_inode(fs, entry.reference, &inode);
	if (got) {
		reply_error(request, got);
		return;
	}
	release(request, inode.reference);
	struct fuse_entry_out out = entry_of(request->server, &inode);
	reply(request, &out, sizeof(out));
}

static void op_getattr(const struct request *request)
{
	struct inode inode;
	int error = inode_of(request, &inode);

	if (error) {
		reply_error(request, error);
		return;
	}
	struct fuse_attr_out out = {.attr_valid = FOREVER, .attr = attributes_of(request->server, &inode)};
	reply(request, &out, sizeof(out));
}

static void op_readlink(const struct request *request)
{
	struct inode inode;
	char target[PATH_MAX];
	int error = inode_of(request, &inode);

	if (!error && inode.type != TYPE_SYMLINK)
		error = -EINVAL;
	if (!error)
		error = squashfs_readlink(request->server->fs, &inode, target);
	if (error)
		reply_error(request, error);
	else
		reply(request, target, (size_t)inode.size);
}

/* Directory listings: "." and ".." come first, then the entries, each known by the place of what follows it. */

enum { DOT = 1, DOT_DOT = 2, ENTRIES = 3 };

static uint64_t pack_cursor(const struct cursor *cursor)
{
	return ENTRIES + ((uint64_t)cursor->next << 26 | (uint64_t)(cursor->next - cursor->header) << 8 | cursor->index);
}

/* Programs may seek anywhere: squashfs_next() checks what comes out of this. */
static struct cursor unpack_cursor(uint64_t offset)
{
	if (offset < ENTRIES)
		return (struct cursor){0};
	offset -= ENTRIES;
	uint32_t next = (uint32_t)(offset >> 26), distance = (uint32_t)(offset >> 8) & 0x3ffff;
	return (struct cursor){next - distance, next, (uint32_t)offset & 0xff};
}

struct listing {
	const struct request *request;
	uint8_t *data;
	size_t size;
	size_t room;
	bool plus;
	bool prefetched;   /* of the directory with the prefetched files */
	uint32_t last; /* and how many of its files have been listed then */
};

/* False when there is no room left. */
static bool add_entry(struct listing *listing, const char *name, size_t length, uint64_t number, enum inode_type type,
                      uint64_t next, const struct inode *inode)
{
	static const uint8_t kinds[] = {0, S_IFDIR >> 12, S_IFREG >> 12, S_IFLNK >> 12,
	                                S_IFBLK >> 12, S_IFCHR >> 12, S_IFIFO >> 12, S_IFSOCK >> 12};
	struct fuse_dirent entry = {.ino = number, .off = next, .namelen = (uint32_t)length, .type = kinds[type]};
	size_t prefix = listing->plus ? sizeof(struct fuse_entry_out) : 0;
	size_t size = FUSE_DIRENT_ALIGN(prefix + FUSE_NAME_OFFSET + length);
	uint8_t *to = listing->data + listing->size;

	if (size > listing->room - listing->size)
		return false;
	memset(to, 0, size);
	if (inode && listing->plus) {
		struct fuse_entry_out out = entry_of(listing->request->server, inode);
		if (listing->prefetched)
			out.entry_valid = 0; /* the inode shall be known, but nobody open it by this name */
		memcpy(to, &out, sizeof(out));
	}
	memcpy(to + prefix, &entry, FUSE_NAME_OFFSET);
	memcpy(to + prefix + FUSE_NAME_OFFSET, name, length);
	listing->size += size;
	return true;
}

static int add_entries(struct listing *listing, const struct inode *directory, uint64_t offset)
{
	struct squashfs *fs = listing->request->server->fs;
	struct cursor cursor = unpack_cursor(offset);
	struct prefetch *prefetch = listing->request->server->prefetch;
	int got = 0;

	/* Without attributes: the kernel knows both directories already. */
	if (offset < DOT && !add_entry(listing, ".", 1, directory->number, TYPE_DIRECTORY, DOT, NULL))
		return 0;
	if (offset < DOT_DOT && !add_entry(listing, "..", 2, directory->parent, TYPE_DIRECTORY, DOT_DOT, NULL))
		return 0;
	for (;;) {
		struct entry entry;
		struct inode inode;
		if ((got = squashfs_next(fs, directory, &cursor, &entry)) != 1)
			return got;
		/* Of a file that is still to be prefetched nobody may know; see prefetch.h. */
		bool known = listing->plus && !prefetch_hides(prefetch, entry.reference);
		if (known && (got = squashfs_inode(fs, entry.reference, &inode)))
			return got;
		if (!add_entry(listing, entry.name, entry.length, entry.number, entry.type, pack_cursor(&cursor),
		               known ? &inode : NULL))
			return 0;
	}
}

/* Files by number: only their inodes matter.  Those that are prefetched first come first. */
static int add_prefetched(struct listing *listing, uint64_t offset)
{
	struct prefetch *prefetch = listing->request->server->prefetch;
	uint32_t count = prefetch_count(prefetch);
	struct inode inode;
	char name[16];

	for (uint64_t i = offset; i < count && (offset || i < PREFETCH_FIRST); i++) {
		int length = snprintf(name, sizeof(name), "%u", (unsigned)i);
		int error = squashfs_inode(prefetch->fs, prefetch->files[i].reference, &inode);
		if (error)
			return error;
		if (!add_entry(listing, name, (size_t)length, inode.number, TYPE_FILE, i + 1, &inode))
			break;
		listing->last = (uint32_t)i + 1;
	}
	return 0;
}

static void op_readdir(const struct request *request)
{
	const struct fuse_read_in *in = request->body;
	size_t room = in->size < FUSE_READ_LIMIT ? in->size : FUSE_READ_LIMIT;
	struct listing listing = {
		.request = request,
		.data = request->worker->output,
		.room = room,
		.plus = request->header->opcode == FUSE_READDIRPLUS,
		.prefetched = request->header->nodeid == PREFETCH_NODE,
	};
	struct inode inode;
	int error = listing.prefetched ? 0 : inode_of(request, &inode);

	if (!error && !listing.prefetched && inode.type != TYPE_DIRECTORY)
		error = -ENOTDIR;
	if (!error)
		error = listing.prefetched ? add_prefetched(&listing, in->offset) : add_entries(&listing, &inode, in->offset);
	if (error && !listing.size)
		reply_error(request, error);
	else
		reply(request, listing.data, listing.size);
	if (listing.prefetched)
		prefetch_listed(request->server->prefetch, listing.last);
}

/* File contents */

/* An answer made of pieces of cached blocks. */
struct pieces {
	struct iovec parts[1 + MAX_SEGMENTS];
	size_t count;
	struct block_view views[MAX_SEGMENTS];
	size_t held;
};

static int add_extent(const struct request *request, struct pieces *pieces, const struct extent *extent, uint32_t at,
                      uint32_t size)
{
	static uint8_t zeros[FUSE_READ_LIMIT]; /* not const: takes no room in the file */
	const uint8_t *data = zeros;

	if (extent->size) {
		struct block_view *view = &pieces->views[pieces->held];
		if (!cache_holds(request->server->cache, extent))
			stop_listening(request->server, request->worker);
		int error = cache_get(request->server->cache, extent, view);
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

static int gather(const struct request *request, const struct inode *inode, uint64_t offset, uint64_t end,
                  struct pieces *pieces)
{
	struct squashfs *fs = request->server->fs;
	uint32_t block_size = fs->super.block_size;
	uint32_t blocks = squashfs_block_count(fs, inode);

	while (offset < end) {
		uint32_t block = (uint32_t)(offset >> fs->super.block_log);
		uint32_t at = (uint32_t)offset & (block_size - 1);
		uint32_t size = end - offset < block_size - at ? (uint32_t)(end - offset) : block_size - at;
		struct extent extent;
		int error = 0;
		if (block < blocks) {
			error = squashfs_block(fs, inode, block, &request->worker->memo, &extent);
		} else {
			extent = fs->fragments[inode->fragment];
			at += inode->fragment_offset;
		}
		if (!error)
			error = add_extent(request, pieces, &extent, at, size);
		if (error)
			return error;
		offset += size;
	}
	return 0;
}

static void op_read(const struct request *request)
{
	const struct fuse_read_in *in = request->body;
	struct pieces pieces = {.count = 1};
	struct inode inode;
	int error = inode_of(request, &inode);

	if (!error && inode.type != TYPE_FILE)
		error = -EINVAL;
	if (!error) {
		uint64_t offset = in->offset < inode.size ? in->offset : inode.size;
		uint64_t size = inode.size - offset;
		if (size > in->size)
			size = in->size;
		if (size > FUSE_READ_LIMIT)
			size = FUSE_READ_LIMIT;
		error = gather(request, &inode, offset, offset + size, &pieces);
	}
	if (error)
		reply_error(request, error);
	else
		send_reply(request, pieces.parts, pieces.count, 0);
	for (size_t i = 0; i < pieces.held; i++)
		cache_release(request->server->cache, &pieces.views[i]);
}

static void op_statfs(const struct request *request)
{
	const struct superblock *super = &request->server->fs->super;
	struct fuse_statfs_out out = {.st = {
		.blocks = (super->bytes_used + super->block_size - 1) / super->block_size,
		.files = super->inode_count,
		.bsize = super->block_size,
		.frsize = super->block_size,
		.namelen = NAME_LIMIT,
	}};

	reply(request, &out, sizeof(out));
}

/* ENOSYS tells a kernel that can do without never to ask again. */
static void op_open(const struct request *request, uint32_t can_do_without, bool is_complete)
{
	struct fuse_open_out out = {.open_flags = is_complete ? FOPEN_KEEP_CACHE | FOPEN_CACHE_DIR : 0};

	if (request->server->features & can_do_without && is_complete)
		reply_error(request, -ENOSYS);
	else
		reply(request, &out, sizeof(out));
}

static void handle(const struct request *request)
{
	switch (request->header->opcode) {
	case FUSE_INIT:
		op_init(request);
		break;
	case FUSE_LOOKUP:
		op_lookup(request);
		break;
	case FUSE_GETATTR:
		op_getattr(request);
		break;
	case FUSE_READLINK:
		op_readlink(request);
		break;
	case FUSE_READDIR:
	case FUSE_READDIRPLUS:
		op_readdir(request);
		break;
	case FUSE_READ:
		op_read(request);
		break;
	case FUSE_OPEN:
		op_open(request, FUSE_NO_OPEN_SUPPORT, true);
		break;
	case FUSE_OPENDIR:
		/* What a directory's listing leaves out while files are prefetched, the next one shall bring. */
		op_open(request, FUSE_NO_OPENDIR_SUPPORT, request->server->prefetch->done);
		break;
	case FUSE_STATFS:
		op_statfs(request);
		break;
	case FUSE_RELEASE:
	case FUSE_RELEASEDIR:
	case FUSE_DESTROY:
		reply_error(request, 0);
		break;
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT: /* none of these is answered */
		break;
	default:
		/* The kernel remembers and asks no more: extended attributes, access checks, flushing. */
		reply_error(request, -ENOSYS);
	}
}

/*
 * Waiting for requests.  While the application starts, one thread listens and the others rest: waking a thread takes
 * longer than most answers, and more than one would wake for each request.  The listener answers what it has at hand;
 * before it decompresses something it lets another one listen.  Where a processor is free it does not sleep between
 * requests that follow each other closely.
 */

enum {
	STARTUP_NS = NS_PER_S,              /* from the mount on */
	SPIN_NS = 3 * NS_PER_MS,            /* an application that starts asks more often */
	CONTENDED_YIELD_NS = 100 * NS_PER_US, /* so long a yield has let others run, who want to go on */
	CONTENDED_PAUSE_NS = 10 * NS_PER_MS, /* without spinning after that */
};

static void *work(void *worker);

static struct worker *make_worker(struct fuse_server *server)
{
	struct worker *worker = calloc(1, sizeof(*worker));

	if (worker) {
		worker->server = server;
		worker->memo.reference = UINT64_MAX;
		worker->is_split = server->cpu_split.exists;
	}
	return worker;
}

/* Called with the lock held.  Where memory is short, those that are there do all the work. */
static void start_worker(struct fuse_server *server)
{
	struct worker *worker = server->threads < server->max_threads ? make_worker(server) : NULL;

	if (worker && process_start_thread(work, worker, NULL))
		server->threads++;
	else
		free(worker);
}

static void become_listener(struct fuse_server *server, struct worker *worker)
{
	pthread_mutex_lock(&server->lock);
	server->idle++;
	while (server->starting && server->has_listener)
		pthread_cond_wait(&server->vacant, &server->lock);
	server->idle--;
	server->has_listener = worker->listens = server->starting;
	pthread_mutex_unlock(&server->lock);
}

static void stop_listening(struct fuse_server *server, struct worker *worker)
{
	if (!worker->listens)
		return;
	worker->listens = false;
	pthread_mutex_lock(&server->lock);
	server->has_listener = false;
	if (server->idle)
		pthread_cond_signal(&server->vacant);
	else
		start_worker(server);
	pthread_mutex_unlock(&server->lock);
}

/* From now on, read() waits, and every thread may. */
static void end_startup(struct fuse_server *server, struct worker *worker)
{
	fcntl(server->device, F_SETFL, O_RDWR);
	pthread_mutex_lock(&server->lock);
	server->starting = server->has_listener = worker->listens = false;
	pthread_cond_broadcast(&server->vacant);
	for (unsigned i = server->threads; i < server->max_threads; i++)
		start_worker(server);
	pthread_mutex_unlock(&server->lock);
}

int fuse_open(struct fuse_server *server, struct squashfs *fs, struct cache *cache, struct prefetch *prefetch)
{
	server->fs = fs;
	server->cache = cache;
	server->prefetch = prefetch;
	server->starting = true;
	server->threads = 1;
	pthread_mutex_init(&server->lock, NULL);
	pthread_cond_init(&server->vacant, NULL);
	server->first = make_worker(server);
	return server->first ? 0 : -ENOMEM;
}

/* A processor each for the application and for what is prefetched. */
static bool may_spin(const struct fuse_server *server, uint64_t now)
{
	return now - server->contended > CONTENDED_PAUSE_NS && server->processors > 1u + !server->prefetch->done;
}

static ssize_t read_request(struct fuse_server *server, struct worker *worker)
{
	if (!worker->listens)
		become_listener(server, worker);
	if (worker->is_split && server->prefetch->done) {
		process_set_affinity(&server->cpu_split.all);
		worker->is_split = false;
	}
	for (;;) {
		ssize_t size = read(server->device, worker->input, sizeof(worker->input));
		if (size >= 0 || errno != EAGAIN)
			return size;
		uint64_t now = monotonic_ns();
		if (now >= server->startup_end) {
			end_startup(server, worker);
		} else if (now - worker->answered < SPIN_NS && may_spin(server, now)) {
			sched_yield();
			uint64_t then = monotonic_ns();
			if (then - now > CONTENDED_YIELD_NS)
				server->contended = then;
		} else {
			struct pollfd wanted = {.fd = server->device, .events = POLLIN};
			poll(&wanted, 1, (int)((server->startup_end - now) / NS_PER_MS) + 1);
		}
	}
}

static void *work(void *this)
{
	struct worker *worker = this;
	struct fuse_server *server = worker->server;

	for (;;) {
		ssize_t size = read_request(server, worker);
		if (size < 0 && (errno == EINTR || errno == ENOENT)) /* ENOENT: taken back by the caller */
			continue;
		if (size < (ssize_t)sizeof(struct fuse_in_header))
			break;
		const struct fuse_in_header *header = (const struct fuse_in_header *)worker->input;
		handle(&(struct request){server, header, header + 1, (size_t)size - sizeof(*header), worker});
		if (worker->listens)
			worker->answered = monotonic_ns();
	}
	server->gone();
	return NULL;
}

void fuse_serve(struct fuse_server *server, int device, bool own_files)
{
	server->device = device;
	server->own_files = own_files;
	server->startup_end = monotonic_ns() + STARTUP_NS;
	fcntl(device, F_SETFL, O_RDWR | O_NONBLOCK);
	work(server->first);
}
