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
char *strchr(const char *text, int character);
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
/* In older versions of glibc these are in a library of its own, which every Python loads. */
__attribute__((weak)) int dladdr(const void *address, struct library *library);
__attribute__((weak)) void *dlsym(void *library, const char *name);
/* The libraries that are loaded after this one. */
#define RTLD_NEXT ((void *)-1l)

typedef char *bindtextdomain_function(const char *domain, const char *directory);
bindtextdomain_function bindtextdomain;

enum { F_OK = 0 };

/* The longest path of a socket (sockaddr_un) has 108 bytes. */
enum { SETTINGS_SIZE = 4096, MAX_HIDDEN = 64, MAX_SOCKET = 108, MAX_PATHS = 16, PATH_SIZE = 4096, LIST_SIZE = 16384 };
#define MAGIC "hatch-appimage getenv 1"
/* What ends the name of a variable in a setting, and says what the rest is. */
#define KINDS "=:@+!%"

/*
 * What the build writes behind the first string: strings, an empty one at the end. NAME hides a variable of the
 * caller's environment, NAME=VALUE does unless it has this value, or another one that is named so. NAME:VALUE is the
 * value of a variable that is not set, where a Wayland compositor is there; NAME@PATH that of one that is not set,
 * relative to the directory above this library's. NAME+PATH:VALUE puts such a path before the caller's list of
 * directories, or before this value where there is none; NAME!VALUE is the value of one that is not set. NAME%PATH is
 * no variable: translations of the domain of this name (gettext) are at such a path, whatever a library says.
 */
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
		char *variable = setting[length] && strchr(":@!%", setting[length]) ? NULL : find(variables, setting, length);
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

/* Writes a path, relative to the directory above this library's, into PATH_SIZE bytes. */
static bool find_path(const char *relative, char *path)
{
	struct library library;

	if (!dladdr || !dladdr(settings, &library) || !realpath(library.path, path))
		return false;
	if (!remove_last_two(path) || strlen(path) + strlen(relative) + 2 > PATH_SIZE)
		return false;
	strcat(strcat(path, "/"), relative);
	return true;
}

/* Threads that come here at once write the same bytes over each other's, and never others in between. */
static char *path_of(const char *relative, size_t index)
{
	static char paths[MAX_PATHS][PATH_SIZE];
	char path[PATH_SIZE];

	if (index >= MAX_PATHS || !find_path(relative, path))
		return NULL;
	return memcpy(paths[index], path, strlen(path) + 1);
}

/* As with paths, threads write the same bytes. A list for which there is no room stays as it is. */
static char *list_of(const char *setting, char *callers, size_t index)
{
	static char list[LIST_SIZE];
	char relative[PATH_SIZE] = "", whole[LIST_SIZE];
	size_t length = strcspn(setting, ":");
	const char *rest = callers && *callers ? callers : setting + length + 1;
	char *path = length < sizeof(relative) ? path_of(memcpy(relative, setting, length), index) : NULL;

	if (!path || strlen(path) + strlen(rest) + 2 > sizeof(whole))
		return callers;
	strcat(strcat(strcpy(whole, path), ":"), rest);
	return memcpy(list, whole, strlen(whole) + 1);
}

static char *default_of(const char *name, size_t length, char *callers)
{
	size_t index = 0;

	FOR_EACH(setting) {
		const char *kind = setting + strcspn(setting, KINDS);
		bool is_meant = !strncmp(setting, name, length) && setting + length == kind;
		if (is_meant && *kind == ':')
			return has_wayland() ? (char *)kind + 1 : NULL;
		if (is_meant && *kind == '!')
			return (char *)kind + 1;
		if (is_meant && *kind == '@')
			return path_of(kind + 1, index);
		if (is_meant && *kind == '+')
			return list_of(kind + 1, callers, index);
		index += *kind == '@' || *kind == '+';
	}
	return NULL;
}

__attribute__((visibility("default"))) char *getenv(const char *name)
{
	size_t length = strlen(name);
	char *variable = find(environ, name, length);

	if (!variable || is_hidden(variable))
		return default_of(name, length, variable ? variable + length + 1 : NULL);
	return variable + length + 1;
}

/* No process of an image has rights beyond those of the user who started it. */
__attribute__((visibility("default"))) char *secure_getenv(const char *name)
{
	return getenv(name);
}

static const char *translations_of(const char *domain)
{
	size_t length = strlen(domain);

	FOR_EACH(setting)
		if (!strncmp(setting, domain, length) && setting[length] == '%')
			return setting + length + 1;
	return NULL;
}

/* Libraries have the machine's directory for translations compiled in, and there are those of its own libraries. */
__attribute__((visibility("default"))) char *bindtextdomain(const char *domain, const char *directory)
{
	bindtextdomain_function *next_one = dlsym ? (bindtextdomain_function *)dlsym(RTLD_NEXT, "bindtextdomain") : NULL;
	const char *relative = domain && directory ? translations_of(domain) : NULL;
	char path[PATH_SIZE];

	if (!next_one)
		return NULL;
	return next_one(domain, relative && find_path(relative, path) ? path : directory);
}
