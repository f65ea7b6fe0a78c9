/* SPDX-License-Identifier: MIT */
/*
 * A private copy of the image's files, for where nothing can be mounted.
 *
 * It stands in a directory of the user's own, named after the user and the image's file.  Runs of the same file share
 * it: each holds a shared lock on the directory, and the last one's guard removes it.  A directory of that name that is
 * not ours alone is left to its owner, and a name that nobody can foresee is used instead.
 */
#ifndef EXTRACTED_RUN_H
#define EXTRACTED_RUN_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>
#include <time.h>

#include "private.h"
#include "squashfs.h"

struct extracted_run {
	char root[PATH_MAX]; /* of the image's files */
	/* while it is made */
	off_t size; /* of the image, when its name was made */
	struct timespec modified;
	char name[NAME_MAX + 1]; /* that every start of the image tries first */
	char directory[PATH_MAX];
	const char *failed; /* what of the image could not be unpacked */
	struct private private;
	int guard;
	bool alone; /* there are no locks, so that no other run may share it */
	bool announced;
};

/*
 * Its guard removes it when this process has ended and nobody else uses it.  `announced`: if files are unpacked, a line
 * on stderr says so.  Fails with one line and the end of the process.
 */
void extracted_run_make(struct extracted_run *run, struct squashfs *fs, bool announced);

#endif
