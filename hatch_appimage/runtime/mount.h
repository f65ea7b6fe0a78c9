/* SPDX-License-Identifier: MIT */
/* The ways to mount a FUSE file system, tried in this order. */
#ifndef MOUNT_H
#define MOUNT_H

#include <limits.h>
#include <stdbool.h>

enum mount_way {
	MOUNT_DIRECTLY,     /* mount(2), for root */
	MOUNT_FUSERMOUNT,   /* the setuid program that libfuse brings */
	MOUNT_IN_NAMESPACE, /* a user and a mount namespace, which this process enters */
};

struct mount {
	enum mount_way way;
	int device; /* what /dev/fuse gave: the kernel's requests come out of it */
	char point[PATH_MAX];
};

/*
 * Makes a mount point whose name begins with `prefix` and mounts on it.  `for_others`: processes that are not started
 * from here shall see it, so a namespace will not do.  When no way is open nothing is left behind.
 */
int mount_fuse(struct mount *mount, const char *prefix, bool for_others);
/* Not lazily, it fails while the mount is in use. */
int unmount_fuse(const struct mount *mount, bool lazily);

#endif
