/* SPDX-License-Identifier: MIT */
#include "start.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "message.h"

/* From this version on, the loader can be told the name of what it starts (--argv0). */
static const struct version NAMING_LOADER = {2, 33};
/* The name, the launcher's own arguments and the NULL at the end; no caller has more. */
enum { MAX_OWN = 8 };

void arguments_add(struct arguments *arguments, const char *argument)
{
	arguments->list[arguments->count++] = (char *)argument;
}

struct arguments arguments_begin(const struct launch *launch, size_t given, const char *name)
{
	struct arguments arguments = {.list = allocate((given + launch->settings.count + MAX_OWN) * sizeof(char *))};

	arguments_add(&arguments, name);
	return arguments;
}

void arguments_add_options(struct arguments *arguments, const struct launch *launch)
{
	for (size_t i = 0; i < launch->settings.count; i++)
		if (launch->settings.list[i].key == KEY_OPTION)
			arguments_add(arguments, launch->settings.list[i].value);
}

void arguments_end(struct arguments *arguments, char **given)
{
	while (*given)
		arguments_add(arguments, *given++);
	arguments_add(arguments, NULL);
}

/*
 * Without /proc the loader does not know where the program lies that the kernel has started, and takes the machine's
 * libraries for the image's. Started itself, it knows by the path that it is given.
 */
static _Noreturn void run_by_loader(const struct launch *launch, const char *program, const struct arguments *arguments,
				    char **environment)
{
	const char *loader = launch_get(launch, KEY_LOADER);
	struct arguments all = arguments_begin(launch, arguments->count, loader);

	if (launch->glibc.major && version_before(launch->glibc, NAMING_LOADER))
		die("/proc is missing, and this machine's glibc ", version_text(launch->glibc),
		    " cannot start this without it (2.33 can)", NULL);
	arguments_add(&all, "--argv0");
	arguments_add(&all, arguments->list[0]);
	arguments_add(&all, program);
	arguments_end(&all, arguments->list + 1);
	execve(loader, all.list, environment);
	die("cannot run ", loader, ": ", strerror(errno), NULL);
}

void start(const struct launch *launch, const struct arguments *arguments, char **environment)
{
	char *program = launch_path(launch, launch_get(launch, KEY_PROGRAM));

	if (!launch->place.has_proc && launch_get(launch, KEY_LOADER))
		run_by_loader(launch, program, arguments, environment);
	execve(program, arguments->list, environment);
	die("cannot run ", program, ": ", strerror(errno), NULL);
}
