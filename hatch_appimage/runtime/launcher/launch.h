/* SPDX-License-Identifier: MIT */
#ifndef LAUNCH_H
#define LAUNCH_H

#include <stdbool.h>

#include "machine.h"
#include "place.h"
#include "settings.h"

/* One start. */
struct launch {
	struct place place;
	struct settings settings;
	struct machine machine;
	/* The machine's C library does not do, so the image's is used. */
	bool stands_in;
};

void launch_read_settings(struct launch *launch);
const char *launch_get(const struct launch *launch, enum key key);
/* Whether a key that may be repeated is there with this value. */
bool launch_has(const struct launch *launch, enum key key, const char *value);
/* The absolute path of what the settings name. */
char *launch_path(const struct launch *launch, const char *name);
/*
 * Whether the machine lacks one of the libraries that are left to it but where it has none of them, or has too old a
 * libstdc++.
 */
bool launch_lacks_library(const struct launch *launch);
/*
 * Decides whose C library is used. Where the image has none for a machine that needs it, this ends with one sentence:
 * the machine's loader would say five, or something else than what is wrong.
 */
void launch_read_machine(struct launch *launch);

#endif
