/* SPDX-License-Identifier: MIT */
#include "extracted_run.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/xxhash.h"
#include "extract.h"
#include "guard.h"
#include "message.h"
#include "monotonic.h"
#include "tmpdir.h"

enum {
	MAX_PLACES = 8,
	MAX_ROOT = 1024,
	/* After this, whoever has the directory locked is taken for a process that was stopped. */
	LOCKED_S = 20,
	TOO_SMALL = 1, /* in the place of an errno value: there seems to be no room, and nothing was tried */
};

/*
 * Names the directory.  No other file has this device, inode number and time of its last change, which nobody can set;
 * the hash is for file systems that do not keep such times.  Data blocks are not read: that would take long.
 */
static int name_directory(struct extracted_run *run, const struct squashfs *fs)
{
	struct stat status;

	if (fstat(fs->file, &status))
		return -errno;
	run->size = status.st_size;
	run->modified = status.st_mtim;
	const int64_t facts[] = {status.st_size, status.st_mtim.tv_sec, status.st_mtim.tv_nsec};
	uint64_t hash = XXH64(facts, sizeof(facts), 0);
	hash = XXH64(&fs->super, sizeof(fs->super), hash);
	hash = XXH64(fs->inodes.compressed, fs->inodes.compressed_size, hash);
	hash = XXH64(fs->directories.compressed, fs->directories.compressed_size, hash);
	snprintf(run->name, sizeof(run->name), ".appimage-%u-%llx-%llx-%llx.%lx-%016llx", (unsigned)geteuid(),
	         (unsigned long long)status.st_dev, (unsigned long long)status.st_ino,
	         (unsigned long long)status.st_ctim.tv_sec, (unsigned long)status.st_ctim.tv_nsec,
	         (unsigned long long)hash);
	return 0;
}

/* Somebody may have written to the image while it was read.  To move or replace it is no change. */
static int check_unchanged(const struct extracted_run *run, const struct squashfs *fs)
{
	struct stat status;

	if (fstat(fs->file, &status))
		return -errno;
	return status.st_size != run->size || status.st_mtim.tv_sec != run->modified.tv_sec ||
	                       status.st_mtim.tv_nsec != run->modified.tv_nsec
	               ? -ETXTBSY
	               : 0;
}

/*
 * ext4 puts files near their directory, and takes long to pass over inodes that were freed a moment ago: those of the
 * run before.  Below a directory with this mark, it chooses a new place for every new name.
 */
static void spread_directories(int directory)
{
	int flags;

	/* C libraries differ in the type that ioctl() has for a request. */
	if (!syscall(SYS_ioctl, directory, FS_IOC_GETFLAGS, &flags)) {
		flags |= FS_TOPDIR_FL;
		syscall(SYS_ioctl, directory, FS_IOC_SETFLAGS, &flags);
	}
}

/* What cannot be known beforehand, as quotas, shows when the files are written. */
static int check_room(int directory, struct squashfs *fs)
{
	struct statvfs system;

	if (fstatvfs(directory, &system))
		return -errno;
	if (system.f_files && system.f_favail < fs->super.inode_count)
		return -ENOSPC;
	bool fits = !system.f_blocks || system.f_bavail >= extract_size(fs, system.f_frsize) / system.f_frsize;
	return fits ? 0 : TOO_SMALL;
}

