/* SPDX-License-Identifier: MIT */
#include "tmpdir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

bool tmpdir_candidate(unsigned number, char *path, size_t room)
{
	/* TMPDIR is the user's wish; /tmp is what everyone expects; the others are for when it is read-only or noexec. */
	static const struct {
		const char *variable;
		const char *path;
	} candidates[] = {
		{"TMPDIR", ""}, {NULL, "/tmp"}, {"XDG_RUNTIME_DIR", ""}, {"XDG_CACHE_HOME", ""}, {"HOME", "/.cache"},
		{NULL, "/var/tmp"}, {NULL, "/dev/shm"}, {"HOME", ""},
	};

	if (number >= sizeof(candidates) / sizeof(*candidates))
		return false;
	const char *variable = candidates[number].variable;
	const char *start = variable ? getenv(variable) : "";
	/* A path that is unset, relative or too long is one that cannot be used: the caller goes on to the next. */
	if (!start || (variable && start[0] != '/') ||
	    snprintf(path, room, "%s%s", start, candidates[number].path) >= (int)room)
		path[0] = 0;
	return true;
}

/* user_namespaces(7): there, who owns files of the world outside is not known, and shown as this user. */
static bool is_unmapped(uid_t owner)
{
	enum { OVERFLOW_UID = 65534 };
	static const char everybody[] = "         0          0 4294967295\n";
	char map[sizeof(everybody)] = "";

	if (owner != OVERFLOW_UID)
		return false;
	int file = open("/proc/self/uid_map", O_RDONLY | O_CLOEXEC);
	ssize_t got = file < 0 ? -1 : read(file, map, sizeof(map) - 1);
	if (file >= 0)
		close(file);
	return got > 0 && strcmp(map, everybody) != 0;
}

/* Root is whom "/" belongs to: in a user namespace it may have another number. */
static bool belongs_to_others(const struct stat *status)
{
	struct stat root;

	return status->st_uid != geteuid() && (stat("/", &root) || status->st_uid != root.st_uid) &&
	       !is_unmapped(status->st_uid);
}

static bool others_can_rename_in(const struct stat *status)
{
	return belongs_to_others(status) || (status->st_mode & (S_IWOTH | S_ISVTX)) == S_IWOTH;
}

int tmpdir_check(int directory)
{
	int at = openat(directory, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct stat status, above;
	int error = at < 0 || fstat(at, &status) ? -errno : 0;

	while (!error && !others_can_rename_in(&status)) {
		int up = openat(at, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
		error = up < 0 || fstat(up, &above) ? -errno : 0;
		close(at);
		at = up;
		if (!error && above.st_dev == status.st_dev && above.st_ino == status.st_ino) {
			close(at);
			return 0;
		}
		if (!error)
			status = above;
	}
	if (at >= 0)
		close(at);
	return error ? error : TMPDIR_UNSAFE;
}

int tmpdir_open(const char *candidate, char path[PATH_MAX])
{
	if (!realpath(candidate, path))
		return -errno;
	int directory = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (directory < 0)
		return -errno;
	int error = tmpdir_check(directory);
	if (!error)
		return directory;
	close(directory);
	return error;
}

void tmpdir_spell(uint64_t number, char suffix[TMPDIR_SUFFIX_ROOM])
{
	static const char digits[] = "abcdefghijklmnopqrstuvwxyz012345";
	size_t length = TMPDIR_SUFFIX_ROOM - 1;

	for (size_t i = 0; i < length; i++, number /= sizeof(digits) - 1)
		suffix[i] = digits[number % (sizeof(digits) - 1)];
	suffix[length] = 0;
}

int tmpdir_suffix(char suffix[TMPDIR_SUFFIX_ROOM])
{
	uint64_t noise;

	if (getrandom(&noise, sizeof(noise), 0) != sizeof(noise))
		return -errno;
	tmpdir_spell(noise, suffix);
	return 0;
}

int tmpdir_make(char *path, size_t room, const char *parent, const char *prefix)
{
	for (int attempt = 0; attempt < 16; attempt++) {
		char suffix[TMPDIR_SUFFIX_ROOM];
		int error = tmpdir_suffix(suffix);

		if (error)
			return error;
		if (snprintf(path, room, "%s/%s%s", parent, prefix, suffix) >= (int)room)
			return -ENAMETOOLONG;
		if (!mkdir(path, 0700))
			return 0;
		if (errno != EEXIST)
			return -errno;
	}
	return -EEXIST;
}

/* Removing */

/* A listing of its own, whatever has been read of this descriptor. */
static DIR *list(int directory)
{
	int again = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *listing = again < 0 ? NULL : fdopendir(again);

	if (!listing && again >= 0)
		close(again);
	return listing;
}

static struct dirent *next_entry(DIR *listing)
{
	struct dirent *entry;

	do
		entry = readdir(listing);
	while (entry && (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")));
	return entry;
}

/* Opens a directory for its entries to be removed; those of a copy may not be written to. */
static int open_writable(int parent, const char *name)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	int directory = openat(parent, name, flags);

	if (directory < 0 && errno == EACCES && !fchmodat(parent, name, 0700, AT_SYMLINK_NOFOLLOW))
		directory = openat(parent, name, flags);
	if (directory >= 0)
		fchmod(directory, 0700); /* where it fails, so does what follows */
	return directory;
}

/* Moves it to where only directories are that wait for their removal. */
static bool move_up(int parent, const char *name, int top)
{
	char suffix[TMPDIR_SUFFIX_ROOM];
	int directory = open_writable(parent, name); /* it says what is above it, so moving it writes to it */

	if (directory >= 0)
		close(directory);
	return !tmpdir_suffix(suffix) && !renameat(parent, name, top, suffix);
}

/*
 * Removes what stands at this name.  The directories in it are moved to the top for a later round, so that a tree of any
 * depth needs few descriptors.  True when there is less left than before.
 */
static bool remove_entry(int top, const char *name)
{
	struct dirent *entry;

	if (!unlinkat(top, name, 0))
		return true;
	int directory = open_writable(top, name);
	if (directory < 0)
		return false;
	DIR *listing = fdopendir(directory);
	bool less = false;
	while (listing && (entry = next_entry(listing)))
		less |= !unlinkat(directory, entry->d_name, 0) || move_up(directory, entry->d_name, top);
	if (listing)
		closedir(listing);
	else
		close(directory);
	return !unlinkat(top, name, AT_REMOVEDIR) || less;
}

void tmpdir_empty(int directory)
{
	bool less = true;

	while (less) {
		struct dirent *entry;
		DIR *listing = list(directory);
		less = false;
		while (listing && (entry = next_entry(listing)))
			less |= remove_entry(directory, entry->d_name);
		if (listing)
			closedir(listing);
	}
}
