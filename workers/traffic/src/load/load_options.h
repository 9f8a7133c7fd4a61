// SPDX-License-Identifier: Apache-2.0
// The options of `showdown-traffic load`. Most are fields of the plan; the others are needed to complete it.
#ifndef SHOWDOWN_LOAD_OPTIONS_H
#define SHOWDOWN_LOAD_OPTIONS_H

#include "options.h"
#include "plan.h"

struct load_options {
	struct plan plan;
	bool closed, ramp;
	const char *steps, *order, *check; // NULL: not given
	uint64_t body_bytes;		   // UINT64_MAX: not given
	uint64_t port_low, port_high;	   // 0: not given
};

// Parses the command line into `options`, which holds the defaults.
enum options_result load_options_read(struct load_options *options, struct args *args, int argc, char **argv);
void load_options_help(FILE *out);

// Appends the rates of "R1,R2,…" to the plan's profile.
bool load_options_steps(struct plan *plan, struct args *args, const char *text);

// load_target.c: parses one --target.
option_reader target_read;

#endif
