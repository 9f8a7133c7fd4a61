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
// As send(2), encrypted if the connection has TLS. After EAGAIN the same bytes must be sent again.
ssize_t tcp_send(struct conn *c, const void *data, size_t size);
// The connection failed with an errno. Notes what TLS says about it.
void tcp_fail(struct worker *w, struct conn *c, int error, uint64_t now);
// Begins to send the target's request and the plan's upload. What the socket does not take is sent when it is writable.
void tcp_send_request(struct worker *w, struct conn *c, uint64_t now);

#endif
