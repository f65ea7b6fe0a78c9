/* SPDX-License-Identifier: MIT */
#include "squashfs.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "decompress.h"

static const uint32_t MAGIC = 0x73717368; /* "hsqs" */
static const uint64_t NO_TABLE = UINT64_MAX;
static const uint32_t UNCOMPRESSED = 1u << 24; /* spec, 2.3: in the size of a data block */
/* spec, 2.1: the header of a metadata block */
enum { METADATA_UNCOMPRESSED = 1 << 15, METADATA_STORED_SIZE = METADATA_UNCOMPRESSED - 1 };
/* spec, 2.6: a reference to an inode is the place of a metadata block in the table, and behind it an offset in there. */
enum { REFERENCE_OFFSET_BITS = 16, REFERENCE_OFFSET = (1 << REFERENCE_OFFSET_BITS) - 1 };
enum { PERMISSIONS = S_ISUID | S_ISGID | S_ISVTX | S_IRWXU | S_IRWXG | S_IRWXO };
/* spec, 2.7: at most so many entries follow a header. */
enum { RUN_LIMIT = 256 };
/* spec, 2.6.1: what the size of a directory counts beside its listing, for "." and "..". */
enum { EMPTY_DIRECTORY = 3 };
static const uint32_t TABLE_BLOCK_LIMIT = 1u << 16; /* 512 MiB decompressed, some eight million files */

/* spec, 2.6: what each inode begins with, and what follows by type.  Extended types add 7 to the basic ones. */
struct inode_header {
	uint16_t type;
	uint16_t permissions;
	uint16_t uid_index;
	uint16_t gid_index;
	uint32_t modified;
	uint32_t number;
} PACKED;
ON_DISK_SIZE(struct inode_header, 16);

enum { EXTENDED = 7, TYPES = 14 };

struct basic_directory {
	uint32_t block;
	uint32_t links;
	uint16_t size;
	uint16_t offset;
	uint32_t parent;
} PACKED;
ON_DISK_SIZE(struct basic_directory, 16);

struct extended_directory {
	uint32_t links;
	uint32_t size;
	uint32_t block;
	uint32_t parent;
	uint16_t index_count;
	uint16_t offset;
	uint32_t xattr;
} PACKED;
ON_DISK_SIZE(struct extended_directory, 24);

struct basic_file {
	uint32_t start;
	uint32_t fragment;
	uint32_t fragment_offset;
	uint32_t size;
} PACKED;
ON_DISK_SIZE(struct basic_file, 16);

struct extended_file {
	uint64_t start;
	uint64_t size;
	uint64_t sparse;
	uint32_t links;
	uint32_t fragment;
	uint32_t fragment_offset;
	uint32_t xattr;
} PACKED;
ON_DISK_SIZE(struct extended_file, 40);

struct symlink {
	uint32_t links;
	uint32_t size;
} PACKED;
ON_DISK_SIZE(struct symlink, 8);

struct device {
	uint32_t links;
	uint32_t device;
} PACKED;
ON_DISK_SIZE(struct device, 8);

/* spec, 2.6.2: an extended directory's index, one for each metadata block that its listing enters */
struct directory_index {
	uint32_t position;
	uint32_t block;
	uint32_t name_length; /* less one */
} PACKED;
ON_DISK_SIZE(struct directory_index, 12);

/* spec, 2.7 "Directory table" */
struct directory_header {
	uint32_t count; /* less one */
	uint32_t block;
	uint32_t number;
} PACKED;
ON_DISK_SIZE(struct directory_header, 12);

struct directory_entry {
	uint16_t offset;
	int16_t number_delta;
	uint16_t type;
	uint16_t name_length; /* less one */
} PACKED;
ON_DISK_SIZE(struct directory_entry, 8);

/* spec, 2.8 "Fragment table" */
struct fragment_entry {
	uint64_t start;
	uint32_t size;
	uint32_t unused;
} PACKED;
ON_DISK_SIZE(struct fragment_entry, 16);

