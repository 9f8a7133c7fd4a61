// SPDX-License-Identifier: Apache-2.0
#include "stall.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "clock.h"

// Shorter stalls are below the granularity of the kernel's accounting. Without schedstat, time in the run queue looks
// like a stall: then the limit must exceed the time for which a scheduler keeps one of many busy threads waiting.
#define STALL_MIN_NS (20 * NS_PER_MS)
#define STALL_MIN_WITHOUT_SCHEDSTAT_NS (200 * NS_PER_MS)

uint64_t stall_run_queue_ns(const struct stall_watch *watch)
{
	char text[96];
	uint64_t waited;
	ssize_t size = watch->schedstat_fd < 0 ? -1 : pread(watch->schedstat_fd, text, sizeof text - 1, 0);
	if (size <= 0)
		return 0;
	text[size] = '\0';
	// The fields are: ns on the CPU, ns in the run queue, number of time slices.
	return sscanf(text, "%*u %" SCNu64, &waited) == 1 ? waited : 0;
}

void stall_begin(struct stall_watch *watch)
{
	watch->schedstat_fd = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
	watch->at_ns = now_ns();
	watch->cpu_ns = clock_read(CLOCK_THREAD_CPUTIME_ID);
	watch->run_queue_ns = stall_run_queue_ns(watch);
}

uint64_t stall_check_ns(struct stall_watch *watch, uint64_t now, uint64_t asleep_ns)
{
	uint64_t cpu = clock_read(CLOCK_THREAD_CPUTIME_ID), run_queue = stall_run_queue_ns(watch);
	uint64_t passed = now - watch->at_ns;
	uint64_t explained = asleep_ns + (cpu - watch->cpu_ns) + (run_queue - watch->run_queue_ns);
	uint64_t stalled = passed > explained ? passed - explained : 0;
	watch->at_ns = now;
	watch->cpu_ns = cpu;
	watch->run_queue_ns = run_queue;
	return stalled >= (watch->schedstat_fd < 0 ? STALL_MIN_WITHOUT_SCHEDSTAT_NS : STALL_MIN_NS) ? stalled : 0;
}

void stall_end(struct stall_watch *watch)
{
	if (watch->schedstat_fd >= 0)
		close(watch->schedstat_fd);
	watch->schedstat_fd = -1;
}
