/* SPDX-License-Identifier: MIT */
#include "launch.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "file.h"
#include "message.h"

char *launch_path(const struct launch *launch, const char *name)
{
	return join(launch->place.directory, "/", name, NULL);
}

const char *launch_get(const struct launch *launch, enum key key)
{
	return settings_get(&launch->settings, key);
}

bool launch_has(const struct launch *launch, enum key key, const char *value)
{
	for (size_t i = 0; i < launch->settings.count; i++)
		if (launch->settings.list[i].key == key && !strcmp(launch->settings.list[i].value, value))
			return true;
	return false;
}

void launch_read_settings(struct launch *launch)
{
	size_t size, line;
	char *path = launch_path(launch, "launcher.conf"), *text = read_file(launch->place.file, MAX_TEXT, &size);

	if (!text)
		die("cannot read ", path, ": ", strerror(errno), NULL);
	close(launch->place.file);
	const char *wrong = settings_parse(&launch->settings, text, size, &line);
	if (wrong)
		die(path, ", line ", decimal(line), ": ", wrong, NULL);
}

/* Whether programs that need this glibc start here by the machine's own. */
static bool fits(const struct machine *machine, struct version wanted)
{
	return machine->glibc.major && !version_before(machine->glibc, wanted);
}

/* Whether it is certain that they do not: what cannot be told is left to the kernel and the machine's loader. */
static bool is_unfit(const struct machine *machine, struct version wanted)
{
	if (!machine->loader[0])
		return machine->error == ENOENT || machine->error == ENOTDIR;
	return machine->musl || (machine->glibc.major && version_before(machine->glibc, wanted));
}

/* The numbers behind the 3 with which all of them begin; the first, 3.4, has just one. */
static struct version parse_libstdcxx(const struct launch *launch, const char *text)
{
	struct version version;

	if (strncmp(text, "3.", 2) ||
	    (!version_parse(&version, text + 2) && !version_parse(&version, join(text + 2, ".0", NULL))))
		die(launch_path(launch, "launcher.conf"), ": ", text, " is no version of libstdc++", NULL);
	return version;
}

bool launch_lacks_library(const struct launch *launch)
{
	const char *needed = launch_get(launch, KEY_LIBSTDCXX);

	for (size_t i = 0; i < launch->settings.count; i++)
		if (launch->settings.list[i].key == KEY_BRINGS &&
		    !machine_library(&launch->machine, launch->settings.list[i].value))
			return true;
	return needed && version_before(machine_libstdcxx(&launch->machine), parse_libstdcxx(launch, needed));
}

void launch_read_machine(struct launch *launch)
{
	const char *loader = launch_get(launch, KEY_LOADER), *needed = launch_get(launch, KEY_GLIBC);
	struct machine *machine = &launch->machine;
	struct version wanted = {0};

	if (!loader)
		return;
	if (needed && !version_parse(&wanted, needed))
		die(launch_path(launch, "launcher.conf"), ": ", needed, " is no version of glibc", NULL);
	machine_read(machine, loader, wanted);
	launch->stands_in = launch_get(launch, KEY_STAND_IN) &&
			    !(needed && fits(machine, wanted) && !launch_lacks_library(launch));
	if (needed && !launch_get(launch, KEY_BUNDLED_LOADER) && !launch->stands_in && is_unfit(machine, wanted))
		die("this needs glibc ", needed, " or newer, and this machine has ", machine_text(machine, loader), NULL);
}