static int read_image(const struct squashfs *fs, uint64_t position, void *to, size_t size)
{
	if (position > fs->super.bytes_used || size > fs->super.bytes_used - position)
		return -EIO;
	for (size_t done = 0; done < size;) {
		ssize_t got = pread(fs->file, (char *)to + done, size - done, (off_t)(fs->offset + position + done));
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return -EIO;
		done += (size_t)got;
	}
	return 0;
}

/* Metadata */

/* Where each metadata block of the table begins; they must fill it exactly. */
static int index_table(struct table *table)
{
	size_t room = 0;

	for (size_t at = 0; at < table->compressed_size;) {
		uint16_t header;
		if (table->compressed_size - at < sizeof(header))
			return -EIO;
		memcpy(&header, table->compressed + at, sizeof(header));
		uint32_t size = header & METADATA_STORED_SIZE;
		if (!size || size > METADATA_SIZE || size > table->compressed_size - at - sizeof(header) ||
		    table->count == TABLE_BLOCK_LIMIT)
			return -EIO;
		if (table->count == room) {
			room = room ? room * 2 : 64;
			uint32_t *starts = realloc(table->starts, room * sizeof(*starts));
			if (!starts)
				return -ENOMEM;
			table->starts = starts;
		}
		table->starts[table->count++] = (uint32_t)at;
		at += sizeof(header) + size;
	}
	return 0;
}

static int open_table(struct squashfs *fs, struct table *table, uint64_t start, uint64_t end)
{
	if (start > end || end > fs->super.bytes_used || end - start > (uint64_t)TABLE_BLOCK_LIMIT * (METADATA_SIZE + 2))
		return -EIO;
	table->compressed_size = (size_t)(end - start);
	table->compressed = malloc(table->compressed_size + 1);
	if (!table->compressed)
		return -ENOMEM;
	int error = read_image(fs, start, table->compressed, table->compressed_size);
	if (!error)
		error = index_table(table);
	if (error)
		return error;
	/* Only the pages that are used take memory. */
	size_t room = (size_t)table->count * METADATA_SIZE;
	table->data = mmap(NULL, room + 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	table->ready = calloc(table->count + 1, sizeof(*table->ready));
	if (table->data == MAP_FAILED || !table->ready)
		return -ENOMEM;
	pthread_mutex_init(&table->lock, NULL);
	return 0;
}

/* `stored` stands at a metadata block's header. */
static int unpack_metadata(const struct squashfs *fs, const uint8_t *stored, uint8_t *to)
{
	uint16_t header;

	memcpy(&header, stored, sizeof(header));
	uint32_t size = header & METADATA_STORED_SIZE;
	stored += sizeof(header);
	if (!(header & METADATA_UNCOMPRESSED))
		return decompress(fs->super.compression, to, METADATA_SIZE, stored, size);
	memcpy(to, stored, size);
	return (int)size;
}

static int fill_block(struct squashfs *fs, struct table *table, uint32_t block)
{
	int result = 0;

	pthread_mutex_lock(&table->lock);
	if (!table->ready[block]) {
		uint8_t *to = table->data + (size_t)block * METADATA_SIZE;
		int size = unpack_metadata(fs, table->compressed + table->starts[block], to);
		if (size < 0)
			result = size;
		else if (size != METADATA_SIZE && block + 1 != table->count)
			result = -EIO;
		else
			atomic_store_explicit(&table->ready[block], 1, memory_order_release);
	}
	pthread_mutex_unlock(&table->lock);
	return result;
}

/* The bytes of a table from a position on, counted as if it were stored decompressed. */
static int table_bytes(struct squashfs *fs, struct table *table, uint64_t position, size_t size, const uint8_t **bytes)
{
	uint64_t room = (uint64_t)table->count * METADATA_SIZE;

	if (position > room || size > room - position)
		return -EIO;
	*bytes = table->data + position;
	if (!size)
		return 0;
	for (uint32_t block = (uint32_t)(position / METADATA_SIZE); block <= (position + size - 1) / METADATA_SIZE; block++) {
		if (atomic_load_explicit(&table->ready[block], memory_order_acquire))
			continue;
		int error = fill_block(fs, table, block);
		if (error)
			return error;
	}
	return 0;
}

static int table_copy(struct squashfs *fs, struct table *table, uint64_t *position, void *to, size_t size)
{
	const uint8_t *bytes;
	int error = table_bytes(fs, table, *position, size, &bytes);

	if (error)
		return error;
	memcpy(to, bytes, size);
	*position += size;
	return 0;
}

/* The position of what the image names as an offset into the metadata block that begins at `start`. */
static int table_position(const struct table *table, uint64_t start, uint32_t offset, uint64_t *position)
{
	uint32_t low = 0, high = table->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (table->starts[middle] < start)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == table->count || table->starts[low] != start || offset >= METADATA_SIZE)
		return -EIO;
	*position = (uint64_t)low * METADATA_SIZE + offset;
	return 0;
}

