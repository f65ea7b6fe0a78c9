/* SPDX-License-Identifier: MIT */
/*
 * The processes behind a mount.
 *
 * The one that was started becomes the application and keeps nothing of ours open.  Two more are left: the server
 * answers the kernel's requests, and the keeper unmounts when the last user is gone.  They are apart because a process
 * that waits on its own file system cannot be killed cleanly: whoever unmounts or looks into the mount must not be the
 * one that holds the device.  When the server is killed, the kernel fails every request and the keeper removes the dead
 * mount; when the keeper is killed, the server does its work.
 *
 * Used is the mount as long as the application's first process lives, as any process has been started with this APPDIR
 * in its environment, or as the kernel calls it busy (open or mapped files, working folders).  SIGTERM, SIGINT and
 * SIGHUP do not end the two: at a shutdown everyone gets them at once, and applications read files until they end.
 */
#ifndef DAEMON_H
#define DAEMON_H

#include <stdint.h>

#include "mount.h"

struct daemon {
	int channel;
};

/* Starts the processes, which make ready while the caller mounts.  They read the image at `offset` of the file. */
int daemon_start(struct daemon *daemon, int file, uint64_t offset);
/* Gives them the mount, which lives as long as this process from now on; fails when they have ended. */
int daemon_hand_over(const struct daemon *daemon, const struct mount *mount);
/* Ends them: there is no mount. */
void daemon_dismiss(const struct daemon *daemon);

#endif
