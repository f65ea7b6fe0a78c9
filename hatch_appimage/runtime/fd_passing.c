/* SPDX-License-Identifier: MIT */
#include "fd_passing.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_FDS = 4 };

union control {
	struct cmsghdr header;
	char room[CMSG_SPACE(MAX_FDS * sizeof(int))];
};

int fd_pair(int *sockets)
{
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) ? -errno : 0;
}

int fd_send(int socket, const void *data, size_t size, const int *descriptors, unsigned count)
{
	union control control = {0};
	struct iovec part = {(void *)data, size};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	ssize_t sent;

	if (count) {
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(count * sizeof(int));
		memcpy(CMSG_DATA(&control.header), descriptors, count * sizeof(int));
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(count * sizeof(int));
	}
	do
		sent = sendmsg(socket, &message, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	if (sent < 0)
		return -errno;
	return (size_t)sent == size ? 0 : -EIO;
}

/* How many files came; they are in `descriptors`. */
static unsigned take_descriptors(struct msghdr *message, int *descriptors)
{
	struct cmsghdr *header = CMSG_FIRSTHDR(message);

	if (!header || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
		return 0;
	unsigned count = (unsigned)((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
	memcpy(descriptors, CMSG_DATA(header), count * sizeof(int));
	return count;
}

int fd_receive(int socket, void *data, size_t size, int *descriptors, unsigned max)
{
	union control control = {0};
	int taken[MAX_FDS];
	struct iovec part = {data, size};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control,
	                         .msg_controllen = sizeof(control.room)};
	ssize_t got;

	do
		got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return -errno;
	unsigned number = take_descriptors(&message, taken);
	/* Those for which this process has no room are missing. */
	if ((size_t)got == size && number <= max && !(message.msg_flags & (MSG_CTRUNC | MSG_TRUNC))) {
		if (number)
			memcpy(descriptors, taken, number * sizeof(int));
		return (int)number;
	}
	while (number)
		close(taken[--number]);
	return got ? -EPROTO : -EPIPE;
}

int fd_receive_exactly(int socket, int *descriptors, unsigned count)
{
	char byte;
	int got = fd_receive(socket, &byte, 1, descriptors, count);

	while (got >= 0 && got < (int)count) {
		if (!got)
			return -EPROTO;
		close(descriptors[--got]);
	}
	return got < 0 ? got : 0;
}
