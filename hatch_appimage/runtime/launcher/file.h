/* SPDX-License-Identifier: MIT */
#ifndef FILE_H
#define FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* In bytes; no text of ours comes near it. */
enum { MAX_TEXT = 1 << 20 };

/* All of a file, with a zero behind it; NULL with errno if it cannot be read, or has more bytes than `max`. */
char *read_file(int file, size_t max, size_t *size);
/* Whether the file has this much at an offset. */
bool read_at(int file, void *to, size_t size, uint64_t offset);
/* A path up to its last slash, which has to be there. */
char *directory_of(const char *path);
/* Whether two paths lead to the same file or directory. */
bool is_same_file(const char *one, const char *other);

/* Whether a file is one that the kernel starts another program for. */
bool is_script(const char *path);

#endif
