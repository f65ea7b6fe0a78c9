/* SPDX-License-Identifier: MIT */
/* Where mount points and unpacked images are put. */
#ifndef FOLDER_H
#define FOLDER_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

/* All that chmod() can set. */
enum { MODE_BITS = S_ISUID | S_ISGID | S_ISVTX | S_IRWXU | S_IRWXG | S_IRWXO };

/*
 * The directories for temporary things, best first; an empty path is one that this user does not have.
 * False when there are no more.
 */
bool folder_candidate(unsigned number, char *path, size_t room);
/*
 * 0 where no other user but root can put something else in the place of a directory, or of what is in it; else
 * FOLDER_UNSAFE, or a negative errno value.
 */
int folder_check(int folder);
enum { FOLDER_UNSAFE = -4096 }; /* no errno value */

/*
 * Opens one of them and resolves the links in its path, so that nobody can lead it elsewhere later.  Returns the
 * descriptor, a negative errno value, or FOLDER_UNSAFE.
 */
int folder_open(const char *candidate, char path[PATH_MAX]);
/* Eight characters that nobody can foresee. */
enum { FOLDER_SUFFIX_ROOM = 9 };
int folder_suffix(char suffix[FOLDER_SUFFIX_ROOM]);
/* Makes a directory of our own, mode 0700, under a name that begins so and ends in what nobody can foresee. */
int folder_make(char *path, size_t room, const char *parent, const char *prefix);
/* Removes what is in a directory, follows no link, and leaves what cannot be removed.  Needs three free descriptors. */
void folder_empty(int folder);

#endif
