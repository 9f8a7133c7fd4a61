// SPDX-License-Identifier: Apache-2.0
#ifndef SHOWDOWN_ROUTE_H
#define SHOWDOWN_ROUTE_H

#include "origin_state.h"

// Sets the peer's response by the request's method and path. /echo is answered by upload.c.
void route(struct server *s, struct peer *p, const struct request_head *head);

#endif
