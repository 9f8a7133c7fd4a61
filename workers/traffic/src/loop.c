// SPDX-License-Identifier: Apache-2.0
// The clock's side of the event loop: what is due is sent, what is overdue is given up, and the rest is slept through.
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#include "worker.h"

#define EVENTS 128
#define DISPATCH_MAX 32	 // sends in a row before answers are looked at again
#define OPENING_MAX 128u // connects on their way per thread: below any listener's backlog

void loop_next_due(struct worker *w)
{
	const struct slice *slice = &w->plan->slices[w->slice];
	const struct lane *lane = &w->lanes[slice->target];
	w->next_due_ns = NEVER;
	if (!w->plan->open_loop || !w->sending || lane->due.next_ns == NEVER)
		return;
	uint64_t due = w->slice_start_ns + lane->due.next_ns - slice->active_ns;
	if (due < w->slice_end_ns)
		w->next_due_ns = due;
}

void loop_dispatch(struct worker *w, uint64_t now)
{
	struct lane *lane = &w->lanes[w->plan->slices[w->slice].target];
	struct stats *stats = stats_of(w, w->slice);
	for (int i = 0; i < DISPATCH_MAX && now >= w->next_due_ns; i++) {
		uint64_t intended = w->next_due_ns;
		struct conn *c = lane->backlog ? NULL : conn_take(lane);
		hist_record(&stats->timings[SCHEDULE_LAG], now - intended);
		if (!c && !lane->backlog++)
			lane->send = lane->due; // sending stays here while the clock goes on
		if (!c)
			counter_add(&stats->counters.queued, 1);
		schedule_advance(&lane->due);
		loop_next_due(w);
		if (c)
			conn_request(w, c, intended, now);
		now = w->last_ns = now_ns();
	}
}

static void give_up(struct worker *w, struct conn *c, uint64_t now)
{
	switch (c->state) {
	case CONN_RETRY:
		c->state = CONN_FREE;
		c->deadline_ns = NEVER;
		if (w->plan->workload == HTTP_CHURN)
			conn_available(w, c, now);
		else
			conn_open(w, c, now);
		break;
	case CONN_CLOSING:
		conn_close(c);
		conn_available(w, c, now);
		break;
	default:
		if (w->plan->workload == UDP_RR)
			udp_timeout(w, c, now);
		else
			conn_failed(w, c, CAUSE_TIMEOUT, now);
	}
}

// What stood still counts for the slice that ran, the time in which it drained included.
void loop_beat(struct worker *w, uint64_t now)
{
	uint64_t stood = beat_stood_ns(&w->beat, now, SWEEP_NS);
	if (stood && w->started)
		counter_add(&w->slices[w->slice].stood_ns, stood);
}

static void sweep(struct worker *w, uint64_t now)
{
	uint32_t count = w->conns_count < SWEEP_CONNS ? w->conns_count : SWEEP_CONNS;
	while (count--) {
		struct conn *c = &w->conns[w->sweep_at];
		w->sweep_at = w->sweep_at + 1 < w->conns_count ? w->sweep_at + 1 : 0;
		if (now >= c->deadline_ns)
			give_up(w, c, now);
	}
	w->next_sweep_ns = now + SWEEP_NS;
	loop_beat(w, now); // no sleep is longer than until the next sweep
}

void loop_ask_free(struct worker *w)
{
	if (w->plan->open_loop || !w->sending)
		return;
	struct lane *lane = &w->lanes[w->plan->slices[w->slice].target];
	for (struct conn *c; (w->last_ns = now_ns()) < w->slice_end_ns && (c = conn_take(lane));)
		conn_request(w, c, w->last_ns, w->last_ns);
}

void loop_pump(struct worker *w, uint64_t until_ns)
{
	struct epoll_event events[EVENTS];
	uint64_t now = w->last_ns = now_ns(), wake = until_ns;
	if (now >= w->next_due_ns) {
		loop_dispatch(w, now);
		now = w->last_ns;
	}
	if (wake > w->next_due_ns)
		wake = w->next_due_ns;
	if (wake > w->next_sweep_ns)
		wake = w->next_sweep_ns;
	uint64_t pause = wake > now ? wake - now : 0;
	struct timespec timeout = timespec_of(pause > w->plan->spin_ns ? pause - w->plan->spin_ns : 0);
	int count = epoll_pwait2(w->epoll_fd, events, EVENTS, &timeout, NULL);
	for (int i = 0; i < count; i++) {
		conn_event(w, events[i].data.ptr, events[i].events);
		// A batch of answers must not hold up a send that fell due meanwhile.
		if (w->last_ns >= w->next_due_ns)
			loop_dispatch(w, w->last_ns);
	}
	if (count <= 0)
		w->last_ns = now_ns();
	if (w->last_ns >= w->next_sweep_ns)
		sweep(w, w->last_ns);
	loop_ask_free(w);
}

static bool stopped(const struct worker *w)
{
	return atomic_load_explicit(&w->plan->stop, memory_order_relaxed);
}

void loop_open_all(struct worker *w)
{
	uint32_t at = 0;
	while (!stopped(w) && (at < w->conns_count || w->opening)) {
		while (at < w->conns_count && w->opening < OPENING_MAX && !stopped(w)) {
			w->opening++;
			w->conns[at].opening = true;
			conn_open(w, &w->conns[at++], now_ns());
		}
		if (w->opening)
			loop_pump(w, now_ns() + SWEEP_NS);
	}
}
