/* SPDX-License-Identifier: MIT */
#include "machine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "file.h"
#include "message.h"

/* The loader of musl, by which a machine without glibc is told, and a program for musl. */
#if defined(__x86_64__)
#define MUSL "/lib/ld-musl-x86_64.so.1"
#elif defined(__aarch64__)
#define MUSL "/lib/ld-musl-aarch64.so.1"
#elif defined(__arm__)
#define MUSL "/lib/ld-musl-armhf.so.1"
#elif defined(__i386__)
#define MUSL "/lib/ld-musl-i386.so.1"
#endif

/* In bytes; that of a large system has some 200,000. */
enum { MAX_CACHE = 16 << 20 };

void machine_read(struct machine *machine, const char *loader, struct version wanted)
{
	*machine = (struct machine){0};
	if (!realpath(loader, machine->loader)) {
		machine->error = errno;
		machine->loader[0] = 0;
		machine->musl = !access(MUSL, F_OK);
		return;
	}
	machine->musl = is_same_file(machine->loader, MUSL);
	if (!machine->musl)
		machine->glibc = glibc_beside(machine->loader, wanted);
}

bool is_musl_loader(const char *loader)
{
	return loader && !strcmp(loader, MUSL);
}

bool machine_has_glibc(const struct machine *machine)
{
	return machine->glibc.major;
}

const char *machine_text(const struct machine *machine, const char *loader)
{
	const char *kind = machine->musl ? "musl" : "none";

	if (machine->glibc.major)
		return join("glibc ", version_text(machine->glibc), NULL);
	return machine->loader[0] ? kind : join(kind, " (there is no ", loader, ")", NULL);
}

/* A path that the cache of the loader has (ldconfig(8)): it is between two null bytes, as all of its texts. */
static char *find_in_cache(const char *name)
{
	size_t size;
	int file = open("/etc/ld.so.cache", O_RDONLY | O_CLOEXEC);
	char *text = file < 0 ? NULL : read_file(file, MAX_CACHE, &size), *found = NULL;
	const char *end = join("/", name, NULL);

	for (char *at = text; at && !found;) {
		at = memmem(at, (size_t)(text + size - at), end, strlen(end) + 1);
		if (!at)
			break;
		char *path = at;
		while (path > text && path[-1])
			path--;
		if (*path == '/' && is_elf(path))
			found = path;
		at++;
	}
	if (file >= 0)
		close(file);
	return found;
}

char *machine_library(const struct machine *machine, const char *name)
{
	static const char *const prefixes[] = {"", "/usr"};

	/* What lies beside the loader of musl, or one that stands in for glibc's, is for that C library. */
	if (!machine_has_glibc(machine))
		return NULL;
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(*prefixes); i++) {
		char *path = join(prefixes[i], directory_of(machine->loader), "/", name, NULL);
		if (is_elf(path))
			return path;
	}
	return find_in_cache(name);
}

struct version machine_libstdcxx(const struct machine *machine)
{
	const char *path = machine_library(machine, "libstdc++.so.6");

	return path ? libstdcxx_version(path) : (struct version){0};
}
