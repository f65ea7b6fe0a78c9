/* SPDX-License-Identifier: MIT */
#ifndef TIDY_H
#define TIDY_H

/*
 * Removes what this user's earlier starts have left whose processes were killed all at once, as the end of a container
 * does: mounts that nobody serves, and mount points that nobody uses.  It waits for nothing but a server that has been
 * stopped: call it in a process of its own.
 */
void tidy(void);

#endif
