/* SPDX-License-Identifier: MIT */
#include "fuse_protocol.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#include "monotonic.h"

enum {
	MAX_BACKGROUND = 32,      /* read-ahead requests that the kernel keeps under way */
	INIT_WITH_TIME_GRAN = 23, /* the minor version from which on the answer to FUSE_INIT is longer */
	STAT_BLOCK_SIZE = 512,    /* of st_blocks: inode(7) */
};

int fuse_receive(int device, void *input, struct fuse_request *request)
{
	ssize_t size = read(device, input, FUSE_REQUEST_SIZE);

	if (size < 0)
		return -errno;
	if (size < (ssize_t)sizeof(*request->header))
		return -ENODEV;
	*request = (struct fuse_request){.device = device,
	                                 .header = input,
	                                 .body = (const uint8_t *)input + sizeof(*request->header),
	                                 .body_size = (size_t)size - sizeof(*request->header)};
	return 0;
}

static void send_reply(const struct fuse_request *request, struct iovec *parts, size_t count, int error)
{
	struct fuse_out_header header = {sizeof(header), error, request->header->unique};

	parts[0] = (struct iovec){&header, sizeof(header)};
	for (size_t i = 1; i < count; i++)
		header.len += (uint32_t)parts[i].iov_len;
	/* Fails only when the caller was interrupted or the file system is gone: nobody waits for the answer then. */
	(void)!writev(request->device, parts, (int)count);
}

void fuse_reply_parts(const struct fuse_request *request, struct iovec *parts, size_t count)
{
	send_reply(request, parts, count, 0);
}

void fuse_reply(const struct fuse_request *request, const void *body, size_t size)
{
	struct iovec parts[2] = {{0}, {(void *)body, size}};

	send_reply(request, parts, 2, 0);
}

void fuse_reply_error(const struct fuse_request *request, int error)
{
	struct iovec part;

	send_reply(request, &part, 1, error);
}

void fuse_reply_init(const struct fuse_request *request)
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
		.time_gran = NS_PER_S, /* times of files are whole seconds */
		.max_pages = (uint16_t)(FUSE_READ_LIMIT / getauxval(AT_PAGESZ)),
	};

	if (in->major < FUSE_KERNEL_VERSION)
		fuse_reply_error(request, -EPROTO);
	else
		fuse_reply(request, &out, in->minor < INIT_WITH_TIME_GRAN ? FUSE_COMPAT_22_INIT_OUT_SIZE : sizeof(out));
}

int fuse_store(int device, uint64_t node, uint64_t offset, const uint8_t *data, uint32_t size)
{
	struct fuse_notify_store_out out = {.nodeid = node, .offset = offset, .size = size};
	struct fuse_out_header header = {(uint32_t)(sizeof(header) + sizeof(out) + size), FUSE_NOTIFY_STORE, 0};
	struct iovec parts[] = {{&header, sizeof(header)}, {&out, sizeof(out)}, {(void *)data, size}};

	return writev(device, parts, sizeof(parts) / sizeof(*parts)) < 0 ? -errno : 0;
}

uint64_t fuse_node(const struct squashfs *fs, uint64_t reference)
{
	return reference == fs->super.root_inode ? FUSE_ROOT_ID : reference + FUSE_ROOT_ID + 1;
}

uint64_t fuse_reference(const struct squashfs *fs, uint64_t node)
{
	return node == FUSE_ROOT_ID ? fs->super.root_inode : node - FUSE_ROOT_ID - 1;
}

static uint32_t mode_of(const struct inode *inode)
{
	static const uint32_t formats[] = {0, S_IFDIR, S_IFREG, S_IFLNK, S_IFBLK, S_IFCHR, S_IFIFO, S_IFSOCK};

	return formats[inode->type] | inode->permissions;
}

struct fuse_attr fuse_attributes(const struct squashfs *fs, const struct inode *inode, bool own_files)
{
	return (struct fuse_attr){
		.ino = inode->number,
		.size = inode->size,
		.blocks = (inode->size + STAT_BLOCK_SIZE - 1) / STAT_BLOCK_SIZE,
		.atime = inode->modified,
		.mtime = inode->modified,
		.ctime = inode->modified,
		.mode = mode_of(inode),
		.nlink = inode->links,
		.uid = own_files ? geteuid() : inode->uid,
		.gid = own_files ? getegid() : inode->gid,
		.rdev = inode->device,
		.blksize = fs->super.block_size,
	};
}

struct fuse_entry_out fuse_entry(const struct squashfs *fs, const struct inode *inode, bool own_files)
{
	return (struct fuse_entry_out){
		.nodeid = fuse_node(fs, inode->reference),
		.entry_valid = FUSE_FOREVER_S,
		.attr_valid = FUSE_FOREVER_S,
		.attr = fuse_attributes(fs, inode, own_files),
	};
}

bool fuse_listing_add(struct fuse_listing *listing, const struct fuse_name *name, const struct fuse_entry_out *known)
{
	static const uint8_t types[] = {DT_UNKNOWN, DT_DIR, DT_REG, DT_LNK, DT_BLK, DT_CHR, DT_FIFO, DT_SOCK};
	struct fuse_dirent entry = {
		.ino = name->number, .off = name->next, .namelen = (uint32_t)name->length, .type = types[name->type]};
	size_t prefix = listing->plus ? sizeof(*known) : 0;
	size_t size = FUSE_DIRENT_ALIGN(prefix + FUSE_NAME_OFFSET + name->length);
	uint8_t *to = listing->data + listing->size;

	if (size > listing->room - listing->size)
		return false;
	memset(to, 0, size);
	if (known && listing->plus)
		memcpy(to, known, sizeof(*known));
	memcpy(to + prefix, &entry, FUSE_NAME_OFFSET);
	memcpy(to + prefix + FUSE_NAME_OFFSET, name->text, name->length);
	listing->size += size;
	return true;
}
