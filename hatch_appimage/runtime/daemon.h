/* SPDX-License-Identifier: MIT */
/*
 * The processes behind a mount.
 *
 * The one that was started becomes the application and keeps nothing of ours open.  Two more are left: the unmounter
 * mounts, and unmounts when the last user is gone; the server answers the kernel's requests.  They are apart because a
 * process that waits on its own file system cannot be killed cleanly: whoever unmounts or looks into the mount must not
 * be the one that holds the device.  The unmounter mounts, and not the first process, because a seccomp filter may kill
 * whoever does, and because the mount point must be known to one that will remove it before there is a mount, whatever
 * becomes of the others.  When the server is killed, the kernel fails every request and the unmounter removes the dead
 * mount; when the unmounter is killed, the server does its work.
 *
 * The mount is in use while the application's first process lives, while any process has this APPDIR in the environment
 * that it was started with, or while the kernel calls it busy (open or mapped files, working directories).  SIGTERM,
 * SIGINT and SIGHUP do not end the two: at a shutdown everyone gets them at once, and applications read files until they
 * end.
 */
#ifndef DAEMON_H
#define DAEMON_H

#include <stdbool.h>
#include <stdint.h>

#include "mount_point.h"

struct daemon {
	int channel;
};

struct daemon_task {
	int file;          /* the image: */
	uint64_t offset;   /* in there */
	const char *prefix; /* of the mount point's name */
	/*
	 * Whether the caller may be moved into a user namespace when there is no other way.  Programs that it starts there
	 * see the files of all other users as nobody's.
	 */
	bool in_namespace;
};

/* Starts the processes, which mount for as long as this process lives. */
int daemon_start(struct daemon *daemon, const struct daemon_task *task);
/* Returns 0 when the image is mounted and served, with the mount point; else nothing is left of the attempt. */
int daemon_wait(const struct daemon *daemon, char path[MOUNT_POINT_ROOM]);

#endif
