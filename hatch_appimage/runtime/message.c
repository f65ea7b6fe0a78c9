/* SPDX-License-Identifier: MIT */
#include "message.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void fail(const char *format, ...)
{
	char text[2048];
	va_list list;

	va_start(list, format);
	vsnprintf(text, sizeof(text), format, list);
	va_end(list);
	dprintf(STDERR_FILENO, "AppImage: %s\n", text);
	_exit(EXIT_CANNOT_RUN);
}

const char *explain(int error)
{
	if (error == -EIO)
		return "the image is damaged";
	if (error == -ENOTSUP)
		return "the image is compressed in a way that this runtime cannot read (it reads zstd and gzip)";
	return strerror(-error);
}
