/* SPDX-License-Identifier: MIT */
/*
 * Between the runtime and the kernel, as the environment says:
 *
 * FAULT=<errno> FAULT_AFTER=<n>  FUSE_NOTIFY_STORE fails so after n times
 * FAULT_DELAY=<microseconds>     it takes so long before it is done
 * FAULT_MINOR=<n>                the kernel speaks this minor version of the protocol
 */
#include <errno.h>
#include <linux/fuse.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static int setting(const char *name)
{
	const char *value = getenv(name);

	return value ? atoi(value) : 0;
}

static int store_faults(void)
{
	static atomic_int stores;

	usleep((useconds_t)setting("FAULT_DELAY"));
	return atomic_fetch_add(&stores, 1) >= setting("FAULT_AFTER") ? setting("FAULT") : 0;
}

ssize_t faulty_writev(int file, const struct iovec *parts, int count)
{
	const struct fuse_out_header *header = parts->iov_base;

	if (parts->iov_len == sizeof(*header) && !header->unique && header->error == FUSE_NOTIFY_STORE &&
	    (errno = store_faults()))
		return -1;
	return syscall(SYS_writev, file, parts, count);
}

ssize_t faulty_read(int file, void *to, size_t size)
{
	ssize_t got = syscall(SYS_read, file, to, size);
	const struct fuse_in_header *header = to;

	if (got > (ssize_t)sizeof(*header) && header->len == (uint32_t)got && header->opcode == FUSE_INIT &&
	    setting("FAULT_MINOR"))
		((struct fuse_init_in *)(header + 1))->minor = (uint32_t)setting("FAULT_MINOR");
	return got;
}
