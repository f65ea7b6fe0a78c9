/* SPDX-License-Identifier: MIT */
#ifndef MESSAGE_H
#define MESSAGE_H

#include <stddef.h>

/* Prints the texts up to NULL as one line on stderr, and exits with what a shell says when it cannot run a program. */
_Noreturn void die(const char *text, ...) __attribute__((sentinel));
/* Have die() show its line in a dialogue, too, for an application of this name; for none if it is NULL. */
void message_use_dialogue(const char *application);
/* Memory that stays until the program becomes another one. */
void *allocate(size_t size);
/* The texts up to NULL as one. */
char *join(const char *text, ...) __attribute__((sentinel));
/* A number in decimal. */
char *decimal(size_t number);

#endif
