/* SPDX-License-Identifier: MIT */
/* Time that no clock setting moves (CLOCK_MONOTONIC). */
#ifndef MONOTONIC_H
#define MONOTONIC_H

#include <pthread.h>
#include <stdint.h>

enum { NS_PER_US = 1000, NS_PER_MS = 1000 * NS_PER_US, NS_PER_S = 1000 * NS_PER_MS };

uint64_t monotonic_ns(void);
void monotonic_sleep(uint64_t ns);
/* A condition for monotonic_cond_wait(). */
void monotonic_cond_init(pthread_cond_t *cond);
/* Like pthread_cond_timedwait(3), until a value of monotonic_ns(). */
int monotonic_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t end_ns);

#endif
