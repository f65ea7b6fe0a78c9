/* SPDX-License-Identifier: MIT */
#ifndef TIDY_H
#define TIDY_H

/*
 * Removes what this user's earlier starts have left whose processes were killed all at once, as the end of a container
 * does: mounts that nobody serves, and mount points that nobody uses.  Looking at a mount whose server has been stopped
 * takes until that goes on, so this is the last that a process does, and ends after some seconds in any case.
 *
 * It passes over names that somebody has claimed, see lasting_name.h, but for `claimed`: the one that the caller has
 * claimed and does not use, as there was something; or "".
 */
_Noreturn void tidy_and_exit(const char *claimed);

#endif
