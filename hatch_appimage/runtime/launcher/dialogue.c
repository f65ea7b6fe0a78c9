/* SPDX-License-Identifier: MIT */
#include "dialogue.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "message.h"

enum { MAX_ARGUMENTS = 6, MAX_ESCAPE = 5 };

static bool is_set(const char *variable)
{
	const char *value = getenv(variable);

	return value && *value;
}

static const char *escape_of(char character)
{
	switch (character) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '\\':
		return "\\\\";
	default:
		return NULL;
	}
}

/* For programs that read markup, and escapes after a backslash. */
static char *escape(const char *text)
{
	char *escaped = allocate(strlen(text) * MAX_ESCAPE + 1), *end = escaped;

	for (; *text; text++) {
		const char *escape = escape_of(*text);
		if (escape)
			end = stpcpy(end, escape);
		else
			*end++ = *text;
	}
	*end = 0;
	return escaped;
}

/* What such a program prints is about itself, and not for whoever reads the application's streams. */
static void silence(void)
{
	int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int stream = STDIN_FILENO; nothing >= 0 && stream <= STDERR_FILENO; stream++)
		if (dup2(nothing, stream) < 0)
			_exit(EXIT_FAILURE);
}

/* Becomes the first program that exists. */
static _Noreturn void run_program(char *title, const char *reason)
{
	/* It begins with a letter, and so is not taken for an option. */
	char *text = join("Cannot start ", title, ": ", reason, NULL), *markup = escape(text);
	char *programs[][MAX_ARGUMENTS + 1] = {
		{"zenity", "--error", "--no-markup", join("--title=", title, NULL), join("--text=", text, NULL)},
		{"kdialog", "--title", title, "--error", join("<qt>", markup, "</qt>", NULL)},
		{"xmessage", "-center", "-title", title, text},
		{"notify-send", "--urgency=critical", "--", title, markup},
	};

	silence();
	for (size_t i = 0; i < sizeof(programs) / sizeof(*programs); i++)
		execvp(*programs[i], programs[i]);
	_exit(EXIT_FAILURE);
}

void dialogue_show(const char *application, const char *reason)
{
	if (isatty(STDERR_FILENO) || !(is_set("DISPLAY") || is_set("WAYLAND_DISPLAY")))
		return;
	pid_t child = fork();
	if (!child)
		run_program(join(application, NULL), reason);
	while (child > 0 && waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
}
