// SPDX-License-Identifier: Apache-2.0
#include "descriptors.h"

#include <errno.h>
#include <sys/resource.h>

#define KERNEL_MAXIMUM (1u << 20) // the default of fs.nr_open: no process may have more

int descriptors_raise(uint64_t needed, uint64_t *hard_limit)
{
	struct rlimit limit;
	*hard_limit = 0;
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return -errno;
	*hard_limit = limit.rlim_max;
	if (limit.rlim_cur >= needed)
		return 0;
	struct rlimit wanted = {needed, needed > limit.rlim_max ? needed : limit.rlim_max};
	if (setrlimit(RLIMIT_NOFILE, &wanted) == 0)
		return 0;
	return needed > limit.rlim_max ? -EMFILE : -errno;
}

void descriptors_raise_to_maximum(void)
{
	struct rlimit limit, maximum = {KERNEL_MAXIMUM, KERNEL_MAXIMUM};
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	if (limit.rlim_max >= KERNEL_MAXIMUM || setrlimit(RLIMIT_NOFILE, &maximum) != 0)
		setrlimit(RLIMIT_NOFILE, &limit);
}
