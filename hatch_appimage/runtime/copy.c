/* SPDX-License-Identifier: MIT */
#include "copy.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "elf_file.h"
#include "extract.h"
#include "folder.h"
#include "message.h"
#include "process.h"

#define ROOT "squashfs-root"

static uint64_t mix(uint64_t hash, const void *data, size_t size)
{
	/* FNV-1a */
	for (const uint8_t *at = data; size--; at++)
		hash = (hash ^ *at) * 0x100000001b3;
	return hash;
}

/*
 * Identifies the image without reading it.  The digest that the packer wrote says it all; the superblock holds times
 * and sizes, and which file it is tells apart those whose packer wrote no digest.
 */
static uint64_t content_key(const struct squashfs *fs)
{
	uint8_t digest[16] = {0};
	static const uint8_t none[sizeof(digest)];
	struct stat status = {0};
	uint64_t hash = mix(0xcbf29ce484222325, &fs->super, sizeof(fs->super));

	fstat(fs->file, &status);
	hash = mix(hash, &status.st_size, sizeof(status.st_size));
	elf_section(fs->file, ".digest_md5", digest, sizeof(digest));
	if (memcmp(digest, none, sizeof(digest)))
		return mix(hash, digest, sizeof(digest));
	hash = mix(hash, &status.st_dev, sizeof(status.st_dev));
	hash = mix(hash, &status.st_ino, sizeof(status.st_ino));
	return mix(hash, &status.st_mtim, sizeof(status.st_mtim));
}

/* The descriptor of a folder that is ours alone and can hold programs, or -1. */
static int open_private(const char *path)
{
	struct stat status;
	struct statvfs system;
	int folder = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (folder < 0)
		return -1;
	if (!fstat(folder, &status) && status.st_uid == geteuid() && !(status.st_mode & 077) &&
	    !fstatvfs(folder, &system) && !(system.f_flag & ST_NOEXEC))
		return folder;
	close(folder);
	return -1;
}

static bool has_root(int folder)
{
	return !faccessat(folder, ROOT, F_OK, AT_SYMLINK_NOFOLLOW);
}

/* Another run may have removed the folder between its opening and its locking. */
static bool still_there(const struct copy *copy)
{
	struct stat held, named;

	return !fstat(copy->lock, &held) && !lstat(copy->folder, &named) && held.st_dev == named.st_dev &&
	       held.st_ino == named.st_ino;
}

/*
 * ext4 puts files near their folder, and takes long to pass over inodes that were freed a moment ago: those of the run
 * before.  Below a folder with this mark, it chooses a new place for every new name.
 */
static void spread_folders(int folder)
{
	int flags;

	if (!ioctl(folder, FS_IOC_GETFLAGS, &flags)) {
		flags |= FS_TOPDIR_FL;
		ioctl(folder, FS_IOC_SETFLAGS, &flags);
	}
}

