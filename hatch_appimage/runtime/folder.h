/* SPDX-License-Identifier: MIT */
/* Where mount points and extracted images are put. */
#ifndef FOLDER_H
#define FOLDER_H

#include <stdbool.h>
#include <stddef.h>

/*
 * The folders for temporary things, best first; an empty path is one that this user does not have.
 * False when there are no more.
 */
bool folder_candidate(unsigned number, char *path, size_t room);
/* Makes a folder of our own, mode 0700, under a name that begins so and ends in what nobody can foresee. */
int folder_make(char *path, size_t room, const char *parent, const char *prefix);
/* These follow no link; what cannot be removed is left. */
void folder_empty(int folder);
void folder_remove(int parent, const char *name);

#endif
