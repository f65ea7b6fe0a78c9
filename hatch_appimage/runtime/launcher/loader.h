/* SPDX-License-Identifier: MIT */
#ifndef LOADER_H
#define LOADER_H

/*
 * Becomes a dynamic loader of the image's own, as if the kernel had started it with these arguments, but without
 * execve(2): /proc/self/exe stays the launcher, and so do the name and the command line of the process. Whatever starts
 * itself again by them gets here again, and not into a loader that takes the arguments for its own.
 */
_Noreturn void loader_become(const char *path, char **arguments, char **environment);

#endif
