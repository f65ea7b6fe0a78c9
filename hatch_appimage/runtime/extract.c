/* SPDX-License-Identifier: MIT */
#include "extract.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache.h"
#include "message.h"
#include "process.h"

enum { MAX_HELPERS = 31, SHARE = 16 };

/* A file or link to be made, or a directory to be closed to writers, once all directories stand. */
struct job {
	uint64_t reference;
	char *path;
	enum inode_type type;
};

struct walk {
	struct extraction *extraction;
	struct job *jobs;
	size_t count;
	size_t room;
	uint8_t *visited;      /* directories by inode number, a bit each: a damaged tree may contain itself */
	uint64_t entries_left; /* more entries than the directory table has room for: a tree folded onto itself */
	char path[PATH_MAX];
	size_t length;
};

struct pool {
	struct extraction *extraction;
	struct cache cache;
	const struct job *jobs;
	size_t count;
	atomic_size_t next;
	atomic_int error;
};

static int failed_at(struct extraction *extraction, const char *path, int error)
{
	snprintf(extraction->failed, sizeof(extraction->failed), "%s", *path ? path : "the image");
	return error;
}

/* Tells the image's faults from those of the disk that is written to. */
static int reading(int error)
{
	return error == -EIO ? -EBADMSG : error;
}

/* Walking the tree */

static int make_directory(int root, const char *path)
{
	struct stat status;

	if (!mkdirat(root, path, 0755))
		return 0;
	if (errno != EEXIST || fstatat(root, path, &status, AT_SYMLINK_NOFOLLOW))
		return -errno;
	if (S_ISDIR(status.st_mode))
		return 0;
	return unlinkat(root, path, 0) || mkdirat(root, path, 0755) ? -errno : 0;
}

/* Every directory above the path, from the root down, so that none is a link. */
static int make_parents(int root, char *path)
{
	for (char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = 0;
		int error = make_directory(root, path);
		*slash = '/';
		if (error)
			return error;
	}
	return 0;
}

static int add_job(struct walk *walk, const struct entry *entry)
{
	if (walk->count == walk->room) {
		size_t room = walk->room ? walk->room * 2 : 1024;
		struct job *jobs = realloc(walk->jobs, room * sizeof(*jobs));
		if (!jobs)
			return -ENOMEM;
		walk->jobs = jobs;
		walk->room = room;
	}
	char *path = strdup(walk->path);
	if (!path)
		return -ENOMEM;
	walk->jobs[walk->count++] = (struct job){entry->reference, path, entry->type};
	return 0;
}

static int walk_directory(struct walk *walk, uint64_t reference);

static int walk_entry(struct walk *walk, const struct entry *entry)
{
	struct extraction *extraction = walk->extraction;
	bool wanted = !extraction->pattern ||
	              !fnmatch(extraction->pattern, walk->path, FNM_PATHNAME | FNM_LEADING_DIR);

	if (wanted && extraction->announced)
		printf("%s%s\n", extraction->announced, walk->path);
	/* With a pattern, the directories above were not made; without one, they were. */
	if (wanted && extraction->pattern) {
		int error = make_parents(extraction->root, walk->path);
		if (error)
			return error;
	}
	if (entry->type == TYPE_DIRECTORY) {
		int error = wanted ? make_directory(extraction->root, walk->path) : 0;
		if (!error && extraction->read_only)
			error = add_job(walk, entry);
		return error ? error : walk_directory(walk, entry->reference);
	}
	if (wanted && (entry->type == TYPE_FILE || entry->type == TYPE_SYMLINK))
		return add_job(walk, entry);
	return 0;
}

/* False for a directory that has been visited. */
static bool visit(struct walk *walk, uint32_t number)
{
	uint8_t *byte = &walk->visited[number / CHAR_BIT], bit = (uint8_t)(1u << number % CHAR_BIT);

	if (*byte & bit)
		return false;
	*byte |= bit;
	return true;
}

