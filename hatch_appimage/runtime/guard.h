/* SPDX-License-Identifier: MIT */
/*
 * The process that removes an unpacked image when nobody uses it any more.
 *
 * It is started before anything is made, and told what is made before that happens, so that no end of the caller leaves
 * anything behind.  It is neither the caller's child to wait for nor in its process group or session.  The caller may
 * become the application: the lock on the directory, which both hold, lives on here.
 */
#ifndef GUARD_H
#define GUARD_H

#include "private.h"

/* Starts it for the calling process.  Returns a socket, closed when another program is executed, or an error. */
int guard_start(void);
/* Tells the path of the directory that will be made next; what was told before has been removed. */
int guard_announce(int guard, const char *path);
/* Hands it over as it is open now, whether it is locked already or not. */
int guard_hand_over(int guard, const struct private *private);

#endif
