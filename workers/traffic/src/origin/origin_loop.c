// SPDX-License-Identifier: Apache-2.0
#include "origin_loop.h"

#include <errno.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/prctl.h>

#include "clock.h"
#include "origin_status.h"
#include "peer.h"
#include "timers.h"

#define EVENTS 128
#define POLL_NS (100 * NS_PER_MS) // how often a thread checks whether it should end

_Atomic bool origin_stop, origin_status_requested;

// During a stall nothing is accepted, read or sent. Returns the time after it.
static uint64_t stall(const struct server *s, uint64_t now)
{
	const struct origin_plan *plan = s->plan;
	if (!plan->stall_ns || now % plan->stall_every_ns >= plan->stall_ns)
		return now;
	struct timespec until = timespec_of(now - now % plan->stall_every_ns + plan->stall_ns);
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR && !atomic_load(&origin_stop))
		;
	return now_ns();
}

static void serve(struct server *s, struct peer *p, uint32_t events)
{
	if (p->fd < 0)
		return; // an earlier event of this batch closed it
	if (p->listening)
		p->service->accept(s, p);
	else if (!(p->interest & (EPOLLIN | EPOLLOUT)) || (events & EPOLLERR))
		peer_close(s, p); // hang-ups and errors are reported even if no event is wanted
	else if (p->interest & EPOLLOUT)
		p->service->writable(s, p);
	else
		p->service->readable(s, p);
}

static void serve_timers(struct server *s, uint64_t now)
{
	for (struct peer *p; (p = timer_first(s)) && p->due_ns <= now;) {
		uint64_t due = p->due_ns;
		p->service->due(s, p, now);
		if (timer_first(s) == p && p->due_ns == due)
			timer_remove(s, p); // its socket is full; it goes on once that is writable
	}
}

static struct timespec time_to_sleep(const struct server *s)
{
	const struct peer *first = timer_first(s);
	uint64_t now = first ? now_ns() : 0, pause = POLL_NS;
	if (first && first->due_ns < now + pause)
		pause = first->due_ns > now ? first->due_ns - now : 0;
	return timespec_of(pause);
}

static void thread_setup(const struct server *s)
{
	if (s->plan->cpus_count) {
		cpu_set_t cpus;
		CPU_ZERO(&cpus);
		CPU_SET(s->plan->cpus[s->index], &cpus);
		pthread_setaffinity_np(pthread_self(), sizeof cpus, &cpus); // was checked with the options
	}
	prctl(PR_SET_TIMERSLACK, 1ul); // the default of 50 us would delay every token
}

void *server_run(void *argument)
{
	struct server *s = argument;
	struct epoll_event events[EVENTS];
	thread_setup(s);
	while (!atomic_load_explicit(&origin_stop, memory_order_relaxed)) {
		struct timespec timeout = time_to_sleep(s);
		int count = epoll_pwait2(s->epoll_fd, events, EVENTS, &timeout, NULL);
		// The first thread is the process's main one, which signals wake up.
		if (!s->index && atomic_exchange(&origin_status_requested, false))
			origin_print_status();
		uint64_t now = stall(s, now_ns());
		for (int i = 0; i < count; i++) {
			if (s->plan->stall_ns)
				now = stall(s, now_ns());
			serve(s, events[i].data.ptr, events[i].events);
		}
		serve_timers(s, now);
		peers_reclaim(s);
	}
	return NULL;
}
