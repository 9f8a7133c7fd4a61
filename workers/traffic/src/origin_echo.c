// SPDX-License-Identifier: Apache-2.0
// Plain echoes, over TCP and UDP.
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "origin.h"

#define DATAGRAMS_PER_EVENT 16 // before other sockets have their turn

void echo_writable(struct server *s, struct peer *p)
{
	while (p->pending_done < p->pending_size) {
		ssize_t sent =
			send(p->fd, p->pending + p->pending_done, p->pending_size - p->pending_done, MSG_NOSIGNAL);
		if (sent < 0 && errno == EAGAIN)
			return;
		if (sent < 0) {
			peer_close(s, p);
			return;
		}
		p->pending_done += (size_t)sent;
		s->served.bytes_sent += (uint64_t)sent;
	}
	free(p->pending);
	p->pending = NULL;
	peer_want(s, p, EPOLLIN);
}

void echo_readable(struct server *s, struct peer *p)
{
	ssize_t got = recv(p->fd, s->scratch, SCRATCH_BYTES, 0);
	if (got < 0 && errno == EAGAIN)
		return;
	if (got <= 0) {
		peer_close(s, p);
		return;
	}
	s->served.bytes_received += (uint64_t)got;
	s->served.requests++;
	ssize_t sent = send(p->fd, s->scratch, (size_t)got, MSG_NOSIGNAL);
	if (sent < 0 && errno != EAGAIN) {
		peer_close(s, p);
		return;
	}
	if (sent < 0)
		sent = 0;
	s->served.bytes_sent += (uint64_t)sent;
	if (sent == got)
		return;
	p->pending_size = (size_t)(got - sent);
	p->pending_done = 0;
	p->pending = malloc(p->pending_size);
	if (!p->pending) {
		peer_close(s, p);
		return;
	}
	memcpy(p->pending, s->scratch + sent, p->pending_size);
	peer_want(s, p, EPOLLOUT); // nothing more is read until this has left
}

void datagrams_readable(struct server *s, struct peer *p)
{
	for (int i = 0; i < DATAGRAMS_PER_EVENT; i++) {
		union address from;
		socklen_t size = sizeof from;
		ssize_t got = recvfrom(p->fd, s->scratch, SCRATCH_BYTES, 0, &from.any, &size);
		if (got < 0)
			return;
		if (!origin_expects(s, &from))
			continue;
		s->served.datagrams++;
		s->served.bytes_received += (uint64_t)got;
		// A full buffer loses the datagram, as a network would.
		ssize_t sent = sendto(p->fd, s->scratch, (size_t)got, MSG_NOSIGNAL, &from.any, size);
		if (sent > 0)
			s->served.bytes_sent += (uint64_t)sent;
	}
}
