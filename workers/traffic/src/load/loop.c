// SPDX-License-Identifier: Apache-2.0
#include "loop.h"

#include <sys/epoll.h>

#include "conn.h"

#define EVENTS 128
#define DISPATCH_MAX 32	 // sends in a row before answers are received again
#define OPENING_MAX 128u // connections per thread that connect at once: less than any listener's backlog
#define SWEEP_NS (10 * NS_PER_MS)
#define SWEEP_CONNS 2048u // checked per sweep: limits how long time-outs delay the schedule

void loop_next_due(struct worker *w)
{
	const struct slice *slice = &w->plan->slices[w->slice];
	const struct target_state *target = &w->targets[slice->target];
	w->next_due_ns = NEVER;
	if (!w->plan->open_loop || !w->sending || target->due.next_ns == NEVER)
		return;
	uint64_t due = w->slice_start_ns + target->due.next_ns - slice->active_ns;
	if (due < w->slice_end_ns)
		w->next_due_ns = due;
}

void loop_dispatch(struct worker *w, uint64_t now)
{
	struct target_state *target = current_target(w);
	struct stats *stats = stats_of_slice(w, w->slice);
	for (int i = 0; i < DISPATCH_MAX && now >= w->next_due_ns; i++) {
		uint64_t intended = w->next_due_ns;
		struct conn *c = target->backlog ? NULL : conn_take(target);
		hist_record(&stats->timings[SCHEDULE_LAG], now - intended);
		if (!c && !target->backlog++)
			target->send = target->due; // the first request of the backlog
		if (!c) {
			counter_add(&stats->counters.queued, 1);
			counter_add(&w->slices[w->slice].counters.queued, 1);
		}
		schedule_advance(&target->due);
		loop_next_due(w);
		if (c)
			conn_request(w, c, intended, now);
		now = w->last_ns = now_ns();
	}
}

// Open loop: sends the backlog's oldest requests on the connections that are free.
static void send_backlog(struct worker *w)
{
	struct target_state *target = current_target(w);
	struct conn *c;
	for (bool first = true; target->backlog && (c = conn_take(target)); first = false) {
		const struct slice *slice = &w->plan->slices[w->slice];
		uint64_t intended = w->slice_start_ns + target->send.next_ns - slice->active_ns;
		if (!first)
			w->last_ns = now_ns();
		schedule_advance(&target->send);
		target->backlog--;
		conn_request(w, c, intended, w->last_ns);
	}
}

void loop_check_stall(struct worker *w, uint64_t now)
{
	// No sleep is longer than until the next sweep.
	uint64_t stalled = stall_check_ns(&w->stall, now, SWEEP_NS);
	if (stalled && w->started)
		counter_add(&w->slices[w->slice].counters.stalled_ns, stalled);
}

static void sweep(struct worker *w, uint64_t now)
{
	uint32_t count = w->conns_count < SWEEP_CONNS ? w->conns_count : SWEEP_CONNS;
	while (count--) {
		struct conn *c = &w->conns[w->sweep_at];
		w->sweep_at = w->sweep_at + 1 < w->conns_count ? w->sweep_at + 1 : 0;
		if (now >= c->deadline_ns)
			w->protocol->timeout(w, c, now);
	}
	w->next_sweep_ns = now + SWEEP_NS;
	loop_check_stall(w, now);
	send_backlog(w);
}

void loop_request_free(struct worker *w)
{
	if (w->plan->open_loop || !w->sending)
		return;
	struct target_state *target = current_target(w);
	for (struct conn *c; (w->last_ns = now_ns()) < w->slice_end_ns && (c = conn_take(target));)
		conn_request(w, c, w->last_ns, w->last_ns);
}

// How long the thread may sleep.
static struct timespec time_to_sleep(const struct worker *w, uint64_t now, uint64_t until_ns)
{
	uint64_t wake = until_ns;
	if (wake > w->next_due_ns)
		wake = w->next_due_ns;
	if (wake > w->next_sweep_ns)
		wake = w->next_sweep_ns;
	uint64_t pause = wake > now ? wake - now : 0;
	return timespec_of(pause > w->plan->spin_ns ? pause - w->plan->spin_ns : 0);
}

// Multiplexed protocols: what was asked and acknowledged meanwhile leaves in as few records as possible.
static inline void flush(struct worker *w)
{
	if (w->unsent)
		w->protocol->flush(w);
}

static void handle_event(struct worker *w, const struct epoll_event *event)
{
	struct conn *c = conn_of_token(w, event->data.u64);
	if (c) // else an earlier event of this batch closed it
		w->protocol->event(w, c, event->events);
	send_backlog(w);
	// A batch of events must not delay a send that fell due meanwhile.
	if (w->last_ns >= w->next_due_ns)
		loop_dispatch(w, w->last_ns);
}

void loop_pump(struct worker *w, uint64_t until_ns)
{
	struct epoll_event events[EVENTS];
	w->last_ns = now_ns();
	if (w->last_ns >= w->next_due_ns)
		loop_dispatch(w, w->last_ns);
	flush(w);
	struct timespec timeout = time_to_sleep(w, w->last_ns, until_ns);
	int count = epoll_pwait2(w->epoll_fd, events, EVENTS, &timeout, NULL);
	for (int i = 0; i < count; i++) {
		handle_event(w, &events[i]);
		flush(w);
	}
	if (count <= 0)
		w->last_ns = now_ns();
	if (w->last_ns >= w->next_sweep_ns)
		sweep(w, w->last_ns);
	loop_request_free(w);
}

void loop_open_all(struct worker *w)
{
	uint32_t at = 0;
	while (!worker_stopped(w) && (at < w->sockets_count || w->opening)) {
		while (at < w->sockets_count && w->opening < OPENING_MAX && !worker_stopped(w)) {
			w->opening++;
			w->conns[at].opening = true;
			conn_open(w, &w->conns[at++], now_ns());
		}
		if (w->opening)
			loop_pump(w, now_ns() + SWEEP_NS);
	}
}
