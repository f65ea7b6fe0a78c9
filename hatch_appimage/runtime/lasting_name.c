/* SPDX-License-Identifier: MIT */
#include "lasting_name.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/xxhash.h"
#include "tmpdir.h"

int lasting_name_claim(const char *name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	/* The first byte says that it is no path. */
	int length = snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "appimage/%s", name);

	if (length >= (int)sizeof(address.sun_path) - 1)
		return -ENAMETOOLONG;
	/* What the caller executes has the claim, too: only fusermount, which may go on when the caller has been killed. */
	int claim = socket(AF_UNIX, SOCK_STREAM, 0);
	if (claim < 0)
		return -errno;
	socklen_t size = (socklen_t)offsetof(struct sockaddr_un, sun_path) + 1 + (socklen_t)length;
	if (!bind(claim, (struct sockaddr *)&address, size))
		return claim;
	int error = -errno;
	close(claim);
	return error;
}

/*
 * Nobody can set the time of a file's last change.  The rest is for file systems that have no such time: the beginning of
 * the image has its size and the places of its tables.
 */
static int describe(int file, uint64_t offset, uint64_t *seed)
{
	enum { SUPER = 96 };
	char super[SUPER];
	struct stat status;

	if (fstat(file, &status))
		return -errno;
	if (pread(file, super, sizeof(super), (off_t)offset) != sizeof(super))
		return -EIO;
	const uint64_t facts[] = {geteuid(),
	                          status.st_ino,
	                          (uint64_t)status.st_size,
	                          (uint64_t)status.st_mtim.tv_sec,
	                          (uint64_t)status.st_mtim.tv_nsec,
	                          (uint64_t)status.st_ctim.tv_sec,
	                          (uint64_t)status.st_ctim.tv_nsec};
	*seed = XXH64(super, sizeof(super), XXH64(facts, sizeof(facts), 0));
	return 0;
}

int lasting_name_choose(char *name, size_t room, const char *prefix, int file, uint64_t offset)
{
	enum { NAMES = 32 };
	uint64_t seed;
	int error = describe(file, offset, &seed);
	int claim = error ? error : -EADDRINUSE;

	for (unsigned number = 0; claim == -EADDRINUSE && number < NAMES; number++) {
		char suffix[TMPDIR_SUFFIX_ROOM];
		tmpdir_spell(XXH64(&number, sizeof(number), seed), suffix);
		snprintf(name, room, "%s%s", prefix, suffix);
		claim = lasting_name_claim(name);
	}
	if (claim < 0)
		name[0] = 0;
	return claim;
}
