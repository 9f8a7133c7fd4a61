// SPDX-License-Identifier: Apache-2.0
// The host's CPU time. The generator reads it between slices, as it alone knows these instants.
#ifndef SHOWDOWN_HOST_CPU_H
#define SHOWDOWN_HOST_CPU_H

#include <stdint.h>

enum host_cpu_kind {
	CPU_USER,
	CPU_NICE,
	CPU_SYSTEM,
	CPU_IDLE,
	CPU_IOWAIT,
	CPU_IRQ,
	CPU_SOFTIRQ,
	CPU_STEAL,
	HOST_CPU_KINDS
};
extern const char *const host_cpu_names[HOST_CPU_KINDS];

// In ticks since boot, summed over all CPUs.
struct host_cpu {
	uint64_t ticks[HOST_CPU_KINDS];
};

// Opens /proc/stat, before threads start. If that fails all readings are 0.
void host_cpu_open(void);
// Thread-safe.
struct host_cpu host_cpu_read(void);
struct host_cpu host_cpu_gain(const struct host_cpu *from, const struct host_cpu *to);
void host_cpu_add(struct host_cpu *to, const struct host_cpu *from);

#endif
