/* SPDX-License-Identifier: MIT */
#include "mount_point.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tmpdir.h"

static int open_locked(const struct mount_point *point)
{
	int directory = openat(point->parent, point->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (directory < 0)
		return -errno;
	if (!flock(directory, LOCK_SH | LOCK_NB))
		return directory;
	int error = -errno;
	close(directory);
	return error;
}

static int make_directory(char made[MOUNT_POINT_NAME_ROOM], const char *name, const char *prefix)
{
	char relative[MOUNT_POINT_NAME_ROOM + 2];

	if (*name && !mkdir(name, 0700)) {
		snprintf(made, MOUNT_POINT_NAME_ROOM, "%s", name);
		return 0;
	}
	int error = tmpdir_make(relative, sizeof(relative), ".", prefix);
	if (!error)
		snprintf(made, MOUNT_POINT_NAME_ROOM, "%s", relative + strlen("./"));
	return error;
}

/* In the working directory, which is the parent. */
static int make_here(struct mount_point *point, const char *name, const char *prefix)
{
	size_t length;

	if (!getcwd(point->path, sizeof(point->path)) || point->path[0] != '/')
		return -ENAMETOOLONG;
	int error = make_directory(point->name, name, prefix);
	if (error)
		return error;
	length = strlen(point->path);
	point->directory = -ENAMETOOLONG;
	if (snprintf(point->path + length, sizeof(point->path) - length, "/%s", point->name) <
	    (int)(sizeof(point->path) - length))
		point->directory = open_locked(point);
	if (point->directory < 0)
		mount_point_remove(point);
	return point->directory < 0 ? point->directory : 0;
}

static int make_in(struct mount_point *point, const char *parent, const char *name, const char *prefix)
{
	int error = 0;

	point->parent = open(parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (point->parent < 0)
		return -errno;
	if (tmpdir_check(point->parent))
		error = -EPERM;
	else if (fchdir(point->parent))
		error = -errno;
	if (!error)
		error = make_here(point, name, prefix);
	if (error)
		close(point->parent);
	return error;
}

int mount_point_make(struct mount_point *point, unsigned *next, const char *name, const char *prefix)
{
	char parent[MOUNT_POINT_ROOM];

	while (tmpdir_candidate((*next)++, parent, sizeof(parent))) {
		if (*parent && !make_in(point, parent, name, prefix))
			return 0;
	}
	return -ENOENT;
}

bool mount_point_is_removed(const struct mount_point *point)
{
	char entries[512];

	/* It cannot be listed then.  Not all file systems count links, which would say so, too. */
	return syscall(SYS_getdents64, point->directory, entries, sizeof(entries)) < 0 && errno == ENOENT;
}

int mount_point_remove(const struct mount_point *point)
{
	if (mount_point_is_removed(point))
		return 0;
	return unlinkat(point->parent, point->name, AT_REMOVEDIR) && errno != ENOENT ? -errno : 0;
}

void mount_point_close(const struct mount_point *point)
{
	close(point->directory);
	close(point->parent);
}