/* Superblock and the tables that are read when the image is opened */

static int check_superblock(const struct superblock *super)
{
	if (super->magic != MAGIC || super->version_major != 4 || super->version_minor != 0)
		return -EIO;
	if (super->block_log < MIN_BLOCK_LOG || super->block_log > MAX_BLOCK_LOG ||
	    super->block_size != 1u << super->block_log)
		return -EIO;
	if (super->compression != COMPRESSION_GZIP && super->compression != COMPRESSION_ZSTD)
		return -ENOTSUP;
	return super->bytes_used < sizeof(*super) || super->bytes_used > INT64_MAX / 2 || !super->id_count ? -EIO : 0;
}

/*
 * Fragment, export and id tables are metadata blocks found through an index of their positions; spec, 2.1.
 * Reads the whole table of `count` entries.
 */
static int read_indexed(struct squashfs *fs, uint64_t index, uint32_t count, size_t entry_size, void *to)
{
	uint64_t left = (uint64_t)count * entry_size;
	uint8_t *out = to;

	for (; left; index += sizeof(uint64_t)) {
		uint64_t start;
		uint16_t header;
		uint8_t stored[sizeof(header) + METADATA_SIZE], block[METADATA_SIZE];
		size_t part = left < METADATA_SIZE ? (size_t)left : METADATA_SIZE;

		if (read_image(fs, index, &start, sizeof(start)) || read_image(fs, start, stored, sizeof(header)))
			return -EIO;
		memcpy(&header, stored, sizeof(header));
		uint32_t size = header & METADATA_STORED_SIZE;
		if (!size || size > METADATA_SIZE || read_image(fs, start + sizeof(header), stored + sizeof(header), size))
			return -EIO;
		int unpacked = unpack_metadata(fs, stored, block);
		if (unpacked < (int)part)
			return unpacked < 0 ? unpacked : -EIO;
		memcpy(out, block, part);
		out += part;
		left -= part;
	}
	return 0;
}

static int read_ids(struct squashfs *fs)
{
	fs->ids = calloc(fs->super.id_count, sizeof(*fs->ids));
	if (!fs->ids)
		return -ENOMEM;
	return read_indexed(fs, fs->super.id_table, fs->super.id_count, sizeof(*fs->ids), fs->ids);
}

static bool valid_extent(const struct squashfs *fs, const struct extent *extent)
{
	return extent->size <= fs->super.block_size && extent->start <= fs->super.bytes_used &&
	       extent->size <= fs->super.bytes_used - extent->start;
}

static struct extent extent_of(uint64_t start, uint32_t size)
{
	return (struct extent){start, size & ~UNCOMPRESSED, !(size & UNCOMPRESSED)};
}

static int read_fragments(struct squashfs *fs)
{
	uint32_t count = fs->super.fragment_count;

	if (!count)
		return 0;
	/* Each holds the tail of one file at least: keeps a wrong count from asking for much memory. */
	if (count > fs->super.inode_count)
		return -EIO;
	struct fragment_entry *entries = calloc(count, sizeof(*entries));
	fs->fragments = calloc(count, sizeof(*fs->fragments));
	if (!entries || !fs->fragments) {
		free(entries);
		return -ENOMEM;
	}
	int error = read_indexed(fs, fs->super.fragment_table, count, sizeof(*entries), entries);
	for (uint32_t i = 0; i < count && !error; i++) {
		fs->fragments[i] = extent_of(entries[i].start, entries[i].size);
		if (!fs->fragments[i].size || !valid_extent(fs, &fs->fragments[i]))
			error = -EIO;
	}
	free(entries);
	return error;
}

