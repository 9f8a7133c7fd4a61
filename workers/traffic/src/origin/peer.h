// SPDX-License-Identifier: Apache-2.0
// The origin's connections: their memory, their events, and which clients are served.
#ifndef SHOWDOWN_PEER_H
#define SHOWDOWN_PEER_H

#include "origin_state.h"

// Sets the events that epoll reports for the peer.
void peer_want(struct server *s, struct peer *p, uint32_t events);
void peer_close(struct server *s, struct peer *p);
// Makes the memory of closed peers available: no event of the batch can refer to them any more.
void peers_reclaim(struct server *s);
// Accepts waiting connections: the row `accept` of services over TCP.
void peers_accept(struct server *s, struct peer *listener);
// Whether this client is served; counts it if not.
bool peer_expected(struct server *s, const union address *client);
// The latest client that was not expected, as text; empty: there was none.
const char *peer_last_wrong_client(void);

#endif
