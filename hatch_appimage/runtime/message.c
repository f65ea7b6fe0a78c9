/* SPDX-License-Identifier: MIT */
#include "message.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Names of files may have line feeds and what commands a terminal. */
static void say(const char *format, va_list list)
{
	char text[2048];

	vsnprintf(text, sizeof(text), format, list);
	for (char *at = text; *at; at++) {
		if ((unsigned char)*at < ' ' || *at == 127)
			*at = '?';
	}
	dprintf(STDERR_FILENO, "AppImage: %s\n", text);
}

void die(const char *format, ...)
{
	va_list list;

	va_start(list, format);
	say(format, list);
	va_end(list);
	_exit(EXIT_CANNOT_RUN);
}

void note(const char *format, ...)
{
	va_list list;

	va_start(list, format);
	say(format, list);
	va_end(list);
}

const char *explain(int error)
{
	if (error == -EIO)
		return "the image is damaged";
	if (error == -ENOTSUP)
		return "the image is compressed in a way that this runtime cannot read (it reads zstd and gzip)";
	return strerror(-error);
}