/* The directory table ends where the first metadata block of another table begins. */
static int directory_table_end(const struct squashfs *fs, uint64_t *end)
{
	const struct superblock *super = &fs->super;
	uint64_t indexes[] = {super->fragment_count ? super->fragment_table : NO_TABLE, super->export_table,
	                      super->id_table, super->xattr_table};

	*end = super->bytes_used;
	for (size_t i = 0; i < sizeof(indexes) / sizeof(*indexes); i++) {
		uint64_t first;
		if (indexes[i] == NO_TABLE)
			continue;
		if (read_image(fs, indexes[i], &first, sizeof(first)))
			return -EIO;
		if (first >= super->directory_table && first < *end)
			*end = first;
	}
	return 0;
}

static int check_root(struct squashfs *fs)
{
	struct inode root;
	int error = squashfs_inode(fs, fs->super.root_inode, &root);

	return !error && root.type != TYPE_DIRECTORY ? -EIO : error;
}

int squashfs_open(struct squashfs *fs, int file, uint64_t offset)
{
	uint64_t end;

	memset(fs, 0, sizeof(*fs));
	fs->file = file;
	fs->offset = offset;
	fs->super.bytes_used = sizeof(fs->super);
	int error = read_image(fs, 0, &fs->super, sizeof(fs->super));
	if (!error)
		error = check_superblock(&fs->super);
	off_t size = lseek(file, 0, SEEK_END);
	if (!error && (size < 0 || fs->super.bytes_used > (uint64_t)size - offset))
		error = -EIO;
	if (!error)
		error = read_ids(fs);
	if (!error)
		error = open_table(fs, &fs->inodes, fs->super.inode_table, fs->super.directory_table);
	if (!error && fs->super.inode_count > (uint64_t)fs->inodes.count * METADATA_SIZE / sizeof(struct inode_header))
		error = -EIO;
	if (!error)
		error = read_fragments(fs);
	if (!error)
		error = directory_table_end(fs, &end);
	if (!error)
		error = open_table(fs, &fs->directories, fs->super.directory_table, end);
	if (!error)
		error = check_root(fs);
	return error;
}

/* Inodes */

static int read_directory(struct squashfs *fs, struct inode *inode, bool extended, uint64_t *position)
{
	struct basic_directory basic;
	struct extended_directory more;
	uint32_t block, offset;
	int error;

	if (extended) {
		if ((error = table_copy(fs, &fs->inodes, position, &more, sizeof(more))))
			return error;
		inode->links = more.links;
		inode->size = more.size;
		inode->parent = more.parent;
		inode->index_count = more.index_count;
		block = more.block;
		offset = more.offset;
	} else {
		if ((error = table_copy(fs, &fs->inodes, position, &basic, sizeof(basic))))
			return error;
		inode->links = basic.links;
		inode->size = basic.size;
		inode->parent = basic.parent;
		block = basic.block;
		offset = basic.offset;
	}
	/* An empty directory has a listing that is never looked at. */
	return inode->size <= EMPTY_DIRECTORY ? 0 : table_position(&fs->directories, block, offset, &inode->listing);
}

