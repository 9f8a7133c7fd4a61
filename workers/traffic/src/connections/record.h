// SPDX-License-Identifier: Apache-2.0
// Counts requests: for the target and for the request's slice.
#ifndef SHOWDOWN_RECORD_H
#define SHOWDOWN_RECORD_H

#include "state.h"

// The connection's request is being sent now.
void record_sent(struct worker *w, struct conn *c, uint64_t now);
// The connection's request failed; without a request it is a failed reconnection.
void record_error(struct worker *w, struct conn *c, enum cause cause);
// The slice has drained: what was not sent or not answered gets the time for which it was waited for.
void record_drained(struct worker *w, uint64_t now);
// An error of a slice that belongs to no connection's request.
void record_slice_error(struct worker *w, uint32_t slice, enum cause cause);
// A request of a slice was answered correctly.
void record_answer(struct worker *w, uint32_t slice, uint64_t intended_ns, uint64_t sent_ns, uint64_t now);
void record_bytes_sent(struct worker *w, uint32_t slice, uint64_t bytes);
void record_bytes_received(struct worker *w, uint32_t slice, uint64_t bytes);
// The same bytes, for the connection's source address; what comes while a slice drains is in no step.
void record_source_bytes(struct worker *w, const struct conn *c, uint64_t bytes, uint64_t now);
// A time of the connection's request.
void record_timing(struct worker *w, const struct conn *c, enum timing timing, uint64_t value_ns);

#endif
