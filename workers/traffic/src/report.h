// SPDX-License-Identifier: Apache-2.0
// What the generator says: one JSON object per line on stdout.
#ifndef SHOWDOWN_REPORT_H
#define SHOWDOWN_REPORT_H

#include "worker.h"

struct report {
	struct plan *plan;
	struct worker *workers;
	uint64_t start_ns, last_ns;
	uint32_t slices_told;
	struct stats *before; // per target, as of the last line
	uint64_t *cpu_before; // per thread
	struct hist sum, part;
};

bool report_init(struct report *report, struct plan *plan, struct worker *workers);
void report_second(struct report *report, uint64_t now);
// The slices that have drained since the last call; at the end, with their late answers, they are told once more.
void report_slices(struct report *report);
// The last line of every run, however it went. `report` may be NULL when nothing was set up.
void report_final(struct report *report, const char *failure, bool interrupted, uint64_t end_ns);
void report_json_text(const char *text);

#endif
