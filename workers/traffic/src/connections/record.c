// SPDX-License-Identifier: Apache-2.0
#include "record.h"

#include "slow.h"

void record_sent(struct worker *w, struct conn *c, uint64_t now)
{
	struct stats *stats = stats_of_slice(w, c->slice);
	if (w->plan->open_loop) {
		if (w->last_sent_ns)
			hist_record(&stats->timings[SEND_GAP], now - w->last_sent_ns);
		w->last_sent_ns = now;
	}
	counter_add(&stats->counters.sent, 1);
	counter_add(&w->slices[c->slice].counters.sent, 1);
}

static void record_latency(struct worker *w, uint32_t index, uint64_t latency_ns)
{
	hist_record(&stats_of_slice(w, index)->timings[LATENCY], latency_ns);
	hist_record(&w->slices[index].timing, latency_ns);
}

// Marks the step of the request's slice in which it was due.
static void record_slow(struct worker *w, uint32_t index, uint64_t intended_ns, uint64_t latency_ns)
{
	const struct slice *slice = &w->plan->slices[index];
	uint64_t start = atomic_load_explicit(&slice->start_ns, memory_order_relaxed);
	uint64_t step = intended_ns > start ? (intended_ns - start) / SLOW_STEP_NS : 0;
	if (w->slices[index].slow && step < slow_steps(slice->length_ns))
		slow_mark(&w->slices[index].slow[step], latency_ns);
}

static void record_service_time(struct worker *w, uint32_t index, uint64_t service_ns)
{
	hist_record(&stats_of_slice(w, index)->timings[SERVICE_TIME], service_ns);
	if (!w->plan->open_loop)
		hist_record(&w->slices[index].timing, service_ns);
}

static void count_censored(struct worker *w, uint32_t index)
{
	counter_add(&stats_of_slice(w, index)->counters.censored, 1);
	counter_add(&w->slices[index].counters.censored, 1);
}

// A sent request without an answer: its true times are at least these.
static void record_censored(struct worker *w, uint32_t index, uint64_t latency_ns, uint64_t service_ns)
{
	record_service_time(w, index, service_ns);
	if (w->plan->open_loop)
		record_latency(w, index, latency_ns);
	count_censored(w, index);
}

// A failed request counts as slower than any that was answered: however early it failed, an answer never came.
static void record_failed(struct worker *w, const struct conn *c)
{
	uint64_t at_least = w->plan->timeout_ns, now = w->last_ns;
	uint64_t latency_ns = now > c->intended_ns ? now - c->intended_ns : 0;
	uint64_t service_ns = now > c->sent_ns ? now - c->sent_ns : 0;
	record_slow(w, c->slice, c->intended_ns, latency_ns > at_least ? latency_ns : at_least);
	record_censored(w, c->slice, latency_ns > at_least ? latency_ns : at_least,
			service_ns > at_least ? service_ns : at_least);
}

// The step of a time in a slice; what is later than its end is in the last one.
static struct failed_step *failed_at(struct worker *w, uint32_t index, uint64_t at_ns)
{
	const struct slice *slice = &w->plan->slices[index];
	uint64_t start = atomic_load_explicit(&slice->start_ns, memory_order_relaxed);
	uint64_t step = at_ns > start ? (at_ns - start) / w->plan->failed_step_ns : 0;
	uint64_t last = plan_failed_steps(w->plan, slice) - 1;
	return &w->slices[index].failed[step < last ? step : last];
}

// An error without a request is one of the slice that runs.
static void record_failed_step(struct worker *w, const struct conn *c)
{
	uint32_t index = c->active ? c->slice : w->slice;
	if (!w->slices[index].failed || !w->started)
		return;
	failed_at(w, index, w->last_ns)->errors++;
	if (c->active)
		failed_at(w, index, c->intended_ns)->lost++;
}

void record_error(struct worker *w, struct conn *c, enum cause cause)
{
	counter_add(&stats_of_conn(w, c)->counters.errors[cause], 1);
	record_failed_step(w, c);
	if (c->active) {
		counter_add(&w->slices[c->slice].counters.errors, 1);
		if (!w->slices[c->slice].drained)
			record_failed(w, c);
	}
	c->active = false;
}

