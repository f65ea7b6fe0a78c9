/* SPDX-License-Identifier: MIT */
#ifndef LAUNCH_H
#define LAUNCH_H

#include <stdbool.h>

#include "glibc.h"
#include "place.h"
#include "settings.h"

/* One start. */
struct launch {
	struct place place;
	struct settings settings;
	/* Of this machine, as far as it can be told. */
	struct version glibc;
};

void launch_read_settings(struct launch *launch);
const char *launch_get(const struct launch *launch, enum key key);
/* Whether a key that may be repeated is there with this value. */
bool launch_has(const struct launch *launch, enum key key, const char *value);
/* The absolute path of what the settings name. */
char *launch_path(const struct launch *launch, const char *name);
/* Ends with one sentence where the machine's loader would say five, or something else than what is wrong. */
void launch_check_machine(struct launch *launch);

#endif
