// SPDX-License-Identifier: Apache-2.0
// Connections over TCP: connecting, sending a request in pieces, receiving.
#ifndef SHOWDOWN_TCP_H
#define SHOWDOWN_TCP_H

#include <sys/epoll.h>

#include "state.h"

// Edge-triggered: the socket is read until it is empty, and no request needs an epoll_ctl().
#define TCP_EVENTS (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET)

// The row `event` of struct protocol.
void tcp_event(struct worker *w, struct conn *c, uint32_t events);
// Begins to send the target's request and the plan's upload. What the socket does not take is sent when it is writable.
void tcp_send_request(struct worker *w, struct conn *c, uint64_t now);

#endif
