/* SPDX-License-Identifier: MIT */
#include "settings.h"

#include <stdbool.h>
#include <string.h>

#include "message.h"

static const struct {
	const char *name;
	bool required, repeated;
} KEYS[KEY_COUNT] = {
	[KEY_PROGRAM] = {.name = "program", .required = true},
	[KEY_NAME] = {.name = "name", .required = true},
	[KEY_LOADER] = {.name = "loader"},
	[KEY_GLIBC] = {.name = "glibc"},
	[KEY_LIBSTDCXX] = {.name = "libstdc++"},
	[KEY_BRINGS] = {.name = "brings", .repeated = true},
	[KEY_STAND_IN] = {.name = "stand-in"},
	[KEY_BUNDLED_LOADER] = {.name = "bundled-loader"},
	[KEY_COMPILER] = {.name = "compiler"},
	[KEY_BASE] = {.name = "base"},
	[KEY_NEEDS] = {.name = "needs", .repeated = true},
	[KEY_OPTION] = {.name = "option", .repeated = true},
	[KEY_OPTIMIZE] = {.name = "optimize"},
	[KEY_SCRIPT] = {.name = "script"},
	[KEY_LINK] = {.name = "link", .repeated = true},
	[KEY_EXPOSE] = {.name = "expose", .repeated = true},
	[KEY_EXPOSED_NAME] = {.name = "exposed-name"},
	[KEY_DEFAULT] = {.name = "default", .repeated = true},
	[KEY_COMMANDS] = {.name = "commands"},
	[KEY_SELF_TEST] = {.name = "self-test"},
	[KEY_MANAGE] = {.name = "manage"},
	[KEY_MANAGE_WORD] = {.name = "manage-word"},
	[KEY_DIALOGUE] = {.name = "dialogue"},
};

#define HEADER "hatch-appimage launcher 1"

const char *settings_get(const struct settings *settings, enum key key)
{
	for (size_t i = 0; i < settings->count; i++)
		if (settings->list[i].key == key)
			return settings->list[i].value;
	return NULL;
}

static enum key find_key(const char *name)
{
	enum key key = 0;

	while (key < KEY_COUNT && strcmp(KEYS[key].name, name))
		key++;
	return key;
}

/* In place, as a value only gets shorter by it. */
static bool unescape(char *value)
{
	char *end = value;

	for (const char *at = value; *at; at++) {
		if (*at == '\\') {
			at++;
			if (*at != '\\' && *at != 'n')
				return false;
			*end++ = *at == 'n' ? '\n' : '\\';
		} else {
			*end++ = *at;
		}
	}
	*end = 0;
	return true;
}

/* A line that ends with a zero. */
static const char *parse_line(struct settings *settings, char *line)
{
	char *value = strchr(line, ' ');

	if (!value)
		return "it has no value";
	*value++ = 0;
	enum key key = find_key(line);
	if (key == KEY_COUNT)
		return "it begins with an unknown key";
	if (!KEYS[key].repeated && settings_get(settings, key))
		return "its key is there twice";
	if (!unescape(value))
		return "a backslash stands before another character than a backslash or n";
	if (key == KEY_DEFAULT && !strchr(value, ' '))
		return "the variable has no value";
	settings->list[settings->count++] = (struct setting){key, value};
	return NULL;
}

static size_t count_lines(const char *text, size_t size)
{
	size_t count = 0;

	for (size_t i = 0; i < size; i++)
		count += text[i] == '\n';
	return count;
}

const char *settings_parse(struct settings *settings, char *text, size_t size, size_t *line)
{
	*line = 1;
	if (size < sizeof(HEADER) || memcmp(text, HEADER, sizeof(HEADER) - 1) || text[sizeof(HEADER) - 1] != '\n')
		return "it is not `" HEADER "`";
	settings->count = 0;
	settings->list = allocate(count_lines(text, size) * sizeof(*settings->list));
	for (size_t start = sizeof(HEADER), length; start < size; start += length + 1) {
		++*line;
		char *end = memchr(text + start, '\n', size - start);
		if (!end)
			return "it has no end";
		length = (size_t)(end - text) - start;
		if (memchr(text + start, 0, length))
			return "it has a NUL in it";
		*end = 0;
		const char *wrong = parse_line(settings, text + start);
		if (wrong)
			return wrong;
	}
	for (enum key key = 0; key < KEY_COUNT; key++)
		if (KEYS[key].required && !settings_get(settings, key))
			return "the file ends before all is said";
	return NULL;
}
