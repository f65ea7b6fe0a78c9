/* SPDX-License-Identifier: MIT */
/* Open files handed from process to process: unix(7), SCM_RIGHTS. */
#ifndef DESCRIPTORS_H
#define DESCRIPTORS_H

int send_descriptors(int socket, const int *descriptors, unsigned count);
/* All of them, closed when another program is executed, or an error and none. */
int receive_descriptors(int socket, int *descriptors, unsigned count);

#endif
