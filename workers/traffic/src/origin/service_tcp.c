// SPDX-License-Identifier: Apache-2.0
// tcp: echoes bytes.
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "peer.h"

static void free_pending(struct peer *p)
{
	free(p->pending);
	p->pending = NULL;
}

static void writable(struct server *s, struct peer *p)
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
	free_pending(p);
	peer_want(s, p, EPOLLIN);
}

// Keeps bytes that the socket did not take. Nothing is read until they are sent.
static void keep_pending(struct server *s, struct peer *p, const uint8_t *data, size_t size)
{
	p->pending_size = size;
	p->pending_done = 0;
	p->pending = malloc(size);
	if (!p->pending) {
		peer_close(s, p);
		return;
	}
	memcpy(p->pending, data, size);
	peer_want(s, p, EPOLLOUT);
}

static void readable(struct server *s, struct peer *p)
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
	if (sent < got)
		keep_pending(s, p, s->scratch + sent, (size_t)(got - sent));
}

static const struct service tcp_echo = {
	.name = "tcp",
	.help = "port of the TCP echo; 0: any free one",
	.socket_type = SOCK_STREAM,
	.accept = peers_accept,
	.readable = readable,
	.writable = writable,
	.close = free_pending,
};
SERVICE(tcp_echo);
