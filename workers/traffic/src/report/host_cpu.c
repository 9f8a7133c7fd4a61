// SPDX-License-Identifier: Apache-2.0
#include "host_cpu.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *const host_cpu_names[HOST_CPU_KINDS] = {"user",   "nice", "system",	 "idle",
						    "iowait", "irq",  "softirq", "steal"};
static int stat_fd = -1;

void host_cpu_open(void)
{
	stat_fd = open("/proc/stat", O_RDONLY | O_CLOEXEC);
}

struct host_cpu host_cpu_read(void)
{
	struct host_cpu cpu = {0};
	char line[512];
	ssize_t got = stat_fd < 0 ? -1 : pread(stat_fd, line, sizeof line - 1, 0);
	if (got <= 0)
		return cpu;
	line[got] = '\0';
	char *at = line + strcspn(line, " "); // after "cpu": the first line is the sum over all CPUs
	for (int i = 0; i < HOST_CPU_KINDS; i++)
		cpu.ticks[i] = strtoull(at, &at, 10);
	return cpu;
}

struct host_cpu host_cpu_gain(const struct host_cpu *from, const struct host_cpu *to)
{
	struct host_cpu gain;
	for (int i = 0; i < HOST_CPU_KINDS; i++) // idle and iowait may decrease by a tick
		gain.ticks[i] = to->ticks[i] > from->ticks[i] ? to->ticks[i] - from->ticks[i] : 0;
	return gain;
}

void host_cpu_add(struct host_cpu *to, const struct host_cpu *from)
{
	for (int i = 0; i < HOST_CPU_KINDS; i++)
		to->ticks[i] += from->ticks[i];
}
