/* SPDX-License-Identifier: MIT */
#include "extract.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cache.h"
#include "process.h"

enum { MOST_WORKERS = 32, SHARE = 16, SLOW_SECONDS = 1 };

/* A file or link to be made once the folders stand. */
struct job {
	uint64_t reference;
	char *path;
	bool symlink;
};

struct walk {
	struct extraction *extraction;
	struct job *jobs;
	size_t count;
	size_t room;
	uint8_t *visited;      /* folders by inode number, a bit each: a damaged tree may contain itself */
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

/* At most a bit later another error overwrites it: any one will do. */
static int failed_at(struct extraction *extraction, const char *path, int error)
{
	snprintf(extraction->failed, sizeof(extraction->failed), "%s", path);
	return error;
}

/* Walking the tree */

static int make_folder(int root, const char *path)
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

/* Every folder above the path, from the root down, so that none is a link. */
static int make_parents(int root, char *path)
{
	for (char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = 0;
		int error = make_folder(root, path);
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
	walk->jobs[walk->count++] = (struct job){entry->reference, path, entry->type == TYPE_SYMLINK};
	return 0;
}

static int walk_folder(struct walk *walk, uint64_t reference);

static int walk_entry(struct walk *walk, const struct entry *entry)
{
	struct extraction *extraction = walk->extraction;
	bool wanted = !extraction->pattern ||
	              !fnmatch(extraction->pattern, walk->path, FNM_PATHNAME | FNM_LEADING_DIR);

	if (wanted && extraction->announced)
		printf("%s%s\n", extraction->announced, walk->path);
	/* With a pattern, the folders above were not made; without one, they were. */
	if (wanted && extraction->pattern) {
		int error = make_parents(extraction->root, walk->path);
		if (error)
			return error;
	}
	if (entry->type == TYPE_DIRECTORY) {
		int error = wanted ? make_folder(extraction->root, walk->path) : 0;
		return error ? error : walk_folder(walk, entry->reference);
	}
	if (wanted && (entry->type == TYPE_FILE || entry->type == TYPE_SYMLINK))
		return add_job(walk, entry);
	return 0;
}

static int walk_folder(struct walk *walk, uint64_t reference)
{
	struct squashfs *fs = walk->extraction->fs;
	struct cursor cursor = {0};
	struct inode folder;
	struct entry entry;
	size_t length = walk->length;
	int got;

	if (squashfs_inode(fs, reference, &folder) || folder.type != TYPE_DIRECTORY ||
	    walk->visited[folder.number / 8] & 1 << folder.number % 8)
		return -EIO;
	walk->visited[folder.number / 8] |= (uint8_t)(1 << folder.number % 8);
	while ((got = squashfs_next(fs, &folder, &cursor, &entry)) == 1) {
		if (!walk->entries_left--)
			return -EIO;
		int added = snprintf(walk->path + length, sizeof(walk->path) - length, "%s%s", length ? "/" : "", entry.name);
		if (length + (size_t)added >= sizeof(walk->path))
			return -ENAMETOOLONG;
		walk->length = length + (size_t)added;
		int error = walk_entry(walk, &entry);
		if (error)
			return error;
	}
	walk->length = length;
	walk->path[length] = 0;
	return got;
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
		int error = squashfs_block(fs, inode, i, &memo, &extent);
		if (error)
			return error;
		if (!extent.size)
			continue; /* a hole, which ftruncate() keeps one */
		int size = squashfs_read_extent(fs, &extent, buffer);
		uint64_t expected = inode->size - offset < fs->super.block_size ? inode->size - offset : fs->super.block_size;
		if (size != (int)expected)
			return size < 0 ? size : -EIO;
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
	int error = cache_get(&pool->cache, &fs->fragments[inode->fragment], &view);
	if (error)
		return error;
	if (inode->fragment_offset > view.size || size > view.size - inode->fragment_offset)
		error = -EIO;
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
	int error = squashfs_inode(fs, job->reference, &inode);

	if (error || inode.type != TYPE_FILE)
		return -EIO;
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
	struct timespec times[2] = {{.tv_sec = inode.modified}, {.tv_sec = inode.modified}};
	if (!error && (fchmod(file, inode.permissions & 0777) || futimens(file, times)))
		error = -errno;
	if (close(file) && !error)
		error = -errno;
	return error;
}

static int work_on(struct pool *pool, size_t at, uint8_t *buffer)
{
	const struct job *job = &pool->jobs[at];

	/* A name of an earlier file, as equal references follow each other: see make_links(). */
	if (job->symlink || (at && job[-1].reference == job->reference))
		return 0;
	int error = write_file(pool, job, buffer);
	return error ? failed_at(pool->extraction, job->path, error) : 0;
}

static void *work(void *argument)
{
	struct pool *pool = argument;
	uint8_t *buffer = malloc(pool->extraction->fs->super.block_size);
	size_t start;

	if (!buffer)
		pool->error = -ENOMEM;
	/* Several at a time, so that workers are mostly in different folders, which only one can add to. */
	while (!pool->error && (start = atomic_fetch_add(&pool->next, SHARE)) < pool->count) {
		size_t end = pool->count - start < SHARE ? pool->count : start + SHARE;
		int error = 0;
		for (size_t at = start; at < end && !error; at++)
			error = work_on(pool, at, buffer);
		if (error)
			pool->error = error;
	}
	free(buffer);
	return NULL;
}

static void join_all(const struct extraction *extraction, pthread_t *threads, unsigned count)
{
	struct timespec deadline;

	clock_gettime(CLOCK_REALTIME, &deadline);
	deadline.tv_sec += SLOW_SECONDS;
	for (unsigned i = 0; i < count; i++) {
		if (i == 0 && extraction->slow && pthread_timedjoin_np(threads[i], NULL, &deadline) == 0)
			continue;
		if (i == 0 && extraction->slow)
			dprintf(STDERR_FILENO, "%s\n", extraction->slow);
		pthread_join(threads[i], NULL);
	}
}

static int write_files(struct extraction *extraction, const struct walk *walk)
{
	static struct pool pool;
	pthread_t threads[MOST_WORKERS];
	unsigned wanted = process_processors(MOST_WORKERS), started = 0;

	pool.extraction = extraction;
	pool.jobs = walk->jobs;
	pool.count = walk->count;
	int error = cache_open(&pool.cache, extraction->fs, wanted);
	if (error)
		return error;
	while (started < wanted && !pthread_create(&threads[started], NULL, work, &pool))
		started++;
	if (!started)
		return -EAGAIN;
	join_all(extraction, threads, started);
	return pool.error;
}

/* Links */

static int make_symlink(struct extraction *extraction, const struct job *job)
{
	struct inode inode;
	char target[PATH_MAX];

	if (squashfs_inode(extraction->fs, job->reference, &inode) || inode.type != TYPE_SYMLINK ||
	    squashfs_readlink(extraction->fs, &inode, target))
		return -EIO;
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
		if (job->symlink)
			error = make_symlink(extraction, job);
		else if (i && job[-1].reference == job->reference)
			error = make_hard_link(extraction, job[-1].path, job->path);
		if (error)
			return failed_at(extraction, job->path, error);
	}
	return 0;
}

static int compare_jobs(const void *a, const void *b)
{
	const struct job *left = a, *right = b;

	return (left->reference > right->reference) - (left->reference < right->reference);
}

int extract(struct extraction *extraction)
{
	struct squashfs *fs = extraction->fs;
	struct walk walk = {
		.extraction = extraction,
		.visited = calloc(fs->super.inode_count / 8 + 1, 1),
		/* An entry takes nine bytes at least: spec, 2.7. */
		.entries_left = (uint64_t)fs->directories.count * METADATA_SIZE / 9,
	};

	if (!walk.visited)
		return -ENOMEM;
	int error = walk_folder(&walk, fs->super.root_inode);
	if (error)
		failed_at(extraction, walk.path, error);
	/* A file's names next to each other, and near the order in which data stands in the image. */
	if (!error)
		qsort(walk.jobs, walk.count, sizeof(*walk.jobs), compare_jobs);
	if (!error)
		error = write_files(extraction, &walk);
	if (!error)
		error = make_links(extraction, &walk);
	for (size_t i = 0; i < walk.count; i++)
		free(walk.jobs[i].path);
	free(walk.jobs);
	free(walk.visited);
	return error;
}
