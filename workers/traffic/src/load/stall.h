// SPDX-License-Identifier: Apache-2.0
// Detects that a thread was stalled: it neither ran, nor waited for a CPU, nor slept as long as it had asked to.
// Causes are a stopped process, a frozen cgroup or a page fault served from disk. A closed loop has no other sign of a
// stall: no request is late where none was due.
#ifndef SHOWDOWN_STALL_H
#define SHOWDOWN_STALL_H

#include <stdint.h>

// The thread's clocks at its latest check.
struct stall_watch {
	int schedstat_fd; // -1: the kernel does not report how long a thread waited for its CPU
	uint64_t at_ns, cpu_ns, run_queue_ns;
};

// All functions but stall_run_queue_ns() are called by the watched thread.
void stall_begin(struct stall_watch *watch);
// The stalled time since the latest check; 0 if it was too short to detect. `asleep_ns`: the longest sleep in between.
uint64_t stall_check_ns(struct stall_watch *watch, uint64_t now_ns, uint64_t asleep_ns);
// How long the thread has waited for a CPU since it started; 0 if the kernel does not report it.
uint64_t stall_run_queue_ns(const struct stall_watch *watch);
void stall_end(struct stall_watch *watch);

#endif