static int walk_directory(struct walk *walk, uint64_t reference)
{
	struct squashfs *fs = walk->extraction->fs;
	struct cursor cursor = {0};
	struct inode directory;
	struct entry entry;
	size_t length = walk->length;
	int got;

	int error = reading(squashfs_inode(fs, reference, &directory));
	if (error)
		return error;
	if (directory.type != TYPE_DIRECTORY || !visit(walk, directory.number))
		return -EBADMSG;
	while ((got = squashfs_next(fs, &directory, &cursor, &entry)) == 1) {
		if (!walk->entries_left--)
			return -EBADMSG;
		int added = snprintf(walk->path + length, sizeof(walk->path) - length, "%s%s", length ? "/" : "", entry.name);
		if (length + (size_t)added >= sizeof(walk->path))
			return -ENAMETOOLONG;
		walk->length = length + (size_t)added;
		if ((error = walk_entry(walk, &entry)))
			return error;
	}
	walk->length = length;
	walk->path[length] = 0;
	return reading(got);
}

/* Writing files */

static int write_all(int file, const uint8_t *data, size_t size, uint64_t offset)
{
	while (size) {
		ssize_t written = pwrite(file, data, size, (off_t)offset);
		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return -errno;
		data += written;
		size -= (size_t)written;
		offset += (uint64_t)written;
	}
	return 0;
}

static int write_blocks(struct squashfs *fs, const struct inode *inode, int file, uint8_t *buffer)
{
	struct block_memo memo = {.reference = UINT64_MAX};
	uint32_t blocks = squashfs_block_count(fs, inode);
	uint64_t offset = 0;

	for (uint32_t i = 0; i < blocks; i++, offset += fs->super.block_size) {
		struct extent extent;
		int error = reading(squashfs_block(fs, inode, i, &memo, &extent));
		if (error)
			return error;
		if (!extent.size)
			continue; /* a hole, which ftruncate() keeps one */
		int size = squashfs_read_extent(fs, &extent, buffer);
		uint64_t expected = inode->size - offset < fs->super.block_size ? inode->size - offset : fs->super.block_size;
		if (size != (int)expected)
			return size < 0 ? reading(size) : -EBADMSG;
		if ((error = write_all(file, buffer, (size_t)size, offset)))
			return error;
	}
	return 0;
}

static int write_tail(struct pool *pool, const struct inode *inode, int file)
{
	struct squashfs *fs = pool->extraction->fs;
	uint32_t size = (uint32_t)(inode->size & (fs->super.block_size - 1));
	struct block_view view;

	if (inode->fragment == NO_FRAGMENT || !size)
		return 0;
	int error = reading(cache_get(&pool->cache, &fs->fragments[inode->fragment], &view));
	if (error)
		return error;
	if (inode->fragment_offset > view.size || size > view.size - inode->fragment_offset)
		error = -EBADMSG;
	else
		error = write_all(file, view.data + inode->fragment_offset, size, inode->size - size);
	cache_release(&pool->cache, &view);
	return error;
}

/* A new name for every file: what stood there may be a link to somewhere else. */
static int create(int root, const char *path)
{
	const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	int file = openat(root, path, flags, 0600);

	if (file < 0 && errno == EEXIST && !unlinkat(root, path, 0))
		file = openat(root, path, flags, 0600);
	return file < 0 ? -errno : file;
}

static int write_file(struct pool *pool, const struct job *job, uint8_t *buffer)
{
	struct squashfs *fs = pool->extraction->fs;
	struct inode inode;
	int error = reading(squashfs_inode(fs, job->reference, &inode));

	if (error)
		return error;
	if (inode.type != TYPE_FILE)
		return -EBADMSG;
	int file = create(pool->extraction->root, job->path);
	if (file < 0)
		return file;
	error = write_blocks(fs, &inode, file, buffer);
	if (!error)
		error = write_tail(pool, &inode, file);
	/* A hole at the end */
	if (!error && inode.fragment == NO_FRAGMENT && ftruncate(file, (off_t)inode.size))
		error = -errno;
	/* Never set-user-id: the image's word is not enough for that. */
	mode_t allowed = pool->extraction->read_only ? 0555 : 0777;
	struct timespec times[2] = {{.tv_sec = inode.modified}, {.tv_sec = inode.modified}};
	if (!error && (fchmod(file, inode.permissions & allowed) || futimens(file, times)))
		error = -errno;
	if (close(file) && !error)
		error = -errno;
	return error;
}

