/* SPDX-License-Identifier: MIT */
/*
 * Names of mount points that are the same at each start: what an application keeps by the paths of its own files, such
 * as the code that it has compiled, is found again.
 *
 * A name is made of the user, the image as it is now, and a number, as an image may run several times at once.  All files
 * in images have the same time, so another version must not have the paths of this one.
 *
 * Who uses a name has claimed it: a socket is bound to it in the abstract namespace, unix(7), and whoever has that open
 * has the claim.  Without it a process that unmounts or removes by name, as it does after another one has done so, could
 * meet the next start there.
 */
#ifndef LASTING_NAME_H
#define LASTING_NAME_H

#include <stddef.h>
#include <stdint.h>

/*
 * Claims the first of an image's names that is free; the image begins in `file` at `offset`.  Returns the descriptor to
 * keep; or a negative errno value when all are taken or nothing can be claimed, and then the name is empty.
 */
int lasting_name_choose(char *name, size_t room, const char *prefix, int file, uint64_t offset);
/* The same for one name: -EADDRINUSE when it is taken. */
int lasting_name_claim(const char *name);

#endif
