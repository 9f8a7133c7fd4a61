// SPDX-License-Identifier: Apache-2.0
// The generator's output: one JSON object per line on stdout.
#ifndef SHOWDOWN_REPORT_H
#define SHOWDOWN_REPORT_H

#include "state.h"

struct report {
	struct plan *plan;
	struct worker *workers;
	uint64_t start_ns, last_ns;
	uint32_t slices_reported;
	struct stats *before; // per target, as of the latest "second" line
	uint64_t *cpu_before; // per thread
	struct hist sum, part;
};

// report_second.c: once per second. report_init() returns false if there is no memory.
bool report_init(struct report *report, struct plan *plan, struct worker *workers);
void report_second(struct report *report, uint64_t now);

// report_slice.c: the slices that have drained since the latest call. The last line repeats them with late answers.
void report_slices(struct report *report);
// For the last line: the slices that have started, as an array.
void report_all_slices(const struct report *report);
// The host's CPU time from a slice's start until it had drained; 0 for a slice that was cut off.
struct host_cpu report_slice_cpu(const struct slice *slice);
// The timing that matters in this loop: latency or service_time.
enum timing report_main_timing(const struct plan *plan);

// report_final.c: the last line of every run. `report` is NULL if set-up failed.
void report_final(const struct report *report, const char *failure, bool interrupted, uint64_t end_ns);

#endif
