// SPDX-License-Identifier: Apache-2.0
// A thread sets itself up and works through the slices: it waits for the start, sends, drains and hands over.
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "conn.h"
#include "loop.h"
#include "record.h"
#include "worker.h"

#define HAND_OVER_NS (200 * NS_PER_US) // from a drained slice to the next one's start: all threads see it in time
#define POLL_NS (100 * NS_PER_US)      // how often a waiting thread checks whether the others have drained

static bool wait_for_start(struct worker *w, struct slice *slice)
{
	uint64_t start, drained = now_ns();
	while (!(start = atomic_load(&slice->start_ns))) {
		if (rendezvous_timed_out(w->plan, now_ns() - drained, w->failure, sizeof w->failure))
			atomic_store(&w->plan->stop, true);
		if (worker_stopped(w))
			return false;
		loop_pump(w, now_ns() + POLL_NS);
	}
	while (now_ns() < start) {
		if (worker_stopped(w))
			return false;
		loop_pump(w, start);
	}
	counter_add(&w->slices[slice - w->plan->slices].begun_ns, now_ns());
	w->slice_start_ns = start;
	w->slice_end_ns = start + slice->length_ns;
	return true;
}

// Whether a request of slice `from` or of a later one has no answer yet.
static bool awaits(const struct worker *w, uint32_t from)
{
	for (uint32_t i = from; i <= w->slice; i++)
		if (slice_outstanding(&w->slices[i].counters))
			return true;
	return false;
}

// Runs the loop until this time, dispatches what fell due before it, and returns how many requests are pending then.
static uint64_t run_until(struct worker *w, uint64_t end_ns)
{
	while (now_ns() < end_ns && !worker_stopped(w))
		loop_pump(w, end_ns);
	// A request that fell due before the end is sent even if the loop noticed it only now.
	while (w->next_due_ns < end_ns && now_ns() >= w->next_due_ns && !worker_stopped(w))
		loop_dispatch(w, now_ns());
	return current_target(w)->backlog + slice_outstanding(&w->slices[w->slice].counters);
}

// Waits for the slice's answers, for the same time in every slice.
static void drain_slice(struct worker *w)
{
	w->sending = false;
	w->next_due_ns = NEVER;
	uint64_t limit = w->slice_end_ns + w->plan->drain_ns;
	while ((current_target(w)->backlog || awaits(w, w->slice)) && now_ns() < limit && !worker_stopped(w))
		loop_pump(w, limit);
	if (!worker_stopped(w))
		record_drained(w, now_ns());
}

// The last slice has drained. Answers that still come are late, but the counts of both ends must agree.
static void settle(struct worker *w)
{
	uint64_t limit = w->slice_end_ns + w->plan->settle_ns;
	while (awaits(w, 0) && now_ns() < limit && !worker_stopped(w))
		loop_pump(w, limit);
}

static void hand_over(struct worker *w, uint32_t index)
{
	struct plan *plan = w->plan;
	struct slice *slice = &plan->slices[index];
	if (!rendezvous_drained(plan, slice))
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
	for (uint32_t i = 0; i < plan->slices_count && !worker_stopped(w); i++) {
		struct slice *slice = &plan->slices[i];
		struct target_state *target = &w->targets[slice->target];
		if (!wait_for_start(w, slice))
			return;
		w->slice = i;
		struct schedule kept = target->due;
		if (slice->warm_up)
			target->due = target->warm_up_due; // a separate schedule: the measured one starts at 0
		w->sending = true;
		w->last_sent_ns = 0;
		loop_next_due(w);
		loop_request_free(w); // connections that still await a late answer join when it has come
		struct slice_counters *own = &w->slices[i].counters;
		counter_add(&own->pending_middle, run_until(w, w->slice_start_ns + slice->length_ns / 2));
		counter_add(&own->pending_end, run_until(w, w->slice_end_ns));
		drain_slice(w);
		if (slice->warm_up)
			target->due = kept;
		loop_check_stall(w, now_ns());
		hand_over(w, i);
	}
	settle(w);
}

static bool thread_setup(struct worker *w)
{
	cpu_set_t cpus;
	CPU_ZERO(&cpus);
	CPU_SET(w->cpu, &cpus);
	int failure = pthread_setaffinity_np(pthread_self(), sizeof cpus, &cpus);
	if (failure) {
		snprintf(w->failure, sizeof w->failure, "CPU %d: %s", w->cpu, strerror(failure));
		return false;
	}
	// The default timer slack of 50 us would be added to every sleep until the next send.
	prctl(PR_SET_TIMERSLACK, 1ul);
	// If the generator shares its CPU with what it measures, a due send would wait for the other threads' time
	// slices. Not every host allows real-time priority: the report says whether it was granted.
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
	w->run_queue_ns = stall_run_queue_ns(&w->stall) - w->run_queue_ns;
	w->cpu_ns = clock_read(CLOCK_THREAD_CPUTIME_ID) - w->began_cpu_ns;
	w->wall_ns = now_ns() - w->began_ns;
	if (getrusage(RUSAGE_THREAD, &usage) != 0)
		return;
	w->user_ns = (uint64_t)usage.ru_utime.tv_sec * NS_PER_S + (uint64_t)usage.ru_utime.tv_usec * NS_PER_US;
	w->system_ns = (uint64_t)usage.ru_stime.tv_sec * NS_PER_S + (uint64_t)usage.ru_stime.tv_usec * NS_PER_US;
	w->switches_voluntary = (uint64_t)usage.ru_nvcsw;
	w->switches_involuntary = (uint64_t)usage.ru_nivcsw;
}

// Opens the connections, unless each request has its own.
static void open_connections(struct worker *w)
{
	if (!w->protocol->per_request) {
		loop_open_all(w);
		return;
	}
	for (uint32_t i = 0; i < w->conns_count; i++)
		conn_ready(w, &w->conns[i]);
}

void *worker_run(void *argument)
{
	struct worker *w = argument;
	stall_begin(&w->stall);
	w->next_sweep_ns = now_ns();
	if (thread_setup(w))
		open_connections(w);
	else
		atomic_store(&w->plan->stop, true);
	pthread_getcpuclockid(pthread_self(), &w->cpu_clock);
	pthread_barrier_wait(w->barrier); // all connections are established, or a thread has failed
	pthread_barrier_wait(w->barrier); // release_threads() has set the first slice's start
	loop_check_stall(w, now_ns());	  // a stall before this belongs to no slice
	w->started = true;
	w->run_queue_ns = w->stall.run_queue_ns;
	w->began_ns = now_ns();
	w->began_cpu_ns = clock_read(CLOCK_THREAD_CPUTIME_ID);
	run_slices(w);
	read_usage(w);
	stall_end(&w->stall);
	for (uint32_t i = 0; i < w->conns_count; i++)
		conn_close(&w->conns[i]);
	sem_post(w->finished);
	return NULL;
}
