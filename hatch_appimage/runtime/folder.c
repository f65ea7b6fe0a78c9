/* SPDX-License-Identifier: MIT */
#include "folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

bool folder_candidate(unsigned number, char *path, size_t room)
{
	/* TMPDIR is the user's wish; /tmp is what everyone expects; the others are for when it is read-only or noexec. */
	static const struct {
		const char *variable;
		const char *path;
	} candidates[] = {
		{"TMPDIR", ""}, {NULL, "/tmp"}, {"XDG_RUNTIME_DIR", ""}, {"XDG_CACHE_HOME", ""}, {"HOME", "/.cache"},
		{NULL, "/var/tmp"}, {NULL, "/dev/shm"}, {"HOME", ""},
	};

	if (number >= sizeof(candidates) / sizeof(*candidates))
		return false;
	const char *variable = candidates[number].variable;
	const char *start = variable ? getenv(variable) : "";
	/* A path that is unset, relative or too long is one that cannot be used: the caller goes on to the next. */
	if (!start || (variable && start[0] != '/') ||
	    snprintf(path, room, "%s%s", start, candidates[number].path) >= (int)room)
		path[0] = 0;
	return true;
}

int folder_make(char *path, size_t room, const char *parent, const char *prefix)
{
	for (int attempt = 0; attempt < 16; attempt++) {
		static const char digits[] = "abcdefghijklmnopqrstuvwxyz012345";
		uint8_t noise[8];
		char suffix[sizeof(noise) + 1] = "";

		if (getrandom(noise, sizeof(noise), 0) != sizeof(noise))
			return -errno;
		for (size_t i = 0; i < sizeof(noise); i++)
			suffix[i] = digits[noise[i] % (sizeof(digits) - 1)];
		if (snprintf(path, room, "%s/%s%s", parent, prefix, suffix) >= (int)room)
			return -ENAMETOOLONG;
		if (!mkdir(path, 0700))
			return 0;
		if (errno != EEXIST)
			return -errno;
	}
	return -EEXIST;
}

void folder_empty(int folder)
{
	int again = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *listing = again < 0 ? NULL : fdopendir(again);
	struct dirent *entry;

	if (!listing) {
		close(again);
		return;
	}
	while ((entry = readdir(listing))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		if (entry->d_type == DT_DIR || (unlinkat(folder, entry->d_name, 0) && errno == EISDIR))
			folder_remove(folder, entry->d_name);
	}
	closedir(listing);
}

void folder_remove(int parent, const char *name)
{
	int folder = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (folder >= 0) {
		folder_empty(folder);
		close(folder);
	}
	unlinkat(parent, name, AT_REMOVEDIR);
}
