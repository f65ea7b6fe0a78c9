/* SPDX-License-Identifier: MIT */
#include "place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"
#include "message.h"

#define SETTINGS "launcher.conf"

/* Makes the directory of an absolute path the place, if the settings are there. */
static bool use(struct place *place, const char *path)
{
	size_t length = (size_t)(strrchr(path, '/') - path);

	if (length + sizeof("/" SETTINGS) > sizeof(place->directory))
		return false;
	memcpy(place->directory, path, length);
	strcpy(place->directory + length, "/" SETTINGS);
	place->file = open(place->directory, O_RDONLY | O_CLOEXEC);
	if (place->file < 0 && errno != ENOENT && errno != ENOTDIR)
		die("cannot read ", place->directory, ": ", strerror(errno), NULL);
	place->directory[length] = 0;
	return place->file >= 0;
}

/* By the path that was started: what is above a link's target may be a link that the user wants to see. */
static bool use_called(struct place *place)
{
	const char *name = place->called;
	char directory[PATH_MAX];
	struct stat status;

	/* execveat(2): a descriptor of the caller, which leads nowhere later */
	if (!strncmp(name, "/dev/fd/", 8) || lstat(name, &status) || S_ISLNK(status.st_mode))
		return false;
	if (*name == '/')
		return use(place, name);
	while (!strncmp(name, "./", 2))
		name += 2;
	if (!getcwd(directory, sizeof(directory)))
		return false;
	return use(place, join(strcmp(directory, "/") ? directory : "", "/", name, NULL));
}

/* The value of `home` in pyvenv.cfg, without what is around it; NULL if there is none. */
static char *find_home(char *text)
{
	for (char *line = strtok(text, "\r\n"); line; line = strtok(NULL, "\r\n")) {
		line += strspn(line, " \t");
		if (strncmp(line, "home", 4))
			continue;
		line += 4 + strspn(line + 4, " \t");
		if (*line != '=')
			continue;
		line += 1 + strspn(line + 1, " \t");
		size_t length = strlen(line);
		while (length && strchr(" \t", line[length - 1]))
			line[--length] = 0;
		return line;
	}
	return NULL;
}

/* A copy of the interpreter in a virtual environment: its pyvenv.cfg, beside it or one up, names the original's place. */
static bool use_home(struct place *place, const char *self)
{
	static const char *const files[] = {"pyvenv.cfg", "../pyvenv.cfg"};
	char *directory = join(self, NULL);

	strrchr(directory, '/')[1] = 0;
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		size_t size;
		int file = open(join(directory, files[i], NULL), O_RDONLY | O_CLOEXEC);
		if (file < 0)
			continue;
		char *text = read_file(file, MAX_TEXT, &size);
		close(file);
		const char *home = text ? find_home(text) : NULL;
		if (home && *home == '/' && use(place, join(home, "/", NULL)))
			return true;
	}
	return false;
}

void place_find(struct place *place, const char *called)
{
	char self[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);

	place->called = called;
	place->has_proc = length > 0 && self[0] == '/';
	if (use_called(place))
		return;
	if (place->has_proc)
		self[length] = 0;
	else if (!realpath(called, self))
		die("cannot find out where ", called, " lies, as there is no /proc: ", strerror(errno), NULL);
	if (!use(place, self) && !use_home(place, self))
		die(SETTINGS " is missing beside ", self, NULL);
}
