// SPDX-License-Identifier: Apache-2.0
// JSON on stdout.
#ifndef SHOWDOWN_JSON_H
#define SHOWDOWN_JSON_H

#include <stdint.h>

#include "hist.h"
#include "host_cpu.h"

// A string with its quotes.
void json_text(const char *text);
// Members of an object: "name":value and a comma.
void json_whole(const char *name, uint64_t value);
// Members of an object, without a comma: the percentiles and the maximum of a histogram.
void json_percentiles(const struct hist *hist);
// A member, without a comma: "hdr" and the encoded histogram.
void json_hdr(const struct hist *hist);
// A member, without a comma: the host's CPU time.
void json_host_cpu(const struct host_cpu *cpu);
// An object: errors by cause, as counts since `before`, or since the start if it is NULL.
void json_errors(const uint64_t *now, const uint64_t *before);

#endif
