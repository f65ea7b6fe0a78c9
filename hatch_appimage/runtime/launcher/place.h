/* SPDX-License-Identifier: MIT */
#ifndef PLACE_H
#define PLACE_H

#include <limits.h>
#include <stdbool.h>

/* Where the launcher lies. */
struct place {
	/* The path that was started, perhaps a link and perhaps relative; "" if the kernel does not say. */
	const char *called;
	/* Of the settings: an absolute path without a slash at its end, so that the root is "". */
	char directory[PATH_MAX];
	/* The settings, opened. */
	int file;
	/* There is a /proc that knows of this process. */
	bool has_proc;
};

/* Finds the settings, or ends with a message. */
void place_find(struct place *place, const char *called);

#endif