static int unpack(struct extracted_run *run, struct squashfs *fs)
{
	static struct extraction extraction;
	char suffix[TMPDIR_SUFFIX_ROOM], unfinished[32];
	int lock = run->private.lock;
	int error = tmpdir_suffix(suffix);

	if (error)
		return error;
	snprintf(unfinished, sizeof(unfinished), "unfinished.%s", suffix); /* see spread_directories() */
	extraction = (struct extraction){.fs = fs, .read_only = true};
	if (mkdirat(lock, unfinished, 0755))
		return -errno;
	extraction.root = openat(lock, unfinished, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (extraction.root < 0)
		return -errno;
	error = extract(&extraction);
	close(extraction.root);
	if (error)
		run->failed = extraction.failed;
	if (!error)
		error = check_unchanged(run, fs);
	if (!error && renameat(lock, unfinished, lock, private_root()))
		error = -errno;
	if (!error && run->announced)
		note("nothing is mounted, so the files are unpacked to %s", run->directory);
	return error;
}

/* The caller has the directory locked for itself. */
static int fill(struct extracted_run *run, struct squashfs *fs, bool checked)
{
	tmpdir_empty(run->private.lock); /* of what a run has left that was killed */
	int error = check_room(run->private.lock, fs);
	if (error < 0 || (error && checked))
		return error;
	spread_directories(run->private.lock);
	return unpack(run, fs);
}

/*
 * Who has the lock for itself fills the directory; the others wait, and share it.  -ESTALE: it was removed meanwhile;
 * -EBUSY: whoever has the lock does not go on; -ENOLCK: there are no such locks, as for directories of NFS.
 */
static int enter(struct extracted_run *run, struct squashfs *fs, unsigned wait_s, bool checked)
{
	const struct private *private = &run->private;
	enum { FIRST_PAUSE_NS = NS_PER_MS, MAX_PAUSE_NS = 16 * NS_PER_MS };
	uint64_t pause_ns = FIRST_PAUSE_NS, end = monotonic_ns() + (uint64_t)wait_s * NS_PER_S;

	if (run->alone)
		return fill(run, fs, checked);
	for (;;) {
		bool shared = !flock(private->lock, LOCK_SH | LOCK_NB);
		if (shared && private_is_named(private) && private_is_whole(private))
			return 0;
		if (shared && !private_is_named(private))
			return -ESTALE;
		/* Fails while another one shares it, and gives up what this one had. */
		if (shared && !flock(private->lock, LOCK_EX | LOCK_NB)) {
			int error = private_is_named(private) && !private_is_whole(private) ? fill(run, fs, checked) : 0;
			if (error)
				return error;
			continue;
		}
		if (errno != EWOULDBLOCK && errno != EINTR)
			return -ENOLCK;
		if (monotonic_ns() >= end)
			return -EBUSY;
		monotonic_sleep(pause_ns);
		if (pause_ns < MAX_PAUSE_NS)
			pause_ns *= 2;
	}
}

/* What a try in vain has made is gone before the next one begins: the guard only knows of the last. */
static void take_back(const struct private *private, bool made)
{
	if (private->lock < 0 && made)
		unlinkat(private->parent, private->name, AT_REMOVEDIR);
	bool ours = private->lock >= 0 && (!flock(private->lock, LOCK_EX | LOCK_NB) || errno != EWOULDBLOCK);
	if (ours && private_is_named(private))
		private_remove(private);
}

static int try_once(struct extracted_run *run, struct squashfs *fs, unsigned wait_s, bool checked)
{
	struct private *private = &run->private;
	bool made = false;
	int error = guard_announce(run->guard, run->directory);

	if (!error)
		error = private_make(private, &made);
	if (!error)
		error = guard_hand_over(run->guard, private);
	if (!error)
		error = enter(run, fs, wait_s, checked);
	/* Otherwise another run has it, or has removed it. */
	if (error && error != -EBUSY && error != -ESTALE)
		take_back(private, made);
	if (error)
		private_close(private);
	return error;
}

/* Holds a shared lock on a directory with the files in it. */
static int take(struct extracted_run *run, struct squashfs *fs, const char *parent, const char *name, unsigned wait_s,
                bool checked)
{
	int error;

	/* Paths of files in the image have to fit behind it. */
	if (snprintf(run->root, sizeof(run->root), "%s/%s/%s", parent, name, private_root()) >= MAX_ROOT)
		return -ENAMETOOLONG;
	snprintf(run->directory, sizeof(run->directory), "%s/%s", parent, name);
	snprintf(run->private.name, sizeof(run->private.name), "%s", name);
	do
		error = try_once(run, fs, wait_s, checked);
	while (error == -ESTALE);
	return error;
}

/* What an earlier run made because somebody else was there first: another can share it, or clean it. */
static int take_similar(struct extracted_run *run, struct squashfs *fs, const char *parent, bool checked)
{
	DIR *listing = opendir(parent);
	struct dirent *entry;
	size_t length = strlen(run->name);
	int error = -ENOENT;

	while (listing && error && (entry = readdir(listing))) {
		if (!strncmp(entry->d_name, run->name, length) && entry->d_name[length] == '.')
			error = take(run, fs, parent, entry->d_name, 0, checked);
	}
	if (listing)
		closedir(listing);
	return error;
}

static int take_in(struct extracted_run *run, struct squashfs *fs, const char *parent, bool checked)
{
	char suffix[TMPDIR_SUFFIX_ROOM], own[NAME_MAX + 1];
	run->alone = false; /* of the place before this one */
	int error = take(run, fs, parent, run->name, LOCKED_S, checked);

	run->alone = error == -ENOLCK;
	if (error != -EEXIST && error != -EBUSY && error != -ENOLCK)
		return error;
	if (!run->alone && !take_similar(run, fs, parent, checked))
		return 0;
	if ((error = tmpdir_suffix(suffix)))
		return error;
	snprintf(own, sizeof(own), "%s.%s", run->name, suffix);
	return take(run, fs, parent, own, LOCKED_S, checked);
}

/* Where it is tried, and what came of it. */
struct place {
	char path[PATH_MAX];
	int error;
};

static int try_place(struct extracted_run *run, struct squashfs *fs, const char *path, bool checked)
{
	char parent[PATH_MAX];

	run->failed = "the image";
	run->private.parent = tmpdir_open(path, parent);
	if (run->private.parent < 0)
		return run->private.parent;
	int error = take_in(run, fs, strcmp(parent, "/") ? parent : "", checked);
	close(run->private.parent);
	return error;
}

static bool is_among(const struct place *places, unsigned count, const char *path)
{
	while (count--) {
		if (!strcmp(places[count].path, path))
			return true;
	}
	return false;
}

static unsigned list_places(struct place *places)
{
	unsigned count = 0;

	for (unsigned i = 0; count < MAX_PLACES && tmpdir_candidate(i, places[count].path, PATH_MAX); i++) {
		if (*places[count].path && !is_among(places, count, places[count].path))
			count++;
	}
	return count;
}

static const char *reason(int error)
{
	switch (error) {
	case -ENOEXEC:
		return "mounted noexec";
	case TMPDIR_UNSAFE:
		return "not safe from other users";
	default:
		return strerror(-error);
	}
}

static _Noreturn void give_up(const struct place *places, unsigned count, struct squashfs *fs)
{
	enum { MEGABYTE = 1000 * 1000 };
	char text[1600] = "";
	size_t length = 0;

	for (unsigned i = 0; i < count && length < sizeof(text); i++) {
		length += (size_t)snprintf(text + length, sizeof(text) - length, "%s%.150s (%s)", i ? ", " : "", places[i].path,
		                           reason(places[i].error));
	}
	die("cannot unpack the image to any of %s; set TMPDIR to a directory with %llu MB of room where programs may be run",
	    text, (unsigned long long)extract_size(fs, 4096) / MEGABYTE + 1);
}

static bool find_place(struct extracted_run *run, struct squashfs *fs, struct place *places, unsigned count)
{
	/* Last without a look at the room, which is a rough one: a file system that compresses takes more. */
	for (unsigned i = 0; i < 2 * count; i++) {
		struct place *place = &places[i % count];
		bool checked = i < count;
		if (!checked && place->error != TOO_SMALL)
			continue;
		place->error = try_place(run, fs, place->path, checked);
		if (!place->error)
			return true;
		if (extract_is_final(place->error))
			die("cannot unpack %s to %s: %s", run->failed, place->path, extract_explain(place->error));
	}
	return false;
}

void extracted_run_make(struct extracted_run *run, struct squashfs *fs, bool announced)
{
	static struct place places[MAX_PLACES];
	*run = (struct extracted_run){.private.lock = -1, .announced = announced};
	int error = name_directory(run, fs);
	if (error)
		die("cannot read the image: %s", strerror(-error));
	run->guard = guard_start();
	if (run->guard < 0)
		die("cannot start the process that removes the unpacked files: %s", strerror(-run->guard));
	mode_t mask = umask(022);
	unsigned count = list_places(places);
	if (!find_place(run, fs, places, count))
		give_up(places, count, fs);
	umask(mask);
}
