// SPDX-License-Identifier: Apache-2.0
// The event loop of a thread: sends what is due, handles events, gives up what is overdue, and sleeps otherwise.
#ifndef SHOWDOWN_LOOP_H
#define SHOWDOWN_LOOP_H

#include "state.h"

// Opens all connections; returns when all are established, or the run was stopped.
void loop_open_all(struct worker *w);
// One round of the loop, which sleeps until `until_ns` at the longest.
void loop_pump(struct worker *w, uint64_t until_ns);
// Open loop: sends what is due at `now`.
void loop_dispatch(struct worker *w, uint64_t now);
// Open loop: sets next_due_ns from the schedule.
void loop_next_due(struct worker *w);
// Closed loop: begins a request on every free connection.
void loop_request_free(struct worker *w);
// Adds the time in which the thread was stalled to its slice.
void loop_check_stall(struct worker *w, uint64_t now);

#endif
