// SPDX-License-Identifier: Apache-2.0
// A thread's way through the slices: wait for the start, send, drain, hand over.
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "worker.h"

#define HAND_OVER_NS (200 * NS_PER_US) // between a drained slice and the next one's start, so that all threads see it
#define LOOK_NS (100 * NS_PER_US)      // how often a waiting thread looks whether the others have drained

static bool make_request(struct plan *plan, struct lane *lane)
{
	if (!is_http(plan->workload)) {
		const struct body *body = &plan->expected;
		lane->request_size = body->length;
		lane->request = malloc(lane->request_size);
		if (!lane->request)
			return false;
		for (uint64_t i = 0; i < body->length; i++)
			lane->request[i] = (char)body->data[i % body->period];
		return true;
	}
	char length[64] = "";
	if (is_upload(plan->workload))
		snprintf(length, sizeof length, "Content-Length: %llu\r\n", (unsigned long long)plan->upload.length);
	int size = asprintf(&lane->request, "%s %s HTTP/1.1\r\nHost: %s\r\n%s%s\r\n",
			    is_upload(plan->workload) ? "POST" : "GET", plan->path,
			    plan->host[0] ? plan->host : lane->target->text, length,
			    plan->workload == HTTP_CHURN ? "Connection: close\r\n" : "");
	lane->request_size = (size_t)size;
	return size > 0;
}

static bool init_lane(struct worker *w, int target, struct conn *conns, uint32_t count)
{
	struct plan *plan = w->plan;
	struct lane *lane = &w->lanes[target];
	lane->target = &plan->targets[target];
	lane->conns = conns;
	lane->conns_count = count;
	lane->port_cursor = (uint64_t)w->index;
	uint64_t index = plan_thread(plan, w->index), threads = (uint64_t)plan_threads(plan);
	if (plan->open_loop) {
		schedule_init(&lane->due, &lane->target->profile, plan->arrival, plan->seed, index, threads);
		schedule_init(&lane->warm_up_due, &lane->target->profile, plan->arrival, ~plan->seed, index, threads);
	}
	return make_request(plan, lane) && stats_init(&lane->measured) && stats_init(&lane->warm_up);
}

// Zeroed memory that costs nothing until it is touched.
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

static bool init_slices(struct worker *w)
{
	uint32_t count = w->plan->slices_count, length = hist_length(HIST_2_DIGITS);
	uint64_t *counts = reserve(sizeof *counts * length * count); // a slice touches a few pages of its own
	for (uint32_t i = 0; counts && i < count; i++)
		hist_place(&w->slices[i].timing, HIST_2_DIGITS, counts + (size_t)i * length);
	return counts && init_timelines(w);
}

static bool init_conns(struct worker *w, uint32_t per_target)
{
	struct plan *plan = w->plan;
	w->conns_count = per_target * (uint32_t)plan->targets_count;
	w->conns = calloc(w->conns_count, sizeof *w->conns);
	char *stash = reserve((size_t)w->conns_count * HEAD_MAX); // only a head that comes in pieces touches its page
	struct udp_peer *peers = plan->workload == UDP_RR ? udp_peers_alloc(w->conns_count) : NULL;
	if (!w->conns || !stash || (plan->workload == UDP_RR && !peers))
		return false;
	for (uint32_t i = 0; i < w->conns_count; i++) {
		struct conn *c = &w->conns[i];
		c->fd = -1;
		c->deadline_ns = NEVER;
		c->target = (uint8_t)(i / per_target);
		c->stash = stash + (size_t)i * HEAD_MAX;
		c->udp = peers ? udp_peer_at(peers, i) : NULL;
	}
	return true;
}

bool worker_init(struct worker *w, struct plan *plan, int index)
{
	uint32_t threads = (uint32_t)plan_threads(plan);
	uint32_t per_target = plan->connections / threads + (plan_thread(plan, index) < plan->connections % threads);
	w->plan = plan;
	w->index = index;
	w->cpu = plan->cpus[index];
	w->next_due_ns = w->next_sweep_ns = NEVER;
	w->buffer = malloc(RECEIVE_BYTES);
	w->slices = calloc(plan->slices_count, sizeof *w->slices);
	w->lanes = calloc((size_t)plan->targets_count, sizeof *w->lanes);
	if (!w->buffer || !w->slices || !w->lanes || !init_conns(w, per_target))
		return false;
	if (!init_slices(w))
		return false;
	for (int i = 0; i < plan->targets_count; i++)
		if (!init_lane(w, i, w->conns + (uint32_t)i * per_target, per_target))
			return false;
	return true;
}

static bool stopped(const struct worker *w)
{
	return atomic_load_explicit(&w->plan->stop, memory_order_relaxed);
}

static bool wait_for_start(struct worker *w, struct slice *slice)
{
	uint64_t start, drained = now_ns();
	while (!(start = atomic_load(&slice->start_ns))) {
		if (meeting_gives_up(w->plan, now_ns() - drained, w->failure, sizeof w->failure))
			atomic_store(&w->plan->stop, true);
		if (stopped(w))
			return false;
		loop_pump(w, now_ns() + LOOK_NS);
	}
	while (now_ns() < start) {
		if (stopped(w))
			return false;
		loop_pump(w, start);
	}
	counter_add(&w->slices[slice - w->plan->slices].begun_ns, now_ns());
	w->slice_start_ns = start;
	w->slice_end_ns = start + slice->length_ns;
	return true;
}

// Whether an answer is awaited: to a request of slice `from` or of a later one.
static bool awaits(const struct worker *w, uint32_t from)
{
	for (uint32_t i = from; i <= w->slice; i++)
		if (outstanding(&w->slices[i]))
			return true;
	return false;
}