static int read_file(struct squashfs *fs, struct inode *inode, bool extended, uint64_t *position)
{
	struct basic_file basic;
	struct extended_file more;
	int error;

	if (extended) {
		if ((error = table_copy(fs, &fs->inodes, position, &more, sizeof(more))))
			return error;
		inode->links = more.links;
		inode->data_start = more.start;
		inode->size = more.size;
		inode->fragment = more.fragment;
		inode->fragment_offset = more.fragment_offset;
	} else {
		if ((error = table_copy(fs, &fs->inodes, position, &basic, sizeof(basic))))
			return error;
		inode->data_start = basic.start;
		inode->size = basic.size;
		inode->fragment = basic.fragment;
		inode->fragment_offset = basic.fragment_offset;
	}
	uint64_t blocks = inode->size >> fs->super.block_log;
	if (blocks > (uint64_t)fs->inodes.count * METADATA_SIZE / sizeof(uint32_t) ||
	    inode->data_start > fs->super.bytes_used)
		return -EIO;
	if (inode->fragment == NO_FRAGMENT)
		return 0;
	uint32_t tail = (uint32_t)(inode->size & (fs->super.block_size - 1));
	if (inode->fragment >= fs->super.fragment_count || inode->fragment_offset > fs->super.block_size - tail)
		return -EIO;
	return 0;
}

static int read_symlink(struct squashfs *fs, struct inode *inode, uint64_t *position)
{
	struct symlink symlink;
	int error = table_copy(fs, &fs->inodes, position, &symlink, sizeof(symlink));

	if (error)
		return error;
	inode->links = symlink.links;
	inode->size = symlink.size;
	return !symlink.size || symlink.size >= PATH_MAX ? -EIO : 0;
}

static int read_special(struct squashfs *fs, struct inode *inode, uint64_t *position)
{
	struct device device = {0};
	bool has_number = inode->type == TYPE_BLOCK || inode->type == TYPE_CHAR;

	int error = table_copy(fs, &fs->inodes, position, &device, has_number ? sizeof(device) : sizeof(device.links));

	if (error)
		return error;
	inode->links = device.links;
	inode->device = device.device;
	return 0;
}

static uint64_t reference_of(uint32_t block, uint64_t offset)
{
	return (uint64_t)block << REFERENCE_OFFSET_BITS | offset;
}

int squashfs_inode(struct squashfs *fs, uint64_t reference, struct inode *inode)
{
	struct inode_header header;
	uint64_t position, block = reference >> REFERENCE_OFFSET_BITS;
	int error = table_position(&fs->inodes, block, (uint32_t)reference & REFERENCE_OFFSET, &position);

	if (!error)
		error = table_copy(fs, &fs->inodes, &position, &header, sizeof(header));
	if (error)
		return error;
	if (!header.type || header.type > TYPES || header.uid_index >= fs->super.id_count ||
	    header.gid_index >= fs->super.id_count || !header.number || header.number > fs->super.inode_count)
		return -EIO;

	bool extended = header.type > EXTENDED;
	*inode = (struct inode){
		.reference = reference,
		.type = extended ? header.type - EXTENDED : header.type,
		.number = header.number,
		.permissions = header.permissions & PERMISSIONS,
		.uid = fs->ids[header.uid_index],
		.gid = fs->ids[header.gid_index],
		.modified = header.modified,
		.links = 1,
	};
	if (inode->type == TYPE_DIRECTORY)
		error = read_directory(fs, inode, extended, &position);
	else if (inode->type == TYPE_FILE)
		error = read_file(fs, inode, extended, &position);
	else if (inode->type == TYPE_SYMLINK)
		error = read_symlink(fs, inode, &position);
	else
		error = read_special(fs, inode, &position);
	inode->rest = position;
	return error;
}

/* A directory's index follows its inode; spec, 2.6.2. */
static int skip_index(struct squashfs *fs, const struct inode *inode, uint64_t *position)
{
	for (uint32_t i = 0; i < inode->index_count; i++) {
		struct directory_index index;
		int error = table_copy(fs, &fs->inodes, position, &index, sizeof(index));
		if (error)
			return error;
		if (index.name_length >= NAME_LIMIT)
			return -EIO;
		*position += index.name_length + 1;
	}
	return 0;
}

