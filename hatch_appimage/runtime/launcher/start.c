/* SPDX-License-Identifier: MIT */
#include "start.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "file.h"
#include "loader.h"
#include "message.h"

/* From this version on, the loader can be told the name of what it starts (--argv0). */
static const struct version NAMING_LOADER = {2, 33};
/* The name, the launcher's own arguments and the NULL at the end; no caller has more. */
enum { MAX_OWN = 8 };
/* What separates directories for a loader. */
#define SEPARATORS ":;"
/* Beside a program, with links to it that are named like the commands (hatch_appimage/layout.py). */
#define PROCESS_NAMES "/process-names/"

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

/* Those of the interpreter's options that have a value: the rest of the argument, or else the next one. */
#define VALUED "WX"
/* Behind these, everything is the program's. */
#define LAST "cm"

/* What of an argument with options follows those without a value that are not -O. */
static const char *skip_flags(const char *argument)
{
	const char *at = argument + 1;

	while (*at && *at != 'O' && !strchr(VALUED LAST, *at))
		at++;
	return at;
}

/* Whether -O is among the interpreter's own options, which end before the first argument that is none. */
static bool is_optimized(char **given)
{
	for (; *given && **given == '-' && strcmp(*given, "-") && strcmp(*given, "--"); given++) {
		if (!strncmp(*given, "--", 2)) {
			if (!strcmp(*given, "--check-hash-based-pycs") && given[1])
				given++;
			continue;
		}
		const char *rest = skip_flags(*given);
		if (*rest == 'O')
			return true;
		if (*rest && strchr(LAST, *rest))
			return false;
		if (*rest && !rest[1] && given[1])
			given++;
	}
	return false;
}

void arguments_add_level(struct arguments *arguments, const struct launch *launch, char **given)
{
	const char *level = launch_get(launch, KEY_OPTIMIZE);

	if (level && !(given && is_optimized(given)))
		arguments_add(arguments, level);
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

	struct version glibc = launch->machine.glibc;
	if (glibc.major && version_before(glibc, NAMING_LOADER))
		die("/proc is missing, and this machine's glibc ", version_text(glibc),
		    " cannot start this without it (2.33 can)", NULL);
	arguments_add(&all, "--argv0");
	arguments_add(&all, arguments->list[0]);
	arguments_add(&all, program);
	arguments_end(&all, arguments->list + 1);
	execve(loader, all.list, environment);
	die("cannot run ", loader, ": ", strerror(errno), NULL);
}

/*
 * The kernel names a process after the path that is executed, not after what a link there leads to. Where there is no such
 * link, or it cannot be followed, the process only has another name.
 */
static void try_named(const char *program, const char *command, const struct arguments *arguments, char **environment)
{
	execve(join(directory_of(program), PROCESS_NAMES, command, NULL), arguments->list, environment);
}

void start(const struct launch *launch, const char *command, const struct arguments *arguments, char **environment)
{
	char *program = launch_path(launch, launch_get(launch, launch->stands_in ? KEY_STAND_IN : KEY_PROGRAM));

	if (!launch->stands_in && !launch->place.has_proc && launch_get(launch, KEY_LOADER))
		run_by_loader(launch, program, arguments, environment);
	if (command)
		try_named(program, command, arguments, environment);
	execve(program, arguments->list, environment);
	die("cannot run ", program, ": ", strerror(errno), NULL);
}

static char *add_directory(const struct launch *launch, char *path, enum key key)
{
	const char *name = launch_get(launch, key);

	return name ? join(path, ":", launch_path(launch, name), NULL) : path;
}

/* One process has one C++ library, and the machine's graphics drivers and the image may both need it: the newer one. */
static bool has_newer_libstdcxx(const struct launch *launch)
{
	const char *name = launch_get(launch, KEY_COMPILER);

	return name && !version_before(libstdcxx_version(join(launch_path(launch, name), "/libstdc++.so.6", NULL)),
				       machine_libstdcxx(&launch->machine));
}

/* Without a cache the machine's loader would look into its default directories, which the image's does not have. */
static char *add_defaults(const struct launch *launch, char *path)
{
	const char *directory;

	if (!machine_has_glibc(&launch->machine) || !access("/etc/ld.so.cache", R_OK))
		return path;
	directory = directory_of(launch->machine.loader);
	return join(path, ":", directory, ":/usr", directory, NULL);
}

/*
 * Where the loader looks before it looks into the machine's cache; the user's directories are among the last. That of musl
 * would look here before it looks at search paths, and has no use for what the machine has: it only gets the directory in
 * which nothing is, as without one it would take the user's.
 */
static char *find_library_path(const struct launch *launch)
{
	const char *users = getenv("LD_LIBRARY_PATH");
	char *path = join(launch->place.directory, NULL);

	if (strpbrk(path, SEPARATORS))
		die("this needs the C library of its own here, which cannot be found in ", path,
		    ": put it where no colon or semicolon is in the path", NULL);
	if (is_musl_loader(launch_get(launch, KEY_LOADER)))
		return path;
	if (has_newer_libstdcxx(launch))
		path = add_directory(launch, path, KEY_COMPILER);
	if (launch_lacks_library(launch))
		path = add_directory(launch, path, KEY_BASE);
	if (users && *users)
		path = join(path, ":", users, NULL);
	return add_defaults(launch, path);
}

/* Libraries of a machine without glibc are for another C library, if it has them at all. */
static void check_needs(const struct launch *launch)
{
	char *needs = NULL;

	if (machine_has_glibc(&launch->machine))
		return;
	for (size_t i = 0; i < launch->settings.count; i++) {
		const struct setting *setting = &launch->settings.list[i];
		if (setting->key == KEY_NEEDS)
			needs = needs ? join(needs, ", ", setting->value, NULL) : setting->value;
	}
	if (needs)
		die("this needs libraries of a machine with glibc, which this machine does not have: ", needs, NULL);
}

void stand_in(const struct launch *launch, size_t argc, char **argv)
{
	char *loader = launch_path(launch, launch_get(launch, KEY_BUNDLED_LOADER));
	struct arguments all = arguments_begin(launch, argc, loader);

	check_needs(launch);
	arguments_add(&all, "--library-path");
	arguments_add(&all, find_library_path(launch));
	arguments_add(&all, "--argv0");
	arguments_add(&all, argc ? argv[0] : launch_path(launch, launch_get(launch, KEY_NAME)));
	arguments_add(&all, launch_path(launch, launch_get(launch, KEY_PROGRAM)));
	arguments_end(&all, argc ? argv + 1 : argv);
	loader_become(loader, all.list, environ);
}
