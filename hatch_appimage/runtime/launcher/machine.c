/* SPDX-License-Identifier: MIT */
#include "machine.h"

#include <errno.h>
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

struct version machine_libstdcxx(const struct machine *machine)
{
	static const char *const prefixes[] = {"", "/usr"};
	struct version version = {0};

	for (size_t i = 0; !version.major && machine->loader[0] && i < sizeof(prefixes) / sizeof(*prefixes); i++)
		version = libstdcxx_in(join(prefixes[i], directory_of(machine->loader), NULL));
	return version;
}
