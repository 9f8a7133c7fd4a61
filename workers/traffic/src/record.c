// SPDX-License-Identifier: Apache-2.0
#include "record.h"

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

void record_error(struct worker *w, struct conn *c, enum cause cause)
{
	counter_add(&stats_of_conn(w, c)->counters.errors[cause], 1);
	if (c->active)
		counter_add(&w->slices[c->slice].counters.errors, 1);
	c->active = false;
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
	hist_record(&stats->timings[SERVICE_TIME], service_ns);
	if (plan->open_loop)
		hist_record(&stats->timings[LATENCY], latency_ns);
	hist_record(&own->timing, plan->open_loop ? latency_ns : service_ns);
	if (index != w->slice) {
		counter_add(&stats->counters.late, 1);
		counter_add(&own->counters.late, 1);
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

void record_timing(struct worker *w, const struct conn *c, enum timing timing, uint64_t value_ns)
{
	hist_record(&stats_of_slice(w, c->slice)->timings[timing], value_ns);
}
