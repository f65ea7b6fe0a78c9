/* SPDX-License-Identifier: MIT */
/* libFuzzer's way into what the launcher reads: its settings, and the C library of the user's machine. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "glibc.h"
#include "settings.h"

static void read_as_settings(const uint8_t *data, size_t size)
{
	struct settings settings = {0};
	size_t line, length = 0;
	/* Of exactly this size, so that the sanitizer sees every step beyond it. */
	char *text = malloc(size ? size : 1);

	memcpy(text, data, size);
	if (!settings_parse(&settings, text, size, &line)) {
		for (size_t i = 0; i < settings.count; i++)
			length += strlen(settings.list[i].value);
		if (length > size || !settings_get(&settings, KEY_PROGRAM) || !settings_get(&settings, KEY_NAME))
			abort();
	}
	free(settings.list);
	free(text);
}

static void read_as_library(const uint8_t *data, size_t size)
{
	int file = memfd_create("library", MFD_CLOEXEC);

	if (file < 0 || write(file, data, size) != (ssize_t)size)
		abort();
	glibc_version(file, (struct version){.major = 99});
	close(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	read_as_settings(data, size);
	read_as_library(data, size);
	return 0;
}
