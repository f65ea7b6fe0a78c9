/* SPDX-License-Identifier: MIT */
#include "message.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "dialogue.h"

enum { EXIT_CANNOT_RUN = 127, MAX_TEXTS = 16 };

static const char *with_dialogue;

void message_use_dialogue(const char *application)
{
	with_dialogue = application;
}

static char *join_all(const char *text, va_list list)
{
	size_t size = 1;
	va_list again;

	va_copy(again, list);
	for (const char *part = text; part; part = va_arg(again, const char *))
		size += strlen(part);
	va_end(again);
	char *joined = allocate(size), *end = joined;
	for (const char *part = text; part; part = va_arg(list, const char *))
		end = stpcpy(end, part);
	*end = 0;
	return joined;
}

/* One line, in one piece. */
static ssize_t print(const char *text, va_list list)
{
	struct iovec parts[MAX_TEXTS + 2] = {{"AppImage: ", 10}};
	int count = 1;

	for (; text && count <= MAX_TEXTS; text = va_arg(list, const char *))
		parts[count++] = (struct iovec){(char *)text, strlen(text)};
	parts[count++] = (struct iovec){"\n", 1};
	return writev(STDERR_FILENO, parts, count);
}

void die(const char *text, ...)
{
	const char *application = with_dialogue;
	va_list list;

	va_start(list, text);
	/* Where stderr is closed, the exit status says it, too. */
	print(text, list);
	va_end(list);
	/* What is missing may be memory, which a dialogue takes, too: only the first death shows one. */
	with_dialogue = NULL;
	va_start(list, text);
	if (application)
		dialogue_show(application, join_all(text, list));
	va_end(list);
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
	va_list list;

	va_start(list, text);
	char *joined = join_all(text, list);
	va_end(list);
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
