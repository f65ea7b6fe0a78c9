/* SPDX-License-Identifier: MIT */
/*
 * A SquashFS 4.0 image, read from a file that may be hostile.
 *
 * Format: https://dr-emann.github.io/squashfs/squashfs.html, named "spec" below.  All numbers are little endian, as are
 * all machines this is built for.  A function that finds the image damaged returns -EIO.
 */
#ifndef SQUASHFS_H
#define SQUASHFS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PACKED __attribute__((packed))
#define ON_DISK_SIZE(type, size) _Static_assert(sizeof(type) == (size), #type " is not laid out as on disk")
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "numbers in the image are little endian");

/* spec, 2.2 "The superblock" */
struct superblock {
	uint32_t magic;
	uint32_t inode_count;
	uint32_t modification_time;
	uint32_t block_size;
	uint32_t fragment_count;
	uint16_t compression;
	uint16_t block_log;
	uint16_t flags;
	uint16_t id_count;
	uint16_t version_major;
	uint16_t version_minor;
	uint64_t root_inode;
	uint64_t bytes_used;
	uint64_t id_table;
	uint64_t xattr_table;
	uint64_t inode_table;
	uint64_t directory_table;
	uint64_t fragment_table;
	uint64_t export_table;
} PACKED;
ON_DISK_SIZE(struct superblock, 96);

enum compression { COMPRESSION_GZIP = 1, COMPRESSION_ZSTD = 6 };

/* spec, 2.6 "Inode table": the basic types; the extended ones follow in the same order. */
enum inode_type { TYPE_DIRECTORY = 1, TYPE_FILE, TYPE_SYMLINK, TYPE_BLOCK, TYPE_CHAR, TYPE_FIFO, TYPE_SOCKET };

enum {
	METADATA_SIZE = 8192,
	NAME_LIMIT = 256,
	MIN_BLOCK_LOG = 12,
	MAX_BLOCK_LOG = 20,
	MIN_BLOCK_SIZE = 1 << MIN_BLOCK_LOG,
	MAX_BLOCK_SIZE = 1 << MAX_BLOCK_LOG,
};

/* One table of metadata blocks: held compressed, each block decompressed when it is first wanted. */
struct table {
	uint8_t *compressed;
	size_t compressed_size;
	uint32_t *starts; /* of each block's header in `compressed`, ascending */
	uint32_t count;
	uint8_t *data; /* count * METADATA_SIZE, filled block by block */
	_Atomic uint8_t *ready;
	pthread_mutex_t lock;
};

/* A run of bytes on disk that decompresses to at most one block; spec, 2.3 "Data blocks and fragments". */
struct extent {
	uint64_t start;
	uint32_t size;   /* on disk; 0: a hole */
	bool compressed;
};

struct squashfs {
	int file;
	uint64_t offset; /* of the superblock in the file */
	struct superblock super;
	struct table inodes;
	struct table directories;
	uint32_t *ids;
	struct extent *fragments;
};

struct inode {
	uint64_t reference;
	enum inode_type type;
	uint32_t number;
	uint16_t permissions;
	uint32_t uid;
	uint32_t gid;
	uint32_t modified;
	uint32_t links;
	uint64_t size;
	uint32_t device;
	/* file */
	uint64_t data_start;
	uint32_t fragment; /* NO_FRAGMENT: the tail is a block of its own */
	uint32_t fragment_offset;
	/* directory: where its listing begins; directory and file: where the rest of the inode stands in its table */
	uint64_t listing;
	uint64_t rest;
	uint32_t index_count;
	uint32_t parent;
};

#define NO_FRAGMENT UINT32_MAX

struct entry {
	uint64_t reference;
	uint32_t number;
	enum inode_type type;
	uint16_t length;
	char name[NAME_LIMIT + 1];
};

/* Where a walk through a directory's listing stands; all zero: at its beginning. */
struct cursor {
	uint32_t header;   /* position of the current run's header in the listing */
	uint32_t next;     /* position of the next entry, or of the next header when `index` has reached the run's end */
	uint32_t index;    /* entries of the current run already seen */
};

/* Remembers the last place in a file's list of block sizes, which can be read from its beginning only. */
struct block_memo {
	uint64_t reference;
	uint32_t block;
	uint64_t start;
};

int squashfs_open(struct squashfs *fs, int file, uint64_t offset);
int squashfs_inode(struct squashfs *fs, uint64_t reference, struct inode *inode);
/* The inode at a position of the inode table, and the position of the next: 1, or 0 at the end.  Begins with 0. */
int squashfs_next_inode(struct squashfs *fs, uint64_t *position, struct inode *inode);
int squashfs_lookup(struct squashfs *fs, const struct inode *directory, const char *name, size_t length,
                    struct entry *entry);
/* 1 and the next entry, 0 at the end. */
int squashfs_next(struct squashfs *fs, const struct inode *directory, struct cursor *cursor, struct entry *entry);
/* More entries than this are in no tree where each directory has one place. */
uint64_t squashfs_max_entries(const struct squashfs *fs);
/* `target` has room for inode->size + 1 bytes; a size above PATH_MAX is refused by squashfs_inode. */
int squashfs_readlink(struct squashfs *fs, const struct inode *inode, char *target);
uint32_t squashfs_block_count(const struct squashfs *fs, const struct inode *inode);
int squashfs_block(struct squashfs *fs, const struct inode *inode, uint32_t block, struct block_memo *memo,
                   struct extent *extent);
/* Takes the memory that reading needs in this thread, so that it does not fail for want of it later. */
int squashfs_prepare_thread(const struct squashfs *fs);
/* Reads an extent into `data`, which has room for a block; returns the number of bytes. */
int squashfs_read_extent(struct squashfs *fs, const struct extent *extent, uint8_t *data);

#endif