/* The first error counts: only the thread that has met it writes down where it came from. */
static void give_up(struct pool *pool, const char *path, int error)
{
	int none = 0;

	if (atomic_compare_exchange_strong(&pool->error, &none, error))
		failed_at(pool->extraction, path, error);
}

static void work_on(struct pool *pool, size_t at, uint8_t *buffer)
{
	const struct job *job = &pool->jobs[at];

	/* A name of an earlier file, as equal references follow each other: see make_links(). */
	if (job->type != TYPE_FILE || (at && job[-1].reference == job->reference))
		return;
	int error = write_file(pool, job, buffer);
	if (error)
		give_up(pool, job->path, error);
}

static void work(struct pool *pool, uint8_t *buffer)
{
	size_t start;

	/* Several at a time, so that workers are mostly in different directories, which only one can add to. */
	while (!pool->error && (start = atomic_fetch_add(&pool->next, SHARE)) < pool->count) {
		size_t end = pool->count - start < SHARE ? pool->count : start + SHARE;
		for (size_t at = start; at < end && !pool->error; at++)
			work_on(pool, at, buffer);
	}
}

/* All that a thread needs before it takes a job, so that none fails for want of memory; NULL: it cannot have that. */
static uint8_t *prepare(struct squashfs *fs)
{
	uint8_t *buffer = malloc(fs->super.block_size);

	if (buffer && squashfs_prepare_thread(fs)) {
		free(buffer);
		return NULL;
	}
	return buffer;
}

/* The others do the work where there is no memory for one more. */
static void *help(void *argument)
{
	struct pool *pool = argument;
	uint8_t *buffer = prepare(pool->extraction->fs);

	if (buffer)
		work(pool, buffer);
	free(buffer);
	return NULL;
}

/* Each helper has one file open at a time, this thread another. */
static unsigned max_helpers(const struct extraction *extraction)
{
	unsigned helpers = process_processors(MAX_HELPERS + 1) - 1;
	rlim_t used = (rlim_t)extraction->root + 2;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur <= used)
		return 0;
	return limit.rlim_cur - used < helpers ? (unsigned)(limit.rlim_cur - used) : helpers;
}

static void work_together(struct pool *pool, unsigned helpers, uint8_t *buffer)
{
	enum { STACK = 128 * 1024 };
	pthread_t threads[MAX_HELPERS];
	pthread_attr_t attributes;
	unsigned started = 0;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK);
	while (started < helpers && !pthread_create(&threads[started], &attributes, help, pool))
		started++;
	work(pool, buffer);
	while (started)
		pthread_join(threads[--started], NULL);
}

static int write_files(struct extraction *extraction, const struct walk *walk)
{
	static struct pool pool;
	uint8_t *buffer = prepare(extraction->fs);
	unsigned helpers = max_helpers(extraction);
	int error;

	if (!buffer)
		return -ENOMEM;
	pool = (struct pool){.extraction = extraction, .jobs = walk->jobs, .count = walk->count};
	while ((error = cache_open(&pool.cache, extraction->fs, helpers + 1)) == -ENOMEM && helpers)
		helpers /= 2;
	if (!error) {
		work_together(&pool, helpers, buffer);
		cache_close(&pool.cache);
		error = pool.error;
	}
	free(buffer);
	return error;
}

/* Links */

static int make_symlink(struct extraction *extraction, const struct job *job)
{
	struct inode inode;
	char target[PATH_MAX];

	int error = reading(squashfs_inode(extraction->fs, job->reference, &inode));
	if (!error && inode.type != TYPE_SYMLINK)
		error = -EBADMSG;
	if (!error)
		error = reading(squashfs_readlink(extraction->fs, &inode, target));
	if (error)
		return error;
	if (symlinkat(target, extraction->root, job->path) &&
	    (errno != EEXIST || unlinkat(extraction->root, job->path, 0) ||
	     symlinkat(target, extraction->root, job->path)))
		return -errno;
	struct timespec times[2] = {{.tv_sec = inode.modified}, {.tv_sec = inode.modified}};
	utimensat(extraction->root, job->path, times, AT_SYMLINK_NOFOLLOW);
	return 0;
}

