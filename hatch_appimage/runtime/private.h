/* SPDX-License-Identifier: MIT */
/*
 * The directory around an unpacked image: the user's own, locked by who uses the files, removed by the last of them.
 *
 * The files are whole when they stand under their last name.  They get it by a rename when all are written, and lose it
 * by another before the first is removed, so that who is killed in between leaves nothing that could be taken for them.
 */
#ifndef PRIVATE_H
#define PRIVATE_H

#include <limits.h>
#include <stdbool.h>

struct private {
	int parent; /* descriptor of the directory that it is in, or -1 */
	int lock;   /* its own descriptor, or -1 */
	char name[NAME_MAX + 1];
};

/*
 * The last name of the files.  It differs from one start of the machine to the next: what a power failure has left may
 * have lost its content.
 */
const char *private_root(void);
/* Makes it unless it is there, and opens it.  -EEXIST: what is there is not ours alone; -ENOEXEC: it cannot hold programs. */
int private_make(struct private *private, bool *made);
/* Opens it where it is there. */
int private_open(struct private *private);
/* Another run may have removed it between its opening and its locking. */
bool private_is_named(const struct private *private);
/* Whether all files are there. */
bool private_is_whole(const struct private *private);
/* Removes it and the files; the caller has it locked for itself. */
void private_remove(const struct private *private);
/* Closes it, which gives up the lock unless another process has the same descriptor. */
void private_close(struct private *private);

#endif
