/* SPDX-License-Identifier: MIT */
#include "cpu_split.h"

struct cpu_split cpu_split_make(void)
{
	struct cpu_split split = {.exists = false};
	size_t here = (size_t)sched_getcpu();
	int error = sched_getaffinity(0, sizeof(split.all), &split.all);

	if (error || CPU_COUNT(&split.all) != 2 || !CPU_ISSET(here, &split.all))
		return split;
	CPU_SET(here, &split.requests);
	CPU_XOR(&split.prefetching, &split.all, &split.requests);
	split.exists = true;
	return split;
}

void cpu_split_set_affinity(const struct cpu_split *split, const cpu_set_t *processors)
{
	if (split->exists)
		sched_setaffinity(0, sizeof(*processors), processors);
}
