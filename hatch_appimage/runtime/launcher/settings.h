/* SPDX-License-Identifier: MIT */
#ifndef SETTINGS_H
#define SETTINGS_H

#include <stddef.h>

/* What the launcher is told by the file beside it; launcher_settings.py describes the format and writes it. */
enum key {
	KEY_PROGRAM,
	KEY_NAME,
	KEY_LOADER,
	KEY_GLIBC,
	KEY_LIBSTDCXX,
	KEY_BRINGS,
	KEY_STAND_IN,
	KEY_BUNDLED_LOADER,
	KEY_COMPILER,
	KEY_BASE,
	KEY_NEEDS,
	KEY_OPTION,
	KEY_OPTIMIZE,
	KEY_SCRIPT,
	KEY_LINK,
	KEY_EXPOSE,
	KEY_EXPOSED_NAME,
	KEY_DEFAULT,
	KEY_COMMANDS,
	KEY_SELF_TEST,
	KEY_MANAGE,
	KEY_MANAGE_WORD,
	KEY_DIALOGUE,
	KEY_COUNT,
};

struct setting {
	enum key key;
	char *value;
};

struct settings {
	struct setting *list;
	size_t count;
};

/*
 * Reads the file's text, which the settings point into from then on.
 * Returns NULL, or what is wrong with it: then *line is the number of the line, from 1.
 */
const char *settings_parse(struct settings *settings, char *text, size_t size, size_t *line);
/* The value of a key that is there once at most; NULL if it is not. */
const char *settings_get(const struct settings *settings, enum key key);

#endif
