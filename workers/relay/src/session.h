// SPDX-License-Identifier: Apache-2.0
// One client's connection and its connection to the origin, from accept to the last byte, with half-closes and resets.
#ifndef SHOWDOWN_SESSION_H
#define SHOWDOWN_SESSION_H

#include "relay.h"

// Connects to the origin and gives the session to the worker with the fewest; `w` is the worker that accepted it.
void session_open(struct worker *w, struct session *session, int client_fd, const union address *client);
void session_event(struct side *side, uint32_t events);
// Looks again at the sessions that wait for the kernel. Returns when to call again, or NEVER.
uint64_t session_poll_draining(struct worker *w, uint64_t now);
void session_close(struct session *session);

#endif
