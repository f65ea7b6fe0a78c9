/* SPDX-License-Identifier: MIT */
/* Writes an image's files to disk, with all processors. */
#ifndef EXTRACT_H
#define EXTRACT_H

#include <limits.h>
#include <stdbool.h>

#include "squashfs.h"

struct extraction {
	struct squashfs *fs;
	int root;                  /* the directory that receives the files */
	const char *pattern;       /* fnmatch(3) on paths in the image, leading parts count; NULL: everything */
	const char *announced;     /* NULL, or print each path to stdout, behind this */
	bool read_only;            /* nobody may write to what is made; not together with a pattern */
	char failed[PATH_MAX];     /* where the error came from */
};

/*
 * What stands in the way is replaced, and no link is followed.  Devices and the like are left out.
 * Returns a negative errno value on failure; -EBADMSG: the image is damaged.
 */
int extract(struct extraction *extraction);
/* Such an error in words. */
const char *extract_explain(int error);
/* Whether it would be the same in any other directory. */
bool extract_is_final(int error);
/* About how many bytes the files take where each is rounded up to a multiple of `unit`. */
uint64_t extract_size(struct squashfs *fs, uint64_t unit);

#endif
