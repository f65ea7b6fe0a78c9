/* SPDX-License-Identifier: MIT */
/* Waiting for processes that are no children of ours. */
#ifndef PROCESS_H
#define PROCESS_H

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* A descriptor that stands for a process, whatever becomes of its number; -1 when there is none. */
int process_open(pid_t process);

enum process_event { PROCESS_ENDED, PEER_GONE, TIME_PASSED };

/* Waits for the end of a process, the closing of `peer`'s other end, or some milliseconds (-1: for ever). */
enum process_event process_wait(int process, int peer, int milliseconds);

/* A process that uses the files of this folder or was started with APPDIR set to it; 0 when there is none. */
pid_t process_using(const char *folder);

/*
 * Leaves the caller's session, folder, signals, standard streams and open files: somebody may wait for their closing.
 * Up to five descriptors stay open.
 */
void process_detach(const int *kept, size_t count);

/* How many processors this process may use, at most `limit`. */
unsigned process_processors(unsigned limit);

/*
 * With two processors: keeps the calling thread, and those that it starts from then on, to this one or to the other.
 * With another number it does nothing and returns false.  `whole`: both.
 */
bool process_halve(int processor, bool other, cpu_set_t *whole);

/* Starts a thread that nobody waits for. */
bool process_start_thread(void *(*function)(void *), void *argument);

#endif
