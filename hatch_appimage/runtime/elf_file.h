/* SPDX-License-Identifier: MIT */
/* The ELF file in front of the image: where it ends, and what its sections say. */
#ifndef ELF_FILE_H
#define ELF_FILE_H

#include <stddef.h>
#include <stdint.h>

/* Where the image begins: behind the section header table, or the last section if that reaches further. */
int elf_end(int file, uint64_t *end);
/* Up to `size` bytes of a section; the number read, or -ENOENT. */
int elf_section(int file, const char *name, void *to, size_t size);

#endif
