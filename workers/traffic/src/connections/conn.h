// SPDX-License-Identifier: Apache-2.0
// The state of a connection: open, established, free for a request, failed, opened again. What it carries is the
// protocol's business.
#ifndef SHOWDOWN_CONN_H
#define SHOWDOWN_CONN_H

#include "state.h"

#define CONN_PAUSE_NS (10 * NS_PER_MS) // after a failed connect or send: a refusing target must not cause a busy loop

// What epoll reports for the connection's present descriptor. A batch of events may hold one of a descriptor that was
// closed meanwhile.
static inline uint64_t conn_token(const struct worker *w, const struct conn *c)
{
	return (uint64_t)(c - w->conns) << 8 | c->generation;
}

// NULL: the descriptor that the event is about is closed.
static inline struct conn *conn_of_token(const struct worker *w, uint64_t token)
{
	struct conn *c = &w->conns[token >> 8];
	return c->fd >= 0 && c->generation == (uint8_t)token ? c : NULL;
}

void conn_open(struct worker *w, struct conn *c, uint64_t now);
// May carry requests from now on. Sends the one that waited for the connection, if any.
void conn_established(struct worker *w, struct conn *c, uint64_t now);
void conn_close(struct conn *c);
// The peer closed the connection while it carried no request. If it has carried an answer, it is opened again at once.
// Else the next sweep opens it: a peer that accepts and closes must not cause a busy loop.
void conn_lost(struct worker *w, struct conn *c, uint64_t now);
// Connects again at `at_ns`.
void conn_retry(struct conn *c, uint64_t at_ns);
// The connection failed, and its request with it. `error` is an errno, or 0 if there is none. Opens it again as
// conn_lost() does.
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
