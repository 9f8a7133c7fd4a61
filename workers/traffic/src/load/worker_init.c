// SPDX-License-Identifier: Apache-2.0
// Allocates the memory of a thread.
#include <stdlib.h>
#include <sys/mman.h>

#include "slow.h"
#include "worker.h"

static bool init_target(struct worker *w, int index)
{
	struct plan *plan = w->plan;
	struct target_state *target = &w->targets[index];
	target->target = &plan->targets[index];
	target->port_cursor = (uint64_t)w->index;
	uint64_t thread = plan_thread(plan, w->index), threads = (uint64_t)plan_threads(plan);
	const struct profile *profile = &target->target->profile;
	if (plan->open_loop) {
		schedule_init(&target->due, profile, plan->arrival, plan->seed, thread, threads);
		schedule_init(&target->warm_up_due, profile, plan->arrival, ~plan->seed, thread, threads);
	}
	if (target->target->authority[0]) {
		char why[128];
		target->tls = tls_context_new(target->target->authority, &target->target->address, plan->protocol->alpn,
					      plan->resume_percent, why, sizeof why);
		if (!target->tls)
			return false;
	}
	target->named = calloc(plan->protocol->names_count + 1, sizeof *target->named);
	return target->named && plan->protocol->compose(plan, target) && stats_init(&target->measured) &&
	       stats_init(&target->warm_up);
}

// Zeroed memory whose pages are allocated when they are touched.
static void *reserve(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	return memory == MAP_FAILED ? NULL : memory;
}

static bool init_timelines(struct worker *w)
{
	for (uint32_t i = 0; i < w->plan->slices_count; i++) {
		uint32_t steps = plan_steps(w->plan, &w->plan->slices[i]);
		if (steps && !(w->slices[i].steps = calloc(steps, sizeof *w->slices[i].steps)))
			return false;
	}
	return true;
}

static bool init_slow(struct worker *w)
{
	const struct plan *plan = w->plan;
	uint64_t steps = 0, used = 0;
	for (uint32_t i = 0; i < plan->slices_count; i++)
		steps += plan->slices[i].warm_up ? 0 : slow_steps(plan->slices[i].length_ns);
	uint8_t *memory = plan->open_loop && steps ? reserve(steps) : NULL;
	if (!memory)
		return !plan->open_loop || !steps;
	for (uint32_t i = 0; i < plan->slices_count; i++) {
		if (plan->slices[i].warm_up)
			continue;
		w->slices[i].slow = memory + used;
		used += slow_steps(plan->slices[i].length_ns);
	}
	return true;
}

static bool init_received(struct worker *w)
{
	for (uint32_t i = 0; i < w->plan->slices_count; i++) {
		uint64_t counts = plan_received_counts(w->plan, &w->plan->slices[i]);
		if (counts && !(w->slices[i].received = calloc(counts, sizeof *w->slices[i].received)))
			return false;
	}
	return true;
}

static bool init_failed(struct worker *w)
{
	for (uint32_t i = 0; i < w->plan->slices_count; i++) {
		uint64_t steps = plan_failed_steps(w->plan, &w->plan->slices[i]);
		if (steps && !(w->slices[i].failed = calloc(steps, sizeof *w->slices[i].failed)))
			return false;
	}
	return true;
}

static bool init_slices(struct worker *w)
{
	uint32_t count = w->plan->slices_count, length = hist_length(HIST_2_DIGITS);
	uint64_t *counts = reserve(sizeof *counts * length * count); // each slice touches a few pages
	for (uint32_t i = 0; counts && i < count; i++)
		hist_place(&w->slices[i].timing, HIST_2_DIGITS, counts + (size_t)i * length);
	return counts && init_timelines(w) && init_slow(w) && init_received(w) && init_failed(w);
}

static bool init_conns(struct worker *w)
{
	struct plan *plan = w->plan;
	uint32_t threads = (uint32_t)plan_threads(plan);
	uint32_t rest = plan_thread(plan, w->index) < plan->connections % threads;
	uint32_t per_target = plan->connections / threads + rest;
	uint32_t streams = plan->protocol->streams ? plan->protocol->streams() : 0;
	w->sockets_count = per_target * (uint32_t)plan->targets_count;
	w->conns_count = w->sockets_count * (1 + streams);
	w->conns = calloc(w->conns_count, sizeof *w->conns);
	char *stash = reserve((size_t)w->sockets_count * HEAD_MAX); // touched by heads that arrive in pieces only
	w->tls = calloc(w->sockets_count, sizeof *w->tls);
	if (!w->conns || !stash || !w->tls)
		return false;
	for (uint32_t i = 0; i < w->conns_count; i++) {
		uint32_t socket = i < w->sockets_count ? i : (i - w->sockets_count) / streams;
		struct conn *c = &w->conns[i];
		c->fd = -1;
		c->deadline_ns = NEVER;
		c->target = (uint8_t)(socket / per_target);
		if (i != socket)
			continue;
		c->stash = stash + (size_t)i * HEAD_MAX;
		c->tls = plan->targets[c->target].authority[0] ? &w->tls[i] : NULL;
	}
	return !plan->protocol->init || plan->protocol->init(w);
}

bool worker_init(struct worker *w, struct plan *plan, int index)
{
	w->plan = plan;
	w->protocol = plan->protocol;
	w->index = index;
	w->cpu = plan->cpus[index];
	w->next_due_ns = w->next_sweep_ns = NEVER;
	w->buffer = malloc(RECEIVE_BYTES);
	w->plain = malloc(TLS_PLAIN_BYTES);
	w->slices = calloc(plan->slices_count, sizeof *w->slices);
	w->targets = calloc((size_t)plan->targets_count, sizeof *w->targets);
	if (!w->buffer || !w->plain || !w->slices || !w->targets || !init_conns(w) || !init_slices(w))
		return false;
	for (int i = 0; i < plan->targets_count; i++)
		if (!init_target(w, i))
			return false;
	return true;
}
