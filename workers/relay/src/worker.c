// SPDX-License-Identifier: Apache-2.0
#include "worker.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "clock.h"
#include "datagram.h"
#include "flow.h"
#include "session.h"

#define EVENTS 128
#define ACCEPTS 16
#define ACCEPT_PAUSE_NS (5 * NS_PER_MS) // between attempts, while no session is free

static char listener_mark; // its address marks the listener's events

static bool start_accepting(struct worker *w)
{
	// EPOLLEXCLUSIVE: a new client wakes one of the sleeping threads, not all.
	struct epoll_event event = {.events = EPOLLIN | EPOLLEXCLUSIVE, .data.ptr = &listener_mark};
	w->accepting = epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, w->relay->listen_fd, &event) == 0;
	w->accept_again_ns = w->accepting ? NEVER : now_ns() + ACCEPT_PAUSE_NS;
	return w->accepting;
}

static void hold_back(struct worker *w)
{
	if (!atomic_exchange(&w->relay->limit_reported, true))
		fprintf(stderr,
			"showdown-relay: all %u connections or file descriptors are in use; new clients wait in the "
			"listener's backlog; raise --connections or the limit of open files\n",
			w->relay->options.connections);
	counter_add(&w->counters->held_back, 1);
	epoll_ctl(w->epoll_fd, EPOLL_CTL_DEL, w->relay->listen_fd, NULL);
	w->accepting = false;
	w->accept_again_ns = now_ns() + ACCEPT_PAUSE_NS;
}

static void accept_clients(struct worker *w)
{
	for (int i = 0; i < ACCEPTS; i++) {
		union address client;
		socklen_t size = sizeof client;
		struct session *session = session_pool_take(&w->relay->sessions);
		if (!session) {
			hold_back(w);
			return;
		}
		int fd = accept4(w->relay->listen_fd, &client.any, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0) {
			session_pool_return(&w->relay->sessions, session);
			// Without descriptors or memory the client stays in the backlog, and epoll would report it at
			// once and forever.
			if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
				hold_back(w);
			return;
		}
		session_open(w, session, fd, &client);
	}
}

static void return_closed(struct worker *w)
{
	while (w->closed) {
		struct session *session = w->closed;
		w->closed = session->next;
		session_pool_return(&w->relay->sessions, session);
	}
}

bool worker_open(struct worker *w, struct relay *relay, struct counters *counters)
{
	struct epoll_event stop = {.events = EPOLLIN, .data.ptr = NULL};
	*w = (struct worker){.relay = relay, .counters = counters, .epoll_fd = epoll_create1(EPOLL_CLOEXEC)};
	if (relay->options.udp && !(w->buffer = malloc(DATAGRAM_BYTES)))
		return false;
	return w->epoll_fd >= 0 && epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, relay->stop_fd, &stop) == 0 &&
	       start_accepting(w);
}

static int wait_for_events(struct worker *w, struct epoll_event *events, uint64_t due_ns)
{
	struct timespec timeout;
	if (!w->accepting && w->accept_again_ns < due_ns)
		due_ns = w->accept_again_ns;
	if (due_ns == NEVER)
		return epoll_wait(w->epoll_fd, events, EVENTS, -1);
	uint64_t now = now_ns();
	timeout = timespec_of(due_ns > now ? due_ns - now : 0);
	return epoll_pwait2(w->epoll_fd, events, EVENTS, &timeout, NULL);
}

static void serve(struct worker *w, struct epoll_event *event)
{
	bool listener = event->data.ptr == &listener_mark;
	if (w->relay->options.udp && listener)
		flows_accept(w);
	else if (w->relay->options.udp)
		flow_event(w, event->data.ptr);
	else if (listener)
		accept_clients(w);
	else
		session_event(event->data.ptr, event->events);
}

void *worker_run(void *worker)
{
	struct worker *w = worker;
	struct epoll_event events[EVENTS];
	uint64_t due_ns = NEVER;
	for (;;) {
		int count = wait_for_events(w, events, due_ns);
		if (w->relay->options.udp)
			w->now_ns = now_ns();
		for (int i = 0; i < count; i++) {
			if (!events[i].data.ptr)
				return NULL; // stop_fd
			serve(w, &events[i]);
		}
		if (w->relay->options.udp) {
			due_ns = flows_expire(w, w->now_ns);
			continue;
		}
		// This order: `draining` may hold sessions that have closed, and must drop them before their reuse.
		due_ns = w->draining ? session_poll_draining(w, now_ns()) : NEVER;
		return_closed(w);
		if (!w->accepting && now_ns() >= w->accept_again_ns)
			start_accepting(w);
	}
}

void worker_close(struct worker *w)
{
	flows_close(w);
	free(w->buffer);
	pipes_free(&w->pipes);
	if (w->epoll_fd >= 0)
		close(w->epoll_fd);
}
