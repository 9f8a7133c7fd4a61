// SPDX-License-Identifier: Apache-2.0
// The origin's output: one JSON object per line on stdout.
#ifndef SHOWDOWN_ORIGIN_STATUS_H
#define SHOWDOWN_ORIGIN_STATUS_H

#include "origin_state.h"

// The threads whose counters are printed from now on.
void origin_status_of(const struct server *servers, int count);
// The line "ready": the ports.
void origin_print_ready(const struct origin_plan *plan);
// The line "status": the counters so far, and connections by address.
void origin_print_status(void);
// The last line.
void origin_print_final(const char *failure);

#endif
