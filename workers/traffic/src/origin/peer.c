// SPDX-License-Identifier: Apache-2.0
#include "peer.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "timers.h"

#define ACCEPTS_PER_EVENT 64
#define NO_DESCRIPTOR_PAUSE_NS 10000000

// Written by all threads without a lock: it is for people, who can live with a mixed-up text.
static char last_wrong_client[ADDRESS_TEXT_BYTES];

const char *peer_last_wrong_client(void)
{
	return last_wrong_client;
}

bool peer_expected(struct server *s, const union address *client)
{
	bool expected = !s->plan->clients_count;
	for (int i = 0; i < s->plan->clients_count && !expected; i++)
		expected = address_same_host(client, &s->plan->clients[i]);
	if (expected)
		return true;
	s->served.wrong_clients++;
	address_text(client, last_wrong_client, sizeof last_wrong_client);
	return false;
}

void peer_want(struct server *s, struct peer *p, uint32_t events)
{
	if (p->fd < 0 || p->interest == events)
		return;
	struct epoll_event event = {.events = events, .data.ptr = p};
	epoll_ctl(s->epoll_fd, EPOLL_CTL_MOD, p->fd, &event);
	p->interest = events;
}

void peer_close(struct server *s, struct peer *p)
{
	if (p->fd < 0)
		return;
	close(p->fd);
	p->fd = -1;
	timer_remove(s, p);
	if (p->service->close)
		p->service->close(p);
	p->next = s->closed; // this batch may still hold an event of it
	s->closed = p;
}

void peers_reclaim(struct server *s)
{
	while (s->closed) {
		struct peer *p = s->closed;
		s->closed = p->next;
		p->next = s->spare;
		s->spare = p;
	}
}

static struct peer *take_peer(struct server *s)
{
	struct peer *p = s->spare, *older = p ? p->older : s->newest;
	if (p)
		s->spare = p->next;
	else
		p = s->newest = malloc(sizeof *p);
	if (!p) {
		s->newest = older;
		return NULL;
	}
	memset(p, 0, offsetof(struct peer, in)); // `in` is written before it is read
	memset(&p->in_used, 0, sizeof *p - offsetof(struct peer, in_used));
	p->older = older;
	p->timer_at = TIMER_NONE;
	p->interest = EPOLLIN;
	return p;
}

static bool add_peer(struct server *s, struct peer *listener, int fd, const union address *address)
{
	struct peer *p = take_peer(s);
	if (!p)
		return false;
	p->fd = fd;
	p->service = listener->service;
	p->address = *address;
	p->upstream = (uint32_t)((listener - s->listeners) % s->plan->addresses_count);
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = p};
	if (epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
		p->next = s->spare;
		s->spare = p;
		return false;
	}
	s->served.connections++;
	listener->accepted++;
	return true;
}

void peers_accept(struct server *s, struct peer *listener)
{
	for (int i = 0; i < ACCEPTS_PER_EVENT; i++) {
		union address address;
		socklen_t size = sizeof address;
		int fd = accept4(listener->fd, &address.any, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0) {
			// Without a descriptor the waiting connection would cause the next event at once.
			if (errno == EMFILE || errno == ENFILE)
				nanosleep(&(struct timespec){.tv_nsec = NO_DESCRIPTOR_PAUSE_NS}, NULL);
			return;
		}
		if (!peer_expected(s, &address)) {
			close(fd);
		} else if (!add_peer(s, listener, fd, &address)) {
			close(fd);
			return;
		}
	}
}
