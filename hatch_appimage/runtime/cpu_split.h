/* SPDX-License-Identifier: MIT */
/* While an application starts, its requests are answered on its own processor and files are prefetched on the other. */
#ifndef CPU_SPLIT_H
#define CPU_SPLIT_H

#include <sched.h>
#include <stdbool.h>

/* `exists` is false with another number of processors than two. */
struct cpu_split {
	bool exists;
	cpu_set_t all;
	cpu_set_t requests;
	cpu_set_t prefetching;
};

/* Where the calling thread runs, requests will be answered. */
struct cpu_split cpu_split_make(void);
/* Pins the calling thread, and those that it starts from then on. */
void cpu_split_set_affinity(const struct cpu_split *split, const cpu_set_t *processors);

#endif
