// SPDX-License-Identifier: Apache-2.0
// `showdown-traffic load`: sets up the threads, reports while they run, and sums up.
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "descriptors.h"
#include "load_options.h"
#include "modes.h"
#include "plan_read.h"
#include "report.h"
#include "worker.h"

#define SPARE_DESCRIPTORS 32 // besides connections: epoll, namespaces, standard streams

// They live as long as the process.
static struct plan *plan;
static struct report report;
static struct worker *workers;
static _Atomic bool interrupted;

static void on_signal(int number)
{
	(void)number;
	atomic_store(&interrupted, true);
	atomic_store(&plan->stop, true);
}

static int failed(int code, bool set_up, const char *failure)
{
	rendezvous_leave(plan);
	fprintf(stderr, "showdown-traffic: %s\n", failure);
	report_final(set_up ? &report : NULL, failure, atomic_load(&interrupted), now_ns());
	return code;
}

static bool raise_descriptors(struct args *args)
{
	uint64_t needed = (uint64_t)plan->connections * (uint64_t)plan->targets_count + SPARE_DESCRIPTORS, hard_limit;
	int error = descriptors_raise(needed, &hard_limit);
	if (error == -EMFILE)
		return args_refuse(args,
				   "%u connections to %d targets need %" PRIu64 " open files, the limit is %" PRIu64
				   " (ulimit -Hn)",
				   plan->connections, plan->targets_count, needed, hard_limit);
	return !error ||
	       args_refuse(args, "cannot raise the limit of open files to %" PRIu64 ": %s", needed, strerror(-error));
}

static const char *first_failure(void)
{
	for (int i = 0; i < plan->cpus_count; i++)
		if (workers[i].failure[0])
			return workers[i].failure;
	return NULL;
}

static bool has_measured_slice(int target)
{
	for (uint32_t i = 0; i < plan->slices_count; i++)
		if (plan->slices[i].target == target && !plan->slices[i].warm_up)
			return true;
	return false;
}

// Why a target's traffic is no measurement; false if it is one.
static bool explain_target(int target, char *text, size_t size)
{
	const struct target *t = &plan->targets[target];
	struct counters sum = {0};
	int worst = 0;
	for (int i = 0; i < plan->cpus_count; i++)
		counters_add(&sum, &workers[i].targets[target].measured.counters);
	if (sum.requests || !has_measured_slice(target))
		return false;
	for (int i = 1; i < CAUSES; i++)
		if (sum.errors[i] > sum.errors[worst])
			worst = i;
	if (sum.errors[worst])
		snprintf(text, size, "target %s (%s): no request succeeded; most failed by: %s", t->label, t->text,
			 cause_names[worst]);
	else
		snprintf(text, size, "target %s (%s): no request was answered", t->label, t->text);
	return true;
}

// Why a run that reached its end is no measurement; NULL if it is one.
static const char *explain_run(char *text, size_t size)
{
	const char *limit = first_failure(); // no descriptors or ports left: the generator's own limit
	if (limit || atomic_load(&interrupted))
		return limit;
	for (int i = 0; i < plan->targets_count; i++)
		if (explain_target(i, text, size))
			return text;
	return NULL;
}

static void report_while_running(sem_t *finished)
{
	uint64_t next = report.start_ns + NS_PER_S;
	for (int left = plan->cpus_count; left;) {
		struct timespec until = timespec_of(next);
		if (sem_clockwait(finished, CLOCK_MONOTONIC, &until) == 0) {
			left--;
		} else if (errno == ETIMEDOUT) {
			report_slices(&report);
			report_second(&report, now_ns());
			next += NS_PER_S;
		}
	}
	report_slices(&report);
}

static const char *start_threads(pthread_barrier_t *barrier, sem_t *finished)
{
	for (int i = 0; i < plan->cpus_count; i++)
		if (!worker_init(&workers[i], plan, i))
			return "no memory";
	pthread_barrier_init(barrier, NULL, (unsigned)plan->cpus_count + 1);
	sem_init(finished, 0, 0);
	for (int i = 0; i < plan->cpus_count; i++) {
		workers[i].barrier = barrier;
		workers[i].finished = finished;
		// The threads that have started would wait at the barrier forever: the process ends instead.
		if (pthread_create(&workers[i].thread, NULL, worker_run, &workers[i]))
			return "cannot start a thread";
	}
	return NULL;
}

// Meets the other clients, if any, and releases the threads. False: set-up failed.
static bool release_threads(pthread_barrier_t *barrier, char *text, size_t size)
{
	uint64_t start;
	pthread_barrier_wait(barrier);
	bool set_up = rendezvous_start(plan, !first_failure(), &start, text, size);
	if (!set_up)
		atomic_store(&plan->stop, true);
	report.start_ns = report.last_ns = start;
	for (int i = 0; i < plan->cpus_count; i++)
		report.cpu_before[i] = clock_read(workers[i].cpu_clock);
	pthread_barrier_wait(barrier);
	return set_up;
}

static int run(void)
{
	static pthread_barrier_t barrier;
	static sem_t finished;
	char text[256];
	const char *failure = start_threads(&barrier, &finished);
	if (failure)
		return failed(EXIT_FAILED, false, failure);
	bool set_up = release_threads(&barrier, text, sizeof text);
	report_while_running(&finished);
	uint64_t end = now_ns();
	for (int i = 0; i < plan->cpus_count; i++)
		pthread_join(workers[i].thread, NULL);
	if (set_up && !atomic_load(&plan->stop) && !rendezvous_end(plan, text, sizeof text))
		return failed(EXIT_FAILED, true, text);
	report_slices(&report); // the last one ended with the last client
	failure = set_up ? explain_run(text, sizeof text) : first_failure() ? first_failure() : text;
	if (failure)
		return failed(EXIT_FAILED, true, failure);
	if (atomic_load(&interrupted))
		rendezvous_leave(plan);
	report_final(&report, "", atomic_load(&interrupted), end);
	return 0;
}

int load_main(int argc, char **argv)
{
	char failure[512] = "";
	struct args args = {failure, sizeof failure};
	struct sigaction action = {.sa_handler = on_signal};
	enum options_result result;
	pattern_init();
	host_cpu_open();
	plan = plan_read(argc, argv, &args, &result);
	if (result == OPTIONS_HELP) {
		load_options_help(stdout);
		return 0;
	}
	if (result == OPTIONS_REFUSED)
		return failed(EXIT_USAGE, false, failure);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	if (!raise_descriptors(&args))
		return failed(EXIT_FAILED, false, failure);
	workers = calloc((size_t)plan->cpus_count, sizeof *workers);
	if (!workers || !report_init(&report, plan, workers))
		return failed(EXIT_FAILED, false, "no memory");
	return run();
}
