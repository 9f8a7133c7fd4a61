// SPDX-License-Identifier: Apache-2.0
#include "beat.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "clock.h"

// Less than this is not told from the grain of the kernel's accounts. Without its account of waiting for a CPU, what a
// scheduler may do to one of many busy threads has to be left out as well.
#define STOOD_MIN_NS (20 * NS_PER_MS)
#define STOOD_MIN_BLIND_NS (200 * NS_PER_MS)

uint64_t beat_run_queue_ns(const struct beat *beat)
{
	char text[96];
	unsigned long long waited;
	ssize_t size = beat->schedstat_fd < 0 ? -1 : pread(beat->schedstat_fd, text, sizeof text - 1, 0);
	if (size <= 0)
		return 0;
	text[size] = '\0';
	return sscanf(text, "%*u %llu", &waited) == 1 ? waited : 0; // ran, waited, how often
}

void beat_begin(struct beat *beat)
{
	beat->schedstat_fd = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
	beat->at_ns = now_ns();
	beat->cpu_ns = clock_read(CLOCK_THREAD_CPUTIME_ID);
	beat->run_queue_ns = beat_run_queue_ns(beat);
}

uint64_t beat_stood_ns(struct beat *beat, uint64_t now, uint64_t expected_ns)
{
	uint64_t cpu = clock_read(CLOCK_THREAD_CPUTIME_ID), run_queue = beat_run_queue_ns(beat);
	uint64_t passed = now - beat->at_ns;
	uint64_t explained = expected_ns + (cpu - beat->cpu_ns) + (run_queue - beat->run_queue_ns);
	uint64_t stood = passed > explained ? passed - explained : 0;
	beat->at_ns = now;
	beat->cpu_ns = cpu;
	beat->run_queue_ns = run_queue;
	return stood >= (beat->schedstat_fd < 0 ? STOOD_MIN_BLIND_NS : STOOD_MIN_NS) ? stood : 0;
}

void beat_end(struct beat *beat)
{
	if (beat->schedstat_fd >= 0)
		close(beat->schedstat_fd);
	beat->schedstat_fd = -1;
}
