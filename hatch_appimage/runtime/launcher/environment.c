/* SPDX-License-Identifier: MIT */
#include "environment.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "message.h"

struct variables {
	char **list;
	size_t count;
};

static bool is_named(const char *variable, const char *name)
{
	size_t length = strlen(name);

	return !strncmp(variable, name, length) && variable[length] == '=';
}

static bool has(const struct variables *variables, const char *name)
{
	for (size_t i = 0; i < variables->count; i++)
		if (is_named(variables->list[i], name))
			return true;
	return false;
}

static void add(struct variables *variables, char *variable)
{
	variables->list[variables->count++] = variable;
}

static void remove_all(struct variables *variables, const char *name)
{
	size_t kept = 0;

	for (size_t i = 0; i < variables->count; i++)
		if (!is_named(variables->list[i], name))
			variables->list[kept++] = variables->list[i];
	variables->count = kept;
}

static bool goes_on_with_name(char character)
{
	return (character >= 'a' && character <= 'z') || (character >= 'A' && character <= 'Z') ||
	       (character >= '0' && character <= '9') || character == '_';
}

/* How long a reference to APPDIR is that begins here, as the shell has it: $APPDIR or ${APPDIR}; 0 for none. */
static size_t reference_length(const char *at)
{
	static const char plain[] = "$APPDIR", braced[] = "${APPDIR}";

	if (!strncmp(at, braced, sizeof(braced) - 1))
		return sizeof(braced) - 1;
	if (!strncmp(at, plain, sizeof(plain) - 1) && !goes_on_with_name(at[sizeof(plain) - 1]))
		return sizeof(plain) - 1;
	return 0;
}

static char *expand(const char *value, const char *appdir)
{
	size_t size = 1, length;

	for (const char *at = value; *at; at += length ? length : 1) {
		length = reference_length(at);
		size += length ? strlen(appdir) : 1;
	}
	char *expanded = allocate(size), *end = expanded;
	for (const char *at = value; *at; at += length ? length : 1) {
		length = reference_length(at);
		if (length)
			end = stpcpy(end, appdir);
		else
			*end++ = *at;
	}
	*end = 0;
	return expanded;
}

/* A default is a name, a blank and a value. */
static void add_default(struct variables *variables, const char *text, const char *appdir)
{
	char *name = join(text, NULL), *value = strchr(name, ' ');

	*value++ = 0;
	if (!has(variables, name))
		add(variables, join(name, "=", expand(value, appdir), NULL));
}

static void put_on_path(struct variables *variables, const char *directory)
{
	const char *path = getenv("PATH");

	/* A colon would make two directories of it, neither of which is the image's. */
	if (strchr(directory, ':'))
		return;
	remove_all(variables, "PATH");
	/* Without the variable, programs are looked for in the directories that execvp() has for this case. */
	add(variables, join("PATH=", directory, ":", path ? path : "/bin:/usr/bin", NULL));
}

char **environment_make(const struct settings *settings, const char *appdir)
{
	const char *commands = settings_get(settings, KEY_COMMANDS);
	struct variables variables = {0};
	size_t count = 0;

	while (environ[count])
		count++;
	/* APPDIR, PATH and the end come to what there is. */
	variables.list = allocate((count + settings->count + 3) * sizeof(*variables.list));
	for (size_t i = 0; i < count; i++)
		add(&variables, environ[i]);
	remove_all(&variables, "ARGV0");
	remove_all(&variables, "APPDIR");
	add(&variables, join("APPDIR=", appdir, NULL));
	for (size_t i = 0; i < settings->count; i++)
		if (settings->list[i].key == KEY_DEFAULT)
			add_default(&variables, settings->list[i].value, appdir);
	if (commands)
		put_on_path(&variables, join(appdir, "/", commands, NULL));
	add(&variables, NULL);
	return variables.list;
}