int squashfs_next_inode(struct squashfs *fs, uint64_t *position, struct inode *inode)
{
	struct inode_header header;
	uint32_t block = (uint32_t)(*position / METADATA_SIZE);
	uint64_t at = *position;

	if (block >= fs->inodes.count || table_copy(fs, &fs->inodes, &at, &header, sizeof(header)))
		return 0;
	int error = squashfs_inode(fs, reference_of(fs->inodes.starts[block], *position % METADATA_SIZE), inode);
	if (error)
		return error;
	*position = inode->rest;
	if (inode->type == TYPE_DIRECTORY) {
		error = skip_index(fs, inode, position);
		return error ? error : 1;
	}
	if (inode->type == TYPE_FILE)
		*position += (uint64_t)squashfs_block_count(fs, inode) * sizeof(uint32_t);
	else if (inode->type == TYPE_SYMLINK)
		*position += inode->size;
	if (inode->type != TYPE_FILE && header.type > EXTENDED)
		*position += sizeof(uint32_t); /* of extended attributes */
	return 1;
}

int squashfs_readlink(struct squashfs *fs, const struct inode *inode, char *target)
{
	uint64_t position = inode->rest;
	int error = table_copy(fs, &fs->inodes, &position, target, (size_t)inode->size);

	if (error)
		return error;
	target[inode->size] = 0;
	return memchr(target, 0, (size_t)inode->size) ? -EIO : 0;
}

/* Directories */

static uint32_t listing_size(const struct inode *directory)
{
	return directory->size > EMPTY_DIRECTORY ? (uint32_t)directory->size - EMPTY_DIRECTORY : 0;
}

static bool valid_name(const char *name, size_t length)
{
	return !memchr(name, 0, length) && !memchr(name, '/', length) && !(length == 1 && name[0] == '.') &&
	       !(length == 2 && name[0] == '.' && name[1] == '.');
}

uint64_t squashfs_max_entries(const struct squashfs *fs)
{
	return (uint64_t)fs->directories.count * METADATA_SIZE / (sizeof(struct directory_entry) + 1);
}

/* The entry at the cursor as it stands in the table, and the header of its run; 0 at the end of the listing. */
static int next_raw(struct squashfs *fs, const struct inode *directory, struct cursor *cursor,
                    struct directory_header *header, struct directory_entry *entry, const char **name)
{
	uint32_t size = listing_size(directory);
	const uint8_t *bytes;

	if (cursor->header > cursor->next || cursor->next > size)
		return -EIO;
	if (cursor->index == 0) {
		if (cursor->next == size)
			return 0;
		cursor->header = cursor->next;
		cursor->next += sizeof(*header);
	}
	if (size - cursor->header < sizeof(*header))
		return -EIO;
	int error = table_bytes(fs, &fs->directories, directory->listing + cursor->header, sizeof(*header), &bytes);
	if (error)
		return error;
	memcpy(header, bytes, sizeof(*header));
	if (header->count >= RUN_LIMIT || cursor->next > size || size - cursor->next < sizeof(*entry))
		return -EIO;
	error = table_bytes(fs, &fs->directories, directory->listing + cursor->next, sizeof(*entry), &bytes);
	if (error)
		return error;
	memcpy(entry, bytes, sizeof(*entry));
	cursor->next += sizeof(*entry);
	size_t length = (size_t)entry->name_length + 1;
	if (length > NAME_LIMIT || size - cursor->next < length)
		return -EIO;
	error = table_bytes(fs, &fs->directories, directory->listing + cursor->next, length, &bytes);
	if (error)
		return error;
	*name = (const char *)bytes;
	if (!valid_name(*name, length))
		return -EIO;
	cursor->next += (uint32_t)length;
	cursor->index = cursor->index == header->count ? 0 : cursor->index + 1;
	return 1;
}

static int fill_entry(struct entry *entry, const struct directory_header *header, const struct directory_entry *raw,
                      const char *name)
{
	uint32_t delta = (uint32_t)raw->number_delta;

	if (!raw->type || raw->type > EXTENDED)
		return -EIO;
	entry->reference = reference_of(header->block, raw->offset);
	entry->number = header->number + delta;
	entry->type = raw->type;
	entry->length = raw->name_length + 1;
	memcpy(entry->name, name, entry->length);
	entry->name[entry->length] = 0;
	return 1;
}

