/* SPDX-License-Identifier: MIT */
#include "descriptors.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

enum { MOST = 4 };

union control {
	struct cmsghdr header;
	char room[CMSG_SPACE(MOST * sizeof(int))];
};

int send_descriptors(int socket, const int *descriptors, unsigned count)
{
	union control control = {0};
	char byte = 0;
	struct iovec part = {&byte, 1};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control,
	                         .msg_controllen = CMSG_SPACE(count * sizeof(int))};

	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(count * sizeof(int));
	memcpy(CMSG_DATA(&control.header), descriptors, count * sizeof(int));
	return sendmsg(socket, &message, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int receive_descriptors(int socket, int *descriptors, unsigned count)
{
	union control control = {0};
	char byte;
	struct iovec part = {&byte, 1};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control,
	                         .msg_controllen = CMSG_SPACE(count * sizeof(int))};
	ssize_t got;

	do
		got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return -errno;
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	if (got == 0 || !header || header->cmsg_type != SCM_RIGHTS || header->cmsg_len != CMSG_LEN(count * sizeof(int)))
		return -EPROTO;
	memcpy(descriptors, CMSG_DATA(header), count * sizeof(int));
	return 0;
}
