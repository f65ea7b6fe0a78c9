/* SPDX-License-Identifier: MIT */
#ifndef START_H
#define START_H

#include <stddef.h>

#include "launch.h"

/* What the real interpreter is given: its name, what the launcher puts in, and what the launcher was given itself. */
struct arguments {
	char **list;
	size_t count;
};

/* With room for as many arguments as were given, for the options of the settings, and for a few of the launcher's. */
struct arguments arguments_begin(const struct launch *launch, size_t given, const char *name);
void arguments_add(struct arguments *arguments, const char *argument);
void arguments_add_options(struct arguments *arguments, const struct launch *launch);
/*
 * How far bytecode is optimized. What the interpreter is given, up to NULL, may say so already, and each -O would count;
 * NULL where nothing of that is for the interpreter.
 */
void arguments_add_level(struct arguments *arguments, const struct launch *launch, char **given);
/* The last ones, up to NULL. */
void arguments_end(struct arguments *arguments, char **given);
/* Becomes the real interpreter, in a process with the name of a command; NULL for the interpreter's own. */
_Noreturn void start(const struct launch *launch, const char *command, const struct arguments *arguments,
		     char **environment);
/*
 * Stands in for the real interpreter where the machine's C library does not do: becomes it with what was given, by the
 * image's own loader and C library. No variable says so; what the interpreter starts has the machine's again.
 */
_Noreturn void stand_in(const struct launch *launch, size_t argc, char **argv);

#endif