int squashfs_next(struct squashfs *fs, const struct inode *directory, struct cursor *cursor, struct entry *entry)
{
	struct directory_header header;
	struct directory_entry raw;
	const char *name;
	int got = next_raw(fs, directory, cursor, &header, &raw, &name);

	return got == 1 ? fill_entry(entry, &header, &raw, name) : got;
}

/* Names are sorted as bytes; spec, 2.7. */
static int compare_names(const char *a, size_t a_length, const char *b, size_t b_length)
{
	int order = memcmp(a, b, a_length < b_length ? a_length : b_length);

	return order ? order : (a_length > b_length) - (a_length < b_length);
}

/* The last run that the directory's index says begins at or before the name. */
static int seek_with_index(struct squashfs *fs, const struct inode *directory, const char *name, size_t length,
                           struct cursor *cursor)
{
	uint64_t position = directory->rest;

	for (uint32_t i = 0; i < directory->index_count; i++) {
		struct directory_index index;
		const uint8_t *first;
		int error = table_copy(fs, &fs->inodes, &position, &index, sizeof(index));

		if (!error && index.name_length >= NAME_LIMIT)
			error = -EIO;
		if (!error)
			error = table_bytes(fs, &fs->inodes, position, index.name_length + 1, &first);
		if (error)
			return error;
		if (compare_names((const char *)first, index.name_length + 1, name, length) > 0)
			break;
		position += index.name_length + 1;
		cursor->header = cursor->next = index.position;
	}
	return 0;
}

int squashfs_lookup(struct squashfs *fs, const struct inode *directory, const char *name, size_t length,
                    struct entry *entry)
{
	struct cursor cursor = {0};
	struct directory_header header;
	struct directory_entry raw;
	const char *found;
	int got = seek_with_index(fs, directory, name, length, &cursor);

	if (got)
		return got;
	while ((got = next_raw(fs, directory, &cursor, &header, &raw, &found)) == 1) {
		int order = compare_names(found, (size_t)raw.name_length + 1, name, length);
		if (order == 0)
			return fill_entry(entry, &header, &raw, found);
		if (order > 0)
			return 0;
	}
	return got;
}

/* Data */

uint32_t squashfs_block_count(const struct squashfs *fs, const struct inode *inode)
{
	uint64_t rounded = inode->fragment == NO_FRAGMENT ? inode->size + fs->super.block_size - 1 : inode->size;

	return (uint32_t)(rounded >> fs->super.block_log);
}

int squashfs_block(struct squashfs *fs, const struct inode *inode, uint32_t block, struct block_memo *memo,
                   struct extent *extent)
{
	uint32_t size;
	uint64_t position;

	if (memo->reference != inode->reference || memo->block > block)
		*memo = (struct block_memo){inode->reference, 0, inode->data_start};
	for (;; memo->block++) {
		position = inode->rest + (uint64_t)memo->block * sizeof(size);
		int error = table_copy(fs, &fs->inodes, &position, &size, sizeof(size));
		if (error)
			return error;
		*extent = extent_of(memo->start, size);
		if (!valid_extent(fs, extent))
			return -EIO;
		if (memo->block == block)
			return 0;
		memo->start += extent->size;
	}
}

/* A compressed block. */
static _Thread_local uint8_t *stored;

int squashfs_prepare_thread(const struct squashfs *fs)
{
	if (!stored)
		stored = malloc(MAX_BLOCK_SIZE);
	return stored && decompress_prepare(fs->super.compression) ? 0 : -ENOMEM;
}

int squashfs_read_extent(struct squashfs *fs, const struct extent *extent, uint8_t *data)
{
	if (!extent->compressed)
		return read_image(fs, extent->start, data, extent->size) ? -EIO : (int)extent->size;
	int error = squashfs_prepare_thread(fs);
	if (error)
		return error;
	if (read_image(fs, extent->start, stored, extent->size))
		return -EIO;
	return decompress(fs->super.compression, data, fs->super.block_size, stored, extent->size);
}
