// SPDX-License-Identifier: Apache-2.0
// The timers of an origin's thread: at most one per peer, at its due_ns.
#ifndef SHOWDOWN_TIMERS_H
#define SHOWDOWN_TIMERS_H

#include "origin_state.h"

// The peer has no timer. False: no memory.
bool timer_add(struct server *s, struct peer *p);
// Does nothing if the peer has no timer.
void timer_remove(struct server *s, struct peer *p);
// The peer whose timer expires first; NULL: there is none.
struct peer *timer_first(const struct server *s);

#endif
