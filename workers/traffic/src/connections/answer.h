// SPDX-License-Identifier: Apache-2.0
// An answer over TCP: its body is compared with the expected one, and its end decides how the request counts.
#ifndef SHOWDOWN_ANSWER_H
#define SHOWDOWN_ANSWER_H

#include "state.h"

// Body bytes arrived.
void answer_body(struct worker *w, struct conn *c, const char *data, size_t size, uint64_t now);
// The answer is complete; `surplus` bytes came after it.
void answer_complete(struct worker *w, struct conn *c, size_t surplus, uint64_t now);
// The peer closed the connection.
void answer_closed(struct worker *w, struct conn *c, uint64_t now);

#endif
