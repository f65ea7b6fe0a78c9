/* SPDX-License-Identifier: MIT */
/* The ways to mount a FUSE file system. */
#ifndef MOUNT_H
#define MOUNT_H

#include <stdbool.h>

#include "mount_point.h"

struct mount {
	struct mount_point point;
	int device; /* what /dev/fuse gave: the kernel's requests come out of it */
	/* A user and a mount namespace, when the mount is in one of its own that ends with the last process in it; or -1. */
	int user_namespace;
	int mount_namespace;
};

/*
 * Looks for the setuid program that libfuse brings, as the environment says: call it before the working directory
 * changes.
 */
void mount_find_fusermount(void);

/*
 * Both mount on a directory, in a process of ours that may be killed for it: a seccomp filter may do so.  They return
 * negative errno values, and then nothing is mounted unless `application`, a descriptor from process_open(), has ended.
 */

/* With mount(2), for root, or with fusermount. */
int mount_visibly(struct mount *mount, int application);
/* In namespaces that a process of ours makes, for whoever enters them. */
int mount_in_namespace(struct mount *mount, int application);
/* In the process that is to see the files: it has one thread only. */
int mount_enter_namespace(int user_namespace, int mount_namespace);

/* Unless `lazily`, it fails while the mount is in use: with -EBUSY, or with another error when it was fusermount. */
int unmount(const struct mount_point *point, bool lazily);
/*
 * For when the user may have no more processes: the calling one becomes fusermount, which unmounts lazily.  Returns when
 * that cannot be.
 */
void unmount_instead(const struct mount_point *point);

#endif
