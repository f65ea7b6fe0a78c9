/* SPDX-License-Identifier: MIT */
#ifndef MACHINE_H
#define MACHINE_H

#include <limits.h>
#include <stdbool.h>

#include "glibc.h"

/* The C library of the machine, read from its files and never run. */
struct machine {
	/* The real path of its loader; empty if there is none. */
	char loader[PATH_MAX];
	/* Why there is none. */
	int error;
	bool musl;
	/* Unknown if there is none, or it cannot be told. */
	struct version glibc;
};

/* `loader` is where programs expect it; `wanted` as in glibc_version(). */
void machine_read(struct machine *machine, const char *loader, struct version wanted);
/* Whether programs that name this loader are for musl. */
bool is_musl_loader(const char *loader);
/* Whether it has a C library for such programs at all. */
bool machine_has_glibc(const struct machine *machine);
/* What it has instead of the C library that is needed. */
const char *machine_text(const struct machine *machine, const char *loader);
/* Where it has a library for glibc: beside that, or where the cache of its loader says; NULL for nowhere. */
char *machine_library(const struct machine *machine, const char *name);
/* Of its libstdc++, as libstdcxx_version(); unknown if it has none. */
struct version machine_libstdcxx(const struct machine *machine);

#endif
