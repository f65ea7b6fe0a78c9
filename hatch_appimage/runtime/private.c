/* SPDX-License-Identifier: MIT */
#include "private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "tmpdir.h"

const char *private_root(void)
{
	static char name[32];

	if (!*name) {
		enum { BOOT_DIGITS = 8 };
		char boot[BOOT_DIGITS + 1] = "0";
		int file = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
		if (file >= 0) {
			(void)!read(file, boot, BOOT_DIGITS); /* without it, one start of the machine is like the other */
			close(file);
		}
		snprintf(name, sizeof(name), "squashfs-root-%s", boot);
	}
	return name;
}

/* What root starts may go on as another user, who may read the program then, but neither list nor lock the directory. */
static mode_t own_mode(void)
{
	return geteuid() ? 0700 : 0711;
}

static int check(int directory)
{
	struct stat status;
	struct statvfs system;

	if (fstat(directory, &status) || fstatvfs(directory, &system))
		return -errno;
	if (status.st_uid != geteuid() || status.st_mode & MODE_BITS & ~(own_mode() | S_ISGID))
		return -EEXIST;
	return system.f_flag & ST_NOEXEC ? -ENOEXEC : 0;
}

int private_open(struct private *private)
{
	int directory = openat(private->parent, private->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (directory < 0) /* a link, a file, or another user's */
		return errno == ELOOP || errno == ENOTDIR || errno == EACCES ? -EEXIST : -errno;
	int error = check(directory);
	if (error)
		close(directory);
	else
		private->lock = directory;
	return error;
}

int private_make(struct private *private, bool *made)
{
	*made = !mkdirat(private->parent, private->name, own_mode());
	if (!*made && errno != EEXIST)
		return -errno;
	return private_open(private);
}

bool private_is_named(const struct private *private)
{
	struct stat held, named;

	return !fstat(private->lock, &held) &&
	       !fstatat(private->parent, private->name, &named, AT_SYMLINK_NOFOLLOW) && held.st_dev == named.st_dev &&
	       held.st_ino == named.st_ino;
}

bool private_is_whole(const struct private *private)
{
	return !faccessat(private->lock, private_root(), F_OK, AT_SYMLINK_NOFOLLOW);
}

void private_remove(const struct private *private)
{
	char old[TMPDIR_SUFFIX_ROOM];

	/* Where it cannot be renamed, half of it must not stand under this name either. */
	if (tmpdir_suffix(old) || (renameat(private->lock, private_root(), private->lock, old) && errno != ENOENT))
		return;
	tmpdir_empty(private->lock);
	unlinkat(private->parent, private->name, AT_REMOVEDIR);
}

void private_close(struct private *private)
{
	if (private->lock >= 0)
		close(private->lock);
	private->lock = -1;
}
