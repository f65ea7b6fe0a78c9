/* SPDX-License-Identifier: MIT */
/* Where mount points and unpacked images are put. */
#ifndef TMPDIR_H
#define TMPDIR_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

/* All that chmod() can set. */
enum { MODE_BITS = S_ISUID | S_ISGID | S_ISVTX | S_IRWXU | S_IRWXG | S_IRWXO };

/*
 * The directories for temporary things, best first; an empty path is one that this user does not have.
 * False when there are no more.
 */
bool tmpdir_candidate(unsigned number, char *path, size_t room);
/*
 * 0 where no other user but root can put something else in the place of a directory, or of what is in it; else
 * TMPDIR_UNSAFE, or a negative errno value.
 */
int tmpdir_check(int directory);
enum { TMPDIR_UNSAFE = -4096 }; /* no errno value */

/*
 * Opens one of them and resolves the links in its path, so that nobody can lead it elsewhere later.  Returns the
 * descriptor, a negative errno value, or TMPDIR_UNSAFE.
 */
int tmpdir_open(const char *candidate, char path[PATH_MAX]);
enum { TMPDIR_SUFFIX_ROOM = 9 };
/* Eight characters, each for five bits; the uppermost are left out. */
void tmpdir_spell(uint64_t number, char suffix[TMPDIR_SUFFIX_ROOM]);
/* Eight that nobody can foresee. */
int tmpdir_suffix(char suffix[TMPDIR_SUFFIX_ROOM]);
/* Makes a directory of our own, mode 0700, under a name that begins so and ends in what nobody can foresee. */
int tmpdir_make(char *path, size_t room, const char *parent, const char *prefix);
/* Removes what is in a directory, follows no link, and leaves what cannot be removed.  Needs three free descriptors. */
void tmpdir_empty(int directory);

#endif
