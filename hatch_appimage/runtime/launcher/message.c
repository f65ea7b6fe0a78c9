/* SPDX-License-Identifier: MIT */
#include "message.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

enum { EXIT_CANNOT_RUN = 127, MAX_TEXTS = 16 };

void die(const char *text, ...)
{
	struct iovec parts[MAX_TEXTS + 2] = {{"AppImage: ", 10}};
	int count = 1;
	va_list list;

	va_start(list, text);
	for (; text && count <= MAX_TEXTS; text = va_arg(list, const char *))
		parts[count++] = (struct iovec){(char *)text, strlen(text)};
	va_end(list);
	parts[count++] = (struct iovec){"\n", 1};
	/* Nobody is left to tell when stderr is closed; the exit status says it, too. */
	if (writev(STDERR_FILENO, parts, count) < 0)
		_exit(EXIT_CANNOT_RUN);
	_exit(EXIT_CANNOT_RUN);
}

void *allocate(size_t size)
{
	void *memory = malloc(size ? size : 1);

	if (!memory)
		die("there is not enough memory", NULL);
	return memory;
}

char *join(const char *text, ...)
{
	size_t size = 1;
	va_list list, again;

	va_start(list, text);
	va_copy(again, list);
	for (const char *part = text; part; part = va_arg(list, const char *))
		size += strlen(part);
	va_end(list);
	char *joined = allocate(size), *end = joined;
	for (const char *part = text; part; part = va_arg(again, const char *))
		end = stpcpy(end, part);
	va_end(again);
	*end = 0;
	return joined;
}

char *decimal(size_t number)
{
	char text[24], *at = text + sizeof(text);

	*--at = 0;
	do
		*--at = (char)('0' + number % 10);
	while (number /= 10);
	return join(at, NULL);
}