static int make_hard_link(struct extraction *extraction, const char *path, const char *name)
{
	if (!linkat(extraction->root, path, extraction->root, name, 0))
		return 0;
	if (errno != EEXIST || unlinkat(extraction->root, name, 0))
		return -errno;
	return linkat(extraction->root, path, extraction->root, name, 0) ? -errno : 0;
}

/* Last of all, so that no file of this image is ever written through one of its links. */
static int make_links(struct extraction *extraction, const struct walk *walk)
{
	for (size_t i = 0; i < walk->count; i++) {
		const struct job *job = &walk->jobs[i];
		int error = 0;
		if (job->type == TYPE_SYMLINK)
			error = make_symlink(extraction, job);
		else if (job->type == TYPE_FILE && i && job[-1].reference == job->reference)
			error = make_hard_link(extraction, job[-1].path, job->path);
		if (error)
			return failed_at(extraction, job->path, error);
	}
	return 0;
}

/* When nothing is left to be made in them. */
static int close_directories(struct extraction *extraction, const struct walk *walk)
{
	for (size_t i = 0; i < walk->count; i++) {
		const struct job *job = &walk->jobs[i];
		if (job->type == TYPE_DIRECTORY && fchmodat(extraction->root, job->path, 0555, 0))
			return failed_at(extraction, job->path, -errno);
	}
	return fchmod(extraction->root, 0555) ? -errno : 0;
}

static int compare_jobs(const void *a, const void *b)
{
	const struct job *left = a, *right = b;

	return (left->reference > right->reference) - (left->reference < right->reference);
}

static int extract_tree(struct extraction *extraction)
{
	struct squashfs *fs = extraction->fs;
	struct walk walk = {
		.extraction = extraction,
		.visited = calloc(fs->super.inode_count / CHAR_BIT + 1, 1),
		.entries_left = squashfs_max_entries(fs),
	};

	if (!walk.visited)
		return -ENOMEM;
	int error = walk_directory(&walk, fs->super.root_inode);
	if (error)
		failed_at(extraction, walk.path, error);
	/* A file's names next to each other, and near the order in which data stands in the image. */
	if (!error)
		qsort(walk.jobs, walk.count, sizeof(*walk.jobs), compare_jobs);
	if (!error)
		error = write_files(extraction, &walk);
	if (!error)
		error = make_links(extraction, &walk);
	if (!error && extraction->read_only)
		error = close_directories(extraction, &walk);
	for (size_t i = 0; i < walk.count; i++)
		free(walk.jobs[i].path);
	free(walk.jobs);
	free(walk.visited);
	return error;
}

int extract(struct extraction *extraction)
{
	struct sigaction ignored = {.sa_handler = SIG_IGN}, before;

	failed_at(extraction, "", 0);
	/* A limit for files is then an error like others. */
	sigaction(SIGXFSZ, &ignored, &before);
	int error = extract_tree(extraction);
	sigaction(SIGXFSZ, &before, NULL);
	return error;
}

static bool files_are_limited(void)
{
	struct rlimit limit;

	return !getrlimit(RLIMIT_FSIZE, &limit) && limit.rlim_cur != RLIM_INFINITY;
}

const char *extract_explain(int error)
{
	if (error == -EBADMSG)
		return explain(-EIO);
	if (error == -ETXTBSY)
		return "it was changed meanwhile";
	if (error == -EFBIG && files_are_limited())
		return "it is larger than files may be here (RLIMIT_FSIZE; ulimit -f shows it)";
	return strerror(-error);
}

bool extract_is_final(int error)
{
	static const int final[] = {EBADMSG, ETXTBSY, ENOMEM, EMFILE, ENFILE, EPIPE};

	for (size_t i = 0; i < sizeof(final) / sizeof(*final); i++) {
		if (error == -final[i])
			return true;
	}
	return error == -EFBIG && files_are_limited();
}

uint64_t extract_size(struct squashfs *fs, uint64_t unit)
{
	struct inode inode;
	uint64_t position = 0, size = 0;

	while (squashfs_next_inode(fs, &position, &inode) == 1) {
		if (inode.type == TYPE_FILE)
			size += (inode.size + unit - 1) / unit * unit;
		else if (inode.type == TYPE_DIRECTORY)
			size += unit;
	}
	return size;
}
