// SPDX-License-Identifier: Apache-2.0
// The state of a connection: open, established, free for a request, failed, opened again. What it carries is the
// protocol's business.
#ifndef SHOWDOWN_CONN_H
#define SHOWDOWN_CONN_H

#include "state.h"

#define CONN_PAUSE_NS (10 * NS_PER_MS) // after a failed connect or send: a refusing target must not cause a busy loop

void conn_open(struct worker *w, struct conn *c, uint64_t now);
// May carry requests from now on. Sends the one that waited for the connection, if any.
void conn_established(struct worker *w, struct conn *c, uint64_t now);
void conn_close(struct conn *c);
// Connects again at `at_ns`.
void conn_retry(struct conn *c, uint64_t at_ns);
// The connection failed, and its request with it. `error` is an errno, or 0 if there is none.
void conn_fail(struct worker *w, struct conn *c, enum cause cause, int error, uint64_t now);

// Puts the connection into its target's list of free ones.
void conn_ready(struct worker *w, struct conn *c);
// Takes a connection out of that list; NULL: none is free.
struct conn *conn_take(struct target_state *target);
// Begins a request of the current slice on a free connection, connecting first if it has no descriptor.
void conn_request(struct worker *w, struct conn *c, uint64_t intended_ns, uint64_t now);

// Rows for struct protocol. `answered`: keeps the connection if it can carry another request.
void conn_reuse(struct worker *w, struct conn *c, uint64_t now);
// `timeout`: gives up the request, or ends the pause before the next connect.
void conn_timeout(struct worker *w, struct conn *c, uint64_t now);

#endif
