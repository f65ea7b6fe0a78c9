/* SPDX-License-Identifier: MIT */
/* Writes an image's files to disk, with all processors. */
#ifndef EXTRACT_H
#define EXTRACT_H

#include <limits.h>
#include <stdbool.h>

#include "squashfs.h"

struct extraction {
	struct squashfs *fs;
	int root;                  /* the folder that receives the files */
	const char *pattern;       /* fnmatch(3) on paths in the image, leading parts count; NULL: everything */
	const char *announced;     /* NULL, or print each path to stdout, behind this */
	const char *slow;          /* NULL, or a line for stderr when it takes long */
	char failed[PATH_MAX];     /* where the error came from */
};

/*
 * What stands in the way is replaced, and no link is followed.  Devices and the like are left out.
 * Returns a negative errno value on failure; -EIO: the image is damaged.
 */
int extract(struct extraction *extraction);

#endif
