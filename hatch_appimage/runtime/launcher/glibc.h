/* SPDX-License-Identifier: MIT */
#ifndef GLIBC_H
#define GLIBC_H

#include <stdbool.h>

/* Of glibc; both are zero for an unknown one. */
struct version {
	unsigned major, minor;
};

/* Reads a version such as 2.36 or 2.2.5, of which the first two numbers count, up to the end of the text. */
bool version_parse(struct version *version, const char *text);
bool version_before(struct version one, struct version other);
char *version_text(struct version version);
/*
 * The version of a C library, from its file: the newest that it defines (Linux Standard Base, "Symbol Versioning"). Not every release adds symbols, so where
 * that one is older than `wanted`, it is what the library says of itself. It is unknown if this is no glibc.
 */
struct version glibc_version(int file, struct version wanted);
/* The same for the C library that lies beside a loader, whose real path this is. */
struct version glibc_beside(const char *loader, struct version wanted);
/* Whether a file is a library, or program, of as many bits as this one. */
bool is_elf(const char *path);
/* Of a C++ library, by its definitions: the numbers behind GLIBCXX_3, as 4.30 of 3.4.30. */
struct version libstdcxx_version(const char *path);

#endif