static void fill(struct copy *copy, struct squashfs *fs)
{
	static struct extraction extraction;
	char note[PATH_MAX + 128], unfinished[PATH_MAX];

	snprintf(note, sizeof(note), "AppImage: nothing is mounted, so the files are unpacked to %s", copy->folder);
	extraction = (struct extraction){.fs = fs, .slow = note};
	folder_empty(copy->lock); /* of what a run has left that was killed */
	spread_folders(copy->lock);
	int error = folder_make(unfinished, sizeof(unfinished), copy->folder, "");
	if (!error && (extraction.root = open(unfinished, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		error = -errno;
	if (error)
		fail("cannot write to %s: %s", copy->folder, strerror(-error));
	error = extract(&extraction);
	close(extraction.root);
	if (!error && !renameat(AT_FDCWD, unfinished, copy->lock, ROOT))
		return;
	error = error ? error : -errno;
	folder_empty(copy->lock);
	rmdir(copy->folder);
	fail("cannot unpack %s to %s: %s", extraction.failed, copy->folder, explain(error));
}

/* Holds a shared lock on a folder with the files in it; false when the folder cannot be had. */
static bool take(struct copy *copy, struct squashfs *fs)
{
	for (;;) {
		bool made = !mkdir(copy->folder, 0700);
		if (!made && errno != EEXIST)
			return false;
		copy->lock = open_private(copy->folder);
		if (copy->lock < 0) {
			if (made)
				rmdir(copy->folder); /* on a noexec file system */
			return false;
		}
		flock(copy->lock, LOCK_SH);
		if (still_there(copy) && has_root(copy->lock))
			return true;
		/* Who has the exclusive lock fills it; the others come here again and find the files. */
		flock(copy->lock, LOCK_EX);
		if (still_there(copy) && !has_root(copy->lock))
			fill(copy, fs);
		close(copy->lock);
	}
}

static bool take_in(struct copy *copy, struct squashfs *fs, const char *parent, uint64_t key)
{
	char prefix[64];

	snprintf(prefix, sizeof(prefix), ".appimage-%u-%016llx", (unsigned)geteuid(), (unsigned long long)key);
	if (snprintf(copy->folder, sizeof(copy->folder), "%s/%s", parent, prefix) < (int)sizeof(copy->folder) &&
	    take(copy, fs))
		return true;
	/* Somebody else may have been there first. */
	return access(copy->folder, F_OK) == 0 && !folder_make(copy->folder, sizeof(copy->folder), parent, ".appimage-") &&
	       take(copy, fs);
}

void copy_make(struct copy *copy, struct squashfs *fs)
{
	uint64_t key = content_key(fs);
	char parent[PATH_MAX];

	for (unsigned i = 0; folder_candidate(i, parent, sizeof(parent)); i++) {
		if (*parent && take_in(copy, fs, parent, key) &&
		    snprintf(copy->root, sizeof(copy->root), "%s/" ROOT, copy->folder) < (int)sizeof(copy->root))
			return;
	}
	fail("there is no folder to unpack the image to: none of $TMPDIR, /tmp, $XDG_RUNTIME_DIR, $XDG_CACHE_HOME, "
	     "~/.cache, /var/tmp and /dev/shm can be written to and executed from");
}

/* A program that uses the files when no other run does; 0: the files are removed, or left to the other runs. */
static pid_t last_user(const struct copy *copy)
{
	/* Fails while another run holds its lock, and gives up ours. */
	if (flock(copy->lock, LOCK_EX | LOCK_NB) || !still_there(copy))
		return 0;
	pid_t user = process_using(copy->root);
	if (user) {
		flock(copy->lock, LOCK_SH);
		return user;
	}
	folder_empty(copy->lock);
	rmdir(copy->folder);
	return 0;
}

void copy_leave(const struct copy *copy)
{
	last_user(copy);
}

/* Removes the files after a run that was killed, or whose application has left a program behind. */
void copy_guard(const struct copy *copy)
{
	int run = process_open(getpid());
	pid_t user, between = run < 0 ? -1 : fork();

	if (between == 0) {
		if (fork())
			_exit(0);
		process_detach((int[]){copy->lock, run}, 2);
		setsid();
		process_wait(run, -1, -1);
		while ((user = last_user(copy))) {
			int process = process_open(user);
			process_wait(process, -1, process < 0 ? 1000 : -1);
			close(process);
		}
		_exit(0);
	}
	if (between > 0)
		waitpid(between, NULL, 0);
	close(run);
}

static _Noreturn void start(const char *program, char **arguments, const sigset_t *mask, pid_t parent)
{
	/* Killing this run's process kills the application, as it does when the image is mounted. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(EXIT_CANNOT_RUN);
	sigprocmask(SIG_SETMASK, mask, NULL);
	execv(program, arguments);
	fail("cannot run %s: %s", program, strerror(errno));
}

/* Hands signals on until the child has ended; returns its status. */
static int wait_for(pid_t child, const sigset_t *signals)
{
	for (;;) {
		siginfo_t signal;
		int status;
		int number = sigwaitinfo(signals, &signal);
		if (number == SIGCHLD && waitpid(child, &status, WNOHANG) == child)
			return status;
		/* What the terminal sends, it sends to the child as well. */
		if (number > 0 && number != SIGCHLD && signal.si_code <= 0)
			kill(child, number);
	}
}

static _Noreturn void end_like(int status)
{
	if (WIFSIGNALED(status)) {
		int number = WTERMSIG(status);
		sigset_t set;
		setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0}); /* the child has written one */
		signal(number, SIG_DFL);
		sigemptyset(&set);
		sigaddset(&set, number);
		raise(number);
		sigprocmask(SIG_UNBLOCK, &set, NULL);
	}
	_exit(WEXITSTATUS(status));
}

void copy_run(const struct copy *copy, const char *program, char **arguments, bool stays)
{
	/* Job control stops and resumes both processes as it is. */
	static const int left_alone[] = {SIGTSTP, SIGTTIN, SIGTTOU, SIGCONT};
	sigset_t signals, before;
	pid_t parent = getpid();

	sigfillset(&signals);
	for (size_t i = 0; i < sizeof(left_alone) / sizeof(*left_alone); i++)
		sigdelset(&signals, left_alone[i]);
	sigprocmask(SIG_BLOCK, &signals, &before);
	if (!stays)
		copy_guard(copy);
	pid_t child = fork();
	if (child < 0) {
		int error = errno;
		if (!stays)
			copy_leave(copy);
		fail("cannot start a process: %s", strerror(error));
	}
	if (child == 0)
		start(program, arguments, &before, parent);
	int status = wait_for(child, &signals);
	if (!stays)
		copy_leave(copy);
	end_like(status);
}
