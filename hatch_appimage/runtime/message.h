/* SPDX-License-Identifier: MIT */
#ifndef MESSAGE_H
#define MESSAGE_H

/* What a shell says when it cannot execute a program, and this runtime for every failure of its own. */
enum { EXIT_CANNOT_RUN = 127 };

/* One line on stderr, then the end. */
_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* One line on stderr. */
void note(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* A negative errno value of the image's readers in words. */
const char *explain(int error);

#endif
