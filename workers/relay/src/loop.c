// SPDX-License-Identifier: Apache-2.0
// A thread's loop: it accepts, and serves the connections that were given to it. Threads share the listener and the
// spare connections, nothing else.
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "clock.h"
#include "relay.h"

#define EVENTS 128
#define ACCEPTS 16
#define LOOK_NS (5 * NS_PER_MS) // for a spare connection, while accepting is held back

static char listener_mark;

static bool listener_watch(struct worker *w, bool accept)
{
	// Exclusive: one of the sleeping threads wakes for a client, not all.
	struct epoll_event event = {.events = EPOLLIN | EPOLLEXCLUSIVE, .data.ptr = &listener_mark};
	w->accepting = accept;
	return epoll_ctl(w->epoll_fd, accept ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, w->relay->listen_fd, &event) == 0;
}

static void hold_back(struct worker *w)
{
	if (!atomic_exchange(&w->relay->told_limit, true))
		fprintf(stderr,
			"showdown-relay: all %u connections or the descriptors are in use; more clients wait in the "
			"listener's backlog (--connections and the limit of open files allow more)\n",
			w->relay->options.connections);
	tally_add(&w->tally->held_back, 1);
	w->accept_again_ns = now_ns() + LOOK_NS;
	listener_watch(w, false);
}

static void accept_clients(struct worker *w)
{
	for (int i = 0; i < ACCEPTS; i++) {
		union address client;
		socklen_t size = sizeof client;
		struct link *link = link_take(w->relay);
		if (!link) {
			hold_back(w);
			return;
		}
		int fd = accept4(w->relay->listen_fd, &client.any, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0) {
			link_give_back(w->relay, link);
			// Out of descriptors or memory: the waiting client would wake us again at once and for ever.
			if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
				hold_back(w);
			return;
		}
		link_begin(w, link, fd, &client);
	}
}

static void free_closed(struct worker *w)
{
	while (w->closed) {
		struct link *link = w->closed;
		w->closed = link->next;
		link_give_back(w->relay, link);
	}
}

bool worker_open(struct worker *w, struct relay *relay, int index)
{
	struct epoll_event stop = {.events = EPOLLIN, .data.ptr = NULL};
	*w = (struct worker){.relay = relay, .index = index, .tally = &relay->page->tallies[index]};
	w->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	return w->epoll_fd >= 0 && epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, relay->stop_fd, &stop) == 0 &&
	       listener_watch(w, true);
}

static int await(struct worker *w, struct epoll_event *events, uint64_t look_again)
{
	struct timespec timeout;
	if (!w->accepting && w->accept_again_ns < look_again)
		look_again = w->accept_again_ns;
	if (look_again == NEVER)
		return epoll_wait(w->epoll_fd, events, EVENTS, -1);
	uint64_t now = now_ns();
	timeout = timespec_of(look_again > now ? look_again - now : 0);
	return epoll_pwait2(w->epoll_fd, events, EVENTS, &timeout, NULL);
}

void *worker_run(void *worker)
{
	struct worker *w = worker;
	struct epoll_event events[EVENTS];
	uint64_t look_again = NEVER;
	for (;;) {
		int count = await(w, events, look_again);
		for (int i = 0; i < count; i++) {
			struct end *end = events[i].data.ptr;
			if (!end)
				return NULL;
			if (events[i].data.ptr == &listener_mark)
				accept_clients(w);
			else
				link_event(end->link, end, events[i].events);
		}
		// Before closed connections may be used again: those that the kernel was to finish are known here, too.
		look_again = w->draining ? kernel_settle(w, now_ns()) : NEVER;
		free_closed(w);
		if (!w->accepting && now_ns() >= w->accept_again_ns)
			listener_watch(w, true);
	}
}

void worker_close(struct worker *w)
{
	pipes_free(w);
	if (w->epoll_fd >= 0)
		close(w->epoll_fd);
}
