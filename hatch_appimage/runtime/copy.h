/* SPDX-License-Identifier: MIT */
/*
 * A private copy of the image's files, for where nothing can be mounted.
 *
 * It stands in a folder of the user's own, named after the user and the image's content.  Runs of the same image share
 * it: each holds a shared lock on the folder, and the last one out removes it.  A folder of that name that is not ours
 * alone is left to its owner, and a name that nobody can foresee is used instead.
 */
#ifndef COPY_H
#define COPY_H

#include <limits.h>
#include <stdbool.h>

#include "squashfs.h"

struct copy {
	char folder[PATH_MAX];
	char root[PATH_MAX]; /* the image's root in it */
	int lock;
};

/* Fails with one line and the end of the process. */
void copy_make(struct copy *copy, struct squashfs *fs);
/* Has the files removed when this process has ended and nobody uses them any more. */
void copy_guard(const struct copy *copy);
/* Removes the files now, if nobody uses them any more. */
void copy_leave(const struct copy *copy);
/*
 * Runs a program from it and waits: signals are handed on.  Then the process ends as the program did, and the copy is
 * removed when nobody uses it any more, unless it `stays`.
 */
_Noreturn void copy_run(const struct copy *copy, const char *program, char **arguments, bool stays);

#endif
