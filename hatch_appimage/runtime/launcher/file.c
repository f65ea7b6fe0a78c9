/* SPDX-License-Identifier: MIT */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "message.h"

char *read_file(int file, size_t max, size_t *size)
{
	struct stat status;

	if (fstat(file, &status))
		return NULL;
	if (!S_ISREG(status.st_mode) || (uintmax_t)status.st_size > max) {
		errno = S_ISREG(status.st_mode) ? EFBIG : EINVAL;
		return NULL;
	}
	*size = (size_t)status.st_size;
	char *text = allocate(*size + 1);
	if (!read_at(file, text, *size, 0))
		return NULL;
	text[*size] = 0;
	return text;
}

bool read_at(int file, void *to, size_t size, uint64_t offset)
{
	for (size_t done = 0; done < size;) {
		ssize_t got = pread(file, (char *)to + done, size - done, (off_t)(offset + done));
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			errno = got ? errno : EIO; /* it is shorter than it should be */
			return false;
		}
		done += (size_t)got;
	}
	return true;
}

char *directory_of(const char *path)
{
	char *directory = join(path, NULL);

	*strrchr(directory, '/') = 0;
	return directory;
}

bool is_same_file(const char *one, const char *other)
{
	struct stat first, second;

	return !stat(one, &first) && !stat(other, &second) && first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

bool is_script(const char *path)
{
	char start[2];
	int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (file < 0)
		return false;
	bool script = read_at(file, start, sizeof(start), 0) && !memcmp(start, "#!", sizeof(start));
	close(file);
	return script;
}
