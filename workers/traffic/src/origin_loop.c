// SPDX-License-Identifier: Apache-2.0
// The origin's event loop: accepting, the clock of the streams, and freezing on purpose.
#include <errno.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "clock.h"
#include "origin.h"

#define EVENTS 128
#define LOOK_NS (100 * NS_PER_MS) // how often a thread looks whether it shall end
#define ACCEPTS_PER_EVENT 64

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
	heap_remove(s, p);
	free(p->pending);
	p->pending = NULL;
	p->next = s->closed; // reused only after this batch, in which an event of it may still wait
	s->closed = p;
}

static void heap_set(struct server *s, uint32_t at, struct peer *p)
{
	s->heap[at] = p;
	p->heap_at = at;
}

static void heap_sift(struct server *s, uint32_t at)
{
	struct peer *p = s->heap[at];
	while (at && s->heap[(at - 1) / 2]->due_ns > p->due_ns) {
		heap_set(s, at, s->heap[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	for (;;) {
		uint32_t child = 2 * at + 1;
		if (child + 1 < s->heap_count && s->heap[child + 1]->due_ns < s->heap[child]->due_ns)
			child++;
		if (child >= s->heap_count || s->heap[child]->due_ns >= p->due_ns)
			break;
		heap_set(s, at, s->heap[child]);
		at = child;
	}
	heap_set(s, at, p);
}

bool heap_push(struct server *s, struct peer *p)
{
	if (s->heap_count == s->heap_room) {
		uint32_t room = s->heap_room ? 2 * s->heap_room : 256;
		struct peer **heap = realloc(s->heap, room * sizeof(struct peer *));
		if (!heap)
			return false;
		s->heap = heap;
		s->heap_room = room;
	}
	heap_set(s, s->heap_count++, p);
	heap_sift(s, p->heap_at);
	return true;
}

void heap_remove(struct server *s, struct peer *p)
{
	uint32_t at = p->heap_at;
	if (at == HEAP_NONE)
		return;
	p->heap_at = HEAP_NONE;
	struct peer *last = s->heap[--s->heap_count];
	if (last == p)
		return;
	heap_set(s, at, last);
	heap_sift(s, at);
}

// Frozen means frozen: nothing is accepted, read or sent until the stall is over.
static uint64_t stall(const struct server *s, uint64_t now)
{
	const struct origin_plan *plan = s->plan;
	if (!plan->stall_ns || now % plan->stall_every_ns >= plan->stall_ns)
		return now;
	struct timespec until = timespec_of(now - now % plan->stall_every_ns + plan->stall_ns);
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR && !atomic_load(&origin_stop)) {
	}
	return now_ns();
}

static struct peer *new_peer(struct server *s)
{
	struct peer *p = s->spare, *older;
	if (p) {
		s->spare = p->next;
		older = p->older;
	} else {
		p = malloc(sizeof *p);
		if (!p)
			return NULL;
		older = s->newest;
		s->newest = p;
	}
	memset(p, 0, offsetof(struct peer, in)); // the rest is written before it is read
	memset(&p->in_used, 0, sizeof *p - offsetof(struct peer, in_used));
	p->older = older;
	p->heap_at = HEAP_NONE;
	p->interest = EPOLLIN;
	return p;
}

static void accept_peers(struct server *s, struct peer *listener)
{
	for (int i = 0; i < ACCEPTS_PER_EVENT; i++) {
		union address address;
		socklen_t size = sizeof address;
		int fd = accept4(listener->fd, &address.any, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0) {
			// Out of descriptors: the waiting connection would wake us again at once and for ever.
			if (errno == EMFILE || errno == ENFILE)
				nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
			return;
		}
		if (!origin_expects(s, &address)) {
			close(fd);
			continue;
		}
		struct peer *p = new_peer(s);
		struct epoll_event event = {.events = EPOLLIN, .data.ptr = p};
		if (!p || epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
			close(fd);
			if (p) {
				p->next = s->spare;
				s->spare = p;
			}
			return;
		}
		p->fd = fd;
		p->kind = listener->service == SERVE_HTTP ? PEER_HTTP : PEER_ECHO;
		p->address = address;
		s->served.connections++;
		listener->accepted++;
	}
}

static void serve(struct server *s, struct peer *p, uint32_t events)
{
	if (p->fd < 0)
		return; // closed by an earlier event of this batch
	if (p->kind == PEER_LISTENER) {
		accept_peers(s, p);
	} else if (p->kind == PEER_DATAGRAMS) {
		datagrams_readable(s, p);
	} else if (!(p->interest & (EPOLLIN | EPOLLOUT)) || (events & EPOLLERR)) {
		peer_close(s, p); // gone while it waited for a token: only hang-ups and errors are told unasked
	} else if (p->interest & EPOLLOUT) {
		p->kind == PEER_HTTP ? http_writable(s, p) : echo_writable(s, p);
	} else {
		p->kind == PEER_HTTP ? http_readable(s, p) : echo_readable(s, p);
	}
}

static void serve_streams(struct server *s, uint64_t now)
{
	while (s->heap_count && s->heap[0]->due_ns <= now) {
		struct peer *p = s->heap[0];
		uint64_t due = p->due_ns;
		http_tokens(s, p, now);
		if (s->heap_count && s->heap[0] == p && p->due_ns == due) {
			// Its socket is full: out of the clock's sight until it has been written to.
			heap_remove(s, p);
		}
	}
}

static void free_closed(struct server *s)
{
	while (s->closed) {
		struct peer *p = s->closed;
		s->closed = p->next;
		p->next = s->spare;
		s->spare = p;
	}
}

void *server_run(void *argument)
{
	struct server *s = argument;
	struct epoll_event events[EVENTS];
	if (s->plan->cpus_count) {
		cpu_set_t cpus;
		CPU_ZERO(&cpus);
		CPU_SET(s->plan->cpus[s->index], &cpus);
		pthread_setaffinity_np(pthread_self(), sizeof cpus, &cpus); // checked when the plan was read
	}
	prctl(PR_SET_TIMERSLACK, 1ul);
	while (!atomic_load_explicit(&origin_stop, memory_order_relaxed)) {
		uint64_t pause = LOOK_NS;
		if (s->heap_count) {
			uint64_t now = now_ns(), due = s->heap[0]->due_ns;
			uint64_t wait = due > now ? due - now : 0;
			if (wait < pause)
				pause = wait;
		}
		struct timespec timeout = timespec_of(pause);
		int count = epoll_pwait2(s->epoll_fd, events, EVENTS, &timeout, NULL);
		// The first thread is the process's main one: signals wake it.
		if (!s->index && atomic_exchange(&origin_asked, false))
			origin_tell_status();
		uint64_t now = stall(s, now_ns());
		for (int i = 0; i < count; i++) {
			if (s->plan->stall_ns)
				now = stall(s, now_ns());
			serve(s, events[i].data.ptr, events[i].events);
		}
		if (s->heap_count)
			serve_streams(s, now);
		free_closed(s);
	}
	return NULL;
}
