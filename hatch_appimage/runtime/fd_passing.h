/* SPDX-License-Identifier: MIT */
/* Messages with open files in them, from process to process: unix(7), SCM_RIGHTS. */
#ifndef FD_PASSING_H
#define FD_PASSING_H

#include <stddef.h>

/* A pair of sockets between processes: each send is one receive, and who has died is at an end.  Negative errno value. */
int fd_pair(int *sockets);
/* `data` has one byte at least. */
int fd_send(int socket, const void *data, size_t size, const int *descriptors, unsigned count);
/*
 * Exactly these bytes and up to `max` files, which are closed when another program is executed: their number; or an
 * error, also when the other end is closed, and no files.
 */
int fd_receive(int socket, void *data, size_t size, int *descriptors, unsigned max);
/* So many files with a byte that says nothing; 0, or an error and no files. */
int fd_receive_exactly(int socket, int *descriptors, unsigned count);

#endif
