/* SPDX-License-Identifier: MIT */
#include "tidy.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <time.h>
#include <unistd.h>

#include "lasting_name.h"
#include "mount.h"
#include "tmpdir.h"

#define NAME ".mount_"

/* Only these are told from the names that other runtimes choose: six characters of the image, and eight letters. */
static bool is_our_name(const char *name)
{
	enum { IMAGE = 6, RANDOM = 8 };
	size_t length = strlen(name);

	return !strncmp(name, NAME, strlen(NAME)) && length == strlen(NAME) + IMAGE + RANDOM;
}

static const char *claimed_in_vain;

/*
 * Asked last: who has claimed the name since it looked forgotten is using it.  Where nothing can be claimed, no start uses
 * the name of another one.
 */
static bool may_remove(const char *name, int *claim)
{
	*claim = lasting_name_claim(name);
	return *claim != -EADDRINUSE || !strcmp(name, claimed_in_vain);
}

static bool open_parent(struct mount_point *point, const char *parent, const char *name)
{
	point->parent = open(parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return point->parent >= 0 &&
	       snprintf(point->name, sizeof(point->name), "%s", name) < (int)sizeof(point->name);
}

static void remove_mount(const char *parent, const char *name)
{
	struct mount_point point = {.directory = -1};

	if (open_parent(&point, parent, name) && !unmount(&point, true))
		mount_point_remove(&point);
	if (point.parent >= 0)
		close(point.parent);
}

static void remove_dead_mount(char *path)
{
	struct statfs status;
	int claim;
	char *slash = strrchr(path, '/');

	/* The server is asked, whatever the kernel remembers. */
	if (!slash || strncmp(slash + 1, NAME, strlen(NAME)) || !statfs(path, &status) || errno != ENOTCONN)
		return;
	*slash = 0;
	if (may_remove(slash + 1, &claim))
		remove_mount(*path ? path : "/", slash + 1);
	if (claim >= 0)
		close(claim);
}

/* proc(5), mountinfo: blanks, tabs, line feeds and backslashes are three octal digits. */
static void decode(char *path)
{
	char *to = path;

	for (const char *from = path; *from; from++) {
		unsigned code = (unsigned char)*from;
		if (code == '\\' && from[1] && from[2] && from[3]) {
			code = (unsigned)(from[1] - '0') << 6 | (unsigned)(from[2] - '0') << 3 | (unsigned)(from[3] - '0');
			from += 3;
		}
		*to++ = (char)code;
	}
	*to = 0;
}

/* The path of a mount that this user has made with this runtime, in a line of the list; or NULL. */
static char *own_mount(char *line)
{
	char user[32];
	char *path = line, *type = strstr(line, " - fuse.appimage appimage ");

	snprintf(user, sizeof(user), ",user_id=%u,", (unsigned)geteuid());
	if (!type || !strstr(type, user))
		return NULL;
	for (int field = 0; field < 4 && path; field++) {
		path = strchr(path, ' ');
		path += path != NULL;
	}
	if (!path)
		return NULL;
	path[strcspn(path, " ")] = 0;
	decode(path);
	return path;
}

static void remove_dead_mounts(void)
{
	FILE *mounts = fopen("/proc/self/mountinfo", "re");
	char *line = NULL, *path;
	size_t room = 0;

	while (mounts && getline(&line, &room, mounts) > 0) {
		if ((path = own_mount(line)))
			remove_dead_mount(path);
	}
	free(line);
	if (mounts)
		fclose(mounts);
}

/* Its mount may be elsewhere, see mount_point.h; and a start that has just made it may be about to lock it. */
static bool is_forgotten(int directory)
{
	enum { LONG_AGO_S = 60 };
	struct stat status;

	return !fstat(directory, &status) && status.st_uid == geteuid() && time(NULL) - status.st_mtime > LONG_AGO_S &&
	       !flock(directory, LOCK_EX | LOCK_NB);
}

static void remove_forgotten(int parent, const char *name)
{
	struct stat status;

	/* What is mounted has another owner for others than root, and is not opened: it may be anybody's. */
	if (fstatat(parent, name, &status, AT_SYMLINK_NOFOLLOW) || !S_ISDIR(status.st_mode) ||
	    (status.st_mode & MODE_BITS & ~(mode_t)S_ISGID) != 0700)
		return;
	int directory = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (directory < 0)
		return;
	int claim = -1;
	if (is_forgotten(directory) && may_remove(name, &claim))
		unlinkat(parent, name, AT_REMOVEDIR); /* fails where something is in it or mounted on it */
	if (claim >= 0)
		close(claim);
	close(directory);
}

static void remove_forgotten_in(const char *path)
{
	DIR *listing = opendir(path);
	struct dirent *entry;

	while (listing && (entry = readdir(listing))) {
		if (is_our_name(entry->d_name))
			remove_forgotten(dirfd(listing), entry->d_name);
	}
	if (listing)
		closedir(listing);
}

/* Whatever the process has blocked and ignored. */
static void end_after(unsigned seconds)
{
	sigset_t alarm_only;

	sigemptyset(&alarm_only);
	sigaddset(&alarm_only, SIGALRM);
	signal(SIGALRM, SIG_DFL);
	sigprocmask(SIG_UNBLOCK, &alarm_only, NULL);
	alarm(seconds);
}

_Noreturn void tidy_and_exit(const char *claimed)
{
	enum { TIDYING_S = 10 };
	char path[MOUNT_POINT_ROOM];

	claimed_in_vain = claimed;
	end_after(TIDYING_S);
	remove_dead_mounts();
	for (unsigned i = 0; tmpdir_candidate(i, path, sizeof(path)); i++) {
		if (*path)
			remove_forgotten_in(path);
	}
	_exit(0);
}
