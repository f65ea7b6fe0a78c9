/* SPDX-License-Identifier: MIT */
/*
 * The directory on which an image is mounted.
 *
 * It is reached through descriptors, so that nobody leads us elsewhere by putting another directory or a link in its
 * place, and so that it is found when a directory above it has been renamed.  As long as it is open it is locked
 * (flock, shared): where the mount cannot be seen, in another mount namespace, it looks empty and forgotten, and what
 * tidies temporary files, such as systemd-tmpfiles, leaves alone what is locked.  To remove it would take the mount away.
 */
#ifndef MOUNT_POINT_H
#define MOUNT_POINT_H

#include <stdbool.h>

/* Leaves room for the paths of files below it. */
enum { MOUNT_POINT_ROOM = 1024, MOUNT_POINT_NAME_ROOM = 32 };

struct mount_point {
	char path[MOUNT_POINT_ROOM]; /* without links in it */
	char name[MOUNT_POINT_NAME_ROOM];
	int parent;    /* where it has that name */
	int directory; /* itself, below the mount; or -1 */
};

/*
 * Makes one in the first place of tmpdir_candidate()'s, from `*next` on, where that is possible and where nobody else
 * can rename it; `*next` becomes the place after that.  It is called `name`, unless that is empty or something is there,
 * or else by `prefix` and what nobody can foresee.  Its parent becomes the working directory.  Returns -ENOENT when there
 * are no more places.
 */
int mount_point_make(struct mount_point *point, unsigned *next, const char *name, const char *prefix);
/* Whether it is there no more: what has its name then is another start's. */
bool mount_point_is_removed(const struct mount_point *point);
/* Fails with -EBUSY while something is mounted on it. */
int mount_point_remove(const struct mount_point *point);
void mount_point_close(const struct mount_point *point);

#endif
