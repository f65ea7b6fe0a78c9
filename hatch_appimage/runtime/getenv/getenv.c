/* SPDX-License-Identifier: MIT */
/*
 * The getenv() of an image with Qt, GTK or the like. A user's variables lead toolkits to plugins of the machine, which
 * are built for its own toolkit; and some libraries find what belongs to them by variables only. The interpreter loads
 * this library before the C library, so that all libraries in its process find this function first; the environment
 * itself stays as it is, and so reaches what the application starts.
 *
 * A variable that the process has set for itself counts as everywhere.
 */
#include <stdbool.h>
#include <stddef.h>

/* What it takes of the process's C library, whichever that is: so the headers of none will do. */
extern char **environ;
int access(const char *path, int mode);
void *memcpy(void *target, const void *source, size_t size);
char *realpath(const char *path, char *resolved);
int strcasecmp(const char *one, const char *other);
char *strcat(char *target, const char *source);
char *strcpy(char *target, const char *source);
char *strrchr(const char *text, int character);
size_t strcspn(const char *text, const char *characters);
size_t strlen(const char *text);
int strncmp(const char *one, const char *other, size_t length);
char *getenv(const char *name);
char *secure_getenv(const char *name);

struct library {
	const char *path;
	void *base;
	const char *symbol;
	void *address;
};
/* In older versions of glibc it is in a library of its own, which every Python loads. */
__attribute__((weak)) int dladdr(const void *address, struct library *library);

enum { F_OK = 0 };

/* The longest path of a socket (sockaddr_un) has 108 bytes. */
enum { SETTINGS_SIZE = 4096, MAX_HIDDEN = 64, MAX_SOCKET = 108, MAX_PATHS = 8, PATH_SIZE = 4096 };
#define MAGIC "hatch-appimage getenv 1"

/*
 * What the build writes behind the first string: strings, an empty one at the end. NAME hides a variable of the
 * caller's environment, NAME=VALUE does unless it has this value, or another one that is named so. NAME:VALUE is the
 * value of a variable that is not set, where a Wayland compositor is there; NAME+VALUE that of one that is not set;
 * NAME@PATH likewise, relative to the directory above this library's.
 */
#define KINDS "=:+@"
static const char settings[SETTINGS_SIZE] = MAGIC;

/* The caller's variables among those; what replaces them lies elsewhere. */
static const char *hidden[MAX_HIDDEN];

static const char *next(const char *setting)
{
	return setting + strlen(setting) + 1;
}

/* The compiler must not think that it knows what follows. */
static const char *first(void)
{
	const char *start = settings;

	__asm__("" : "+r"(start));
	return next(start);
}

#define FOR_EACH(setting) for (const char *setting = first(); *setting; setting = next(setting))

static char *find(char **variables, const char *name, size_t length)
{
	for (; variables && *variables; variables++)
		if (!strncmp(*variables, name, length) && (*variables)[length] == '=')
			return *variables;
	return NULL;
}

static bool has_one_of_its_values(const char *variable, size_t length)
{
	FOR_EACH(setting)
		if (!strncmp(setting, variable, length + 1) && !strcasecmp(setting + length + 1, variable + length + 1))
			return true;
	return false;
}

static bool is_hidden(const char *variable)
{
	for (size_t i = 0; i < MAX_HIDDEN && hidden[i]; i++)
		if (hidden[i] == variable)
			return true;
	return false;
}

/* The C library may not have begun, so that it does not know the variables yet: then glibc's loader hands them over. */
__attribute__((constructor)) static void note(int argc, char **argv, char **envp)
{
	char **variables = environ ? environ : envp;
	size_t count = 0;

	(void)argc;
	(void)argv;
	FOR_EACH(setting) {
		size_t length = strcspn(setting, KINDS);
		bool hides = !setting[length] || setting[length] == '=';
		char *variable = hides ? find(variables, setting, length) : NULL;
		if (variable && count < MAX_HIDDEN && !is_hidden(variable) && !has_one_of_its_values(variable, length))
			hidden[count++] = variable;
	}
}

static const char *value_of(const char *name)
{
	size_t length = strlen(name);
	char *variable = find(environ, name, length);

	return variable ? variable + length + 1 : NULL;
}

static bool has_wayland(void)
{
	const char *display = value_of("WAYLAND_DISPLAY"), *directory = value_of("XDG_RUNTIME_DIR");
	char path[MAX_SOCKET] = "";

	if (value_of("WAYLAND_SOCKET"))
		return true;
	if (!display || !*display)
		return false;
	if (*display == '/')
		return !access(display, F_OK);
	if (!directory || strlen(directory) + strlen(display) + 2 > sizeof(path))
		return false;
	strcat(strcat(strcpy(path, directory), "/"), display);
	return !access(path, F_OK);
}

/* The directories of this library, and above it, however links lead to it. */
static bool remove_last_two(char *path)
{
	for (int i = 0; i < 2; i++) {
		char *slash = strrchr(path, '/');
		if (!slash)
			return false;
		*slash = 0;
	}
	return true;
}

/* Threads that come here at once write the same bytes over each other's, and never others in between. */
static char *path_of(const char *relative, size_t index)
{
	static char paths[MAX_PATHS][PATH_SIZE];
	struct library library;
	char own[PATH_SIZE];

	if (index >= MAX_PATHS || !dladdr || !dladdr(settings, &library) || !realpath(library.path, own))
		return NULL;
	if (!remove_last_two(own) || strlen(own) + strlen(relative) + 2 > PATH_SIZE)
		return NULL;
	strcat(strcat(own, "/"), relative);
	return memcpy(paths[index], own, strlen(own) + 1);
}

static char *default_of(const char *name, size_t length)
{
	size_t index = 0;

	FOR_EACH(setting) {
		const char *kind = setting + strcspn(setting, KINDS);
		bool is_meant = !strncmp(setting, name, length) && setting + length == kind;
		if (is_meant && *kind == '+')
			return (char *)kind + 1;
		if (is_meant && *kind == ':')
			return has_wayland() ? (char *)kind + 1 : NULL;
		if (is_meant && *kind == '@')
			return path_of(kind + 1, index);
		index += *kind == '@';
	}
	return NULL;
}

__attribute__((visibility("default"))) char *getenv(const char *name)
{
	size_t length = strlen(name);
	char *variable = find(environ, name, length);

	if (!variable || is_hidden(variable))
		return default_of(name, length);
	return variable + length + 1;
}

/* No process of an image has rights beyond those of the user who started it. */
__attribute__((visibility("default"))) char *secure_getenv(const char *name)
{
	return getenv(name);
}
