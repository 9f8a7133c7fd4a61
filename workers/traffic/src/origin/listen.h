// SPDX-License-Identifier: Apache-2.0
#ifndef SHOWDOWN_LISTEN_H
#define SHOWDOWN_LISTEN_H

#include "args.h"
#include "origin_state.h"

// Allocates what a thread needs and opens its sockets, all with SO_REUSEPORT. A port of 0 is replaced by that which the
// kernel chose, so that all later sockets of the service use it.
bool server_open(struct server *s, struct origin_plan *plan, struct args *args);

#endif
