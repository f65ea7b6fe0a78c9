/* SPDX-License-Identifier: MIT */
#include "launch.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "file.h"
#include "message.h"

/* The loader of musl, by which a machine without glibc is told. */
#if defined(__x86_64__)
#define MUSL "/lib/ld-musl-x86_64.so.1"
#elif defined(__aarch64__)
#define MUSL "/lib/ld-musl-aarch64.so.1"
#elif defined(__arm__)
#define MUSL "/lib/ld-musl-armhf.so.1"
#elif defined(__i386__)
#define MUSL "/lib/ld-musl-i386.so.1"
#endif

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

static _Noreturn void refuse_machine(const char *needed, const char *has)
{
	die("this needs glibc ", needed, " or newer, and this machine has ", has, NULL);
}

void launch_check_machine(struct launch *launch)
{
	const char *loader = launch_get(launch, KEY_LOADER), *needed = launch_get(launch, KEY_GLIBC);
	struct version wanted;
	char real[PATH_MAX];

	if (!loader || !needed)
		return;
	if (!version_parse(&wanted, needed))
		die(launch_path(launch, "launcher.conf"), ": ", needed, " is no version of glibc", NULL);
	if (!realpath(loader, real)) {
		if (errno == ENOENT || errno == ENOTDIR)
			refuse_machine(needed, join(access(MUSL, F_OK) ? "none" : "musl", " (there is no ", loader, ")", NULL));
		return; /* the kernel will say what is wrong */
	}
	if (is_same_file(real, MUSL))
		refuse_machine(needed, "musl");
	launch->glibc = glibc_beside(real, wanted);
	if (launch->glibc.major && version_before(launch->glibc, wanted))
		refuse_machine(needed, join("glibc ", version_text(launch->glibc), NULL));
}
