/* SPDX-License-Identifier: MIT */
/* Waiting for processes that are no children of ours. */
#ifndef PROCESS_H
#define PROCESS_H

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Whether a seccomp filter decides which system calls this process may make. */
bool process_is_filtered(void);

/* A descriptor that stands for a process, whatever becomes of its number; -1 when there is none. */
int process_open(pid_t process);

enum process_event { PROCESS_ENDED, PEER_READABLE, TIMED_OUT };

/* Waits for the end of a process, for data from `peer` or the closing of its other end, or some time (-1: for ever). */
enum process_event process_wait(int process, int peer, int timeout_ms);

/*
 * Forks a process that is nobody's child to wait for: the caller may become an application, which expects none.  It is in
 * a process group of its own, since what ends the application's shall not end it.  Returns 0 in that process, 1 in the
 * caller, or a negative errno value.
 */
int process_fork_aside(void);

/* A process that uses the files of this directory or was started with APPDIR set to it; 0 when there is none. */
pid_t process_using(const char *directory);
/* Whether any process does, or has a file below the directory open or mapped; takes longer. */
bool process_holds_files(const char *directory);

/*
 * Leaves the caller's directory, signals, standard streams and open files: somebody may wait for their closing.  Up to
 * six descriptors stay open, of which negative ones are none.  The session is left for setsid(), which takes the kernel
 * long.
 */
void process_detach(const int *kept, size_t count);

/* How many processors this process may use, at most `limit`. */
unsigned process_processors(unsigned limit);

/* Starts a thread that nobody waits for and, unless NULL, keeps it to these processors. */
bool process_start_thread(void *(*function)(void *), void *argument, const cpu_set_t *processors);

#endif