// The backlog never left: it has a latency, but no service time.
static void record_unsent(struct worker *w, uint64_t now)
{
	struct target_state *target = current_target(w);
	const struct slice *slice = &w->plan->slices[w->slice];
	for (; target->backlog; target->backlog--) {
		uint64_t intended_ns = w->slice_start_ns + target->send.next_ns - slice->active_ns;
		record_latency(w, w->slice, now - intended_ns);
		record_slow(w, w->slice, intended_ns, now - intended_ns);
		count_censored(w, w->slice);
		counter_add(&stats_of_slice(w, w->slice)->counters.unsent, 1);
		counter_add(&w->slices[w->slice].counters.unsent, 1);
		schedule_advance(&target->send);
	}
}

void record_drained(struct worker *w, uint64_t now)
{
	struct slice_stats *own = &w->slices[w->slice];
	for (uint32_t i = 0; i < w->conns_count; i++) {
		const struct conn *c = &w->conns[i];
		if (c->active && c->slice == w->slice) {
			record_slow(w, w->slice, c->intended_ns, now - c->intended_ns);
			record_censored(w, w->slice, now - c->intended_ns, now - c->sent_ns);
		}
	}
	record_unsent(w, now);
	// Datagrams under way belong to no connection. The generator waited for each of them for a drain at least.
	uint64_t due = own->counters.sent + own->counters.unsent;
	while (own->timing.count < due)
		record_censored(w, w->slice, w->plan->drain_ns, w->plan->drain_ns);
	own->drained = true;
}

void record_slice_error(struct worker *w, uint32_t slice, enum cause cause)
{
	counter_add(&stats_of_slice(w, slice)->counters.errors[cause], 1);
	counter_add(&w->slices[slice].counters.errors, 1);
}

// Adds an answered request to the step of the slice's timeline in which it was sent. Requests that were sent while the
// slice drained are in no step.
static void record_step(const struct plan *plan, const struct slice *slice, struct step *steps, uint64_t sent_ns,
			uint64_t service_ns, uint64_t latency_ns)
{
	uint64_t start = atomic_load_explicit(&slice->start_ns, memory_order_relaxed);
	uint64_t step = sent_ns > start ? (sent_ns - start) / plan->step_ns : 0;
	if (step >= plan_steps(plan, slice))
		return;
	steps[step].requests++;
	steps[step].service_time_ns += service_ns;
	steps[step].latency_ns += latency_ns;
}

void record_answer(struct worker *w, uint32_t index, uint64_t intended_ns, uint64_t sent_ns, uint64_t now)
{
	const struct plan *plan = w->plan;
	struct stats *stats = stats_of_slice(w, index);
	struct slice_stats *own = &w->slices[index];
	uint64_t service_ns = now - sent_ns, latency_ns = now - intended_ns;
	counter_add(&stats->counters.requests, 1);
	counter_add(&own->counters.requests, 1);
	if (own->drained) { // its time has been recorded as a lower bound
		counter_add(&stats->counters.late, 1);
		counter_add(&own->counters.late, 1);
	} else {
		counter_add(now <= w->slice_end_ns ? &own->counters.delivered : &own->counters.drain_answers, 1);
		record_service_time(w, index, service_ns);
		if (plan->open_loop) {
			record_latency(w, index, latency_ns);
			record_slow(w, index, intended_ns, latency_ns);
		}
	}
	if (own->steps)
		record_step(plan, &plan->slices[index], own->steps, sent_ns, service_ns, latency_ns);
}

void record_bytes_sent(struct worker *w, uint32_t slice, uint64_t bytes)
{
	counter_add(&stats_of_slice(w, slice)->counters.bytes_sent, bytes);
	counter_add(&w->slices[slice].counters.bytes_sent, bytes);
}

void record_bytes_received(struct worker *w, uint32_t slice, uint64_t bytes)
{
	counter_add(&stats_of_slice(w, slice)->counters.bytes_received, bytes);
	counter_add(&w->slices[slice].counters.bytes_received, bytes);
}

void record_source_bytes(struct worker *w, const struct conn *c, uint64_t bytes, uint64_t now)
{
	uint64_t *received = w->slices[c->slice].received;
	if (!received)
		return;
	const struct slice *slice = &w->plan->slices[c->slice];
	uint64_t start = atomic_load_explicit(&slice->start_ns, memory_order_relaxed);
	uint64_t step = now > start ? (now - start) / w->plan->received_step_ns : 0;
	if (now < start + slice->length_ns)
		received[c->source * plan_received_steps(w->plan, slice) + step] += bytes;
}

void record_timing(struct worker *w, const struct conn *c, enum timing timing, uint64_t value_ns)
{
	hist_record(&stats_of_slice(w, c->slice)->timings[timing], value_ns);
}