static void end_slice(struct worker *w, const struct slice *slice, bool last)
{
	const struct plan *plan = w->plan;
	struct lane *lane = &w->lanes[slice->target];
	struct slice_stats *own = &w->slices[w->slice];
	// What fell due before the end still counts, even if the loop woke up only now.
	while (now_ns() >= w->next_due_ns && !stopped(w))
		loop_dispatch(w, now_ns());
	w->sending = false;
	w->next_due_ns = NEVER;
	uint64_t limit = w->slice_end_ns + (last ? plan->final_drain_ns : plan->drain_ns);
	uint32_t from = last ? 0 : w->slice; // at the very end the late answers of all slices are waited for
	while ((lane->backlog || awaits(w, from)) && now_ns() < limit && !stopped(w))
		loop_pump(w, limit);
	own->unsent = lane->backlog;
	counter_add(&stats_of(w, w->slice)->counters.unsent, lane->backlog);
	lane->backlog = 0;
}

static void hand_over(struct worker *w, uint32_t index)
{
	struct plan *plan = w->plan;
	struct slice *slice = &plan->slices[index];
	if (!meeting_drained(plan, slice))
		return;
	slice->cpu_after = host_cpu_read();
	if (index + 1 < plan->slices_count)
		slice[1].cpu_before = slice->cpu_after;
	uint64_t now = now_ns();
	atomic_store(&slice->drained_ns, now);
	if (index + 1 < plan->slices_count)
		atomic_store(&slice[1].start_ns, plan_threads(plan) > 1 ? now + HAND_OVER_NS : now);
}

static void run_slices(struct worker *w)
{
	struct plan *plan = w->plan;
	for (uint32_t i = 0; i < plan->slices_count && !stopped(w); i++) {
		struct slice *slice = &plan->slices[i];
		struct lane *lane = &w->lanes[slice->target];
		if (!wait_for_start(w, slice))
			return;
		w->slice = i;
		struct schedule kept = lane->due;
		if (slice->warm_up)
			lane->due = lane->warm_up_due; // a schedule of its own, so that measured time starts at 0
		w->sending = true;
		w->last_sent_ns = 0;
		loop_next_due(w);
		loop_ask_free(w); // the others still carry late answers, and join when these have come
		while (now_ns() < w->slice_end_ns && !stopped(w))
			loop_pump(w, w->slice_end_ns);
		end_slice(w, slice, i + 1 == plan->slices_count);
		if (slice->warm_up)
			lane->due = kept;
		loop_beat(w, now_ns());
		hand_over(w, i);
	}
}

static bool settle(struct worker *w)
{
	cpu_set_t cpus;
	CPU_ZERO(&cpus);
	CPU_SET(w->cpu, &cpus);
	int failure = pthread_setaffinity_np(pthread_self(), sizeof cpus, &cpus);
	if (failure) {
		snprintf(w->failure, sizeof w->failure, "CPU %d: %s", w->cpu, strerror(failure));
		return false;
	}
	// The default of 50 us would be added to every wait for the next send.
	prctl(PR_SET_TIMERSLACK, 1ul);
	// Where the generator shares its CPU with what it measures, a send that is due would wait for the others' time
	// slices to end. Not every host allows it: the report says whether it did.
	struct sched_param first = {.sched_priority = 1};
	w->real_time = w->plan->real_time && !pthread_setschedparam(pthread_self(), SCHED_RR, &first);
	w->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (w->epoll_fd < 0 || !netns_open(&w->place)) {
		snprintf(w->failure, sizeof w->failure, "thread %d: %s", w->index, strerror(errno));
		return false;
	}
	return true;
}

static void read_usage(struct worker *w)
{
	struct rusage usage;
	w->run_queue_ns = beat_run_queue_ns(&w->beat) - w->run_queue_ns;
	w->cpu_ns = clock_read(CLOCK_THREAD_CPUTIME_ID) - w->began_cpu_ns;
	w->wall_ns = now_ns() - w->began_ns;
	if (getrusage(RUSAGE_THREAD, &usage) != 0)
		return;
	w->user_ns = (uint64_t)usage.ru_utime.tv_sec * NS_PER_S + (uint64_t)usage.ru_utime.tv_usec * NS_PER_US;
	w->system_ns = (uint64_t)usage.ru_stime.tv_sec * NS_PER_S + (uint64_t)usage.ru_stime.tv_usec * NS_PER_US;
	w->switches_voluntary = (uint64_t)usage.ru_nvcsw;
	w->switches_involuntary = (uint64_t)usage.ru_nivcsw;
}

void *worker_run(void *argument)
{
	struct worker *w = argument;
	beat_begin(&w->beat);
	w->next_sweep_ns = now_ns() + SWEEP_NS;
	if (!settle(w))
		atomic_store(&w->plan->stop, true);
	else if (w->plan->workload != HTTP_CHURN)
		loop_open_all(w);
	else
		for (uint32_t i = 0; i < w->conns_count; i++)
			conn_available(w, &w->conns[i], now_ns());
	pthread_getcpuclockid(pthread_self(), &w->cpu_clock);
	pthread_barrier_wait(w->barrier); // all connections stand, or somebody has failed
	pthread_barrier_wait(w->barrier); // the first slice's start is set
	loop_beat(w, now_ns());		  // what it stood still before belongs to no slice
	w->started = true;
	w->run_queue_ns = w->beat.run_queue_ns;
	w->began_ns = now_ns();
	w->began_cpu_ns = clock_read(CLOCK_THREAD_CPUTIME_ID);
	run_slices(w);
	read_usage(w);
	beat_end(&w->beat);
	for (uint32_t i = 0; i < w->conns_count; i++)
		conn_close(&w->conns[i]);
	sem_post(w->finished);
	return NULL;
}
