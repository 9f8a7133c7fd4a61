// SPDX-License-Identifier: Apache-2.0
// `showdown-traffic load`: sets up the threads, reports while they run, and sums up.
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "modes.h"
#include "report.h"

#define SPARE_DESCRIPTORS 32 // besides connections: epoll, namespaces, standard streams

// These live as long as the process.
static struct plan plan;
static struct report report;
static struct worker *workers;
static _Atomic bool interrupted;

static void on_signal(int number)
{
	(void)number;
	atomic_store(&interrupted, true);
	atomic_store(&plan.stop, true);
}

static int failed(int code, bool set_up, const char *failure)
{
	meeting_leave(&plan);
	fprintf(stderr, "showdown-traffic: %s\n", failure);
	report_final(set_up ? &report : NULL, failure, atomic_load(&interrupted), now_ns());
	return code;
}

// Uses what the hard limit allows; says so when that is too little.
static bool raise_descriptors(char *failure, size_t size)
{
	struct rlimit limit;
	uint64_t needed = (uint64_t)plan.connections * (uint64_t)plan.targets_count + SPARE_DESCRIPTORS;
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= needed)
		return true;
	struct rlimit more = {needed, needed > limit.rlim_max ? needed : limit.rlim_max};
	if (limit.rlim_max < needed && setrlimit(RLIMIT_NOFILE, &more) == 0)
		return true; // CAP_SYS_RESOURCE
	if (limit.rlim_max < needed) {
		snprintf(failure, size,
			 "%u connections to %d targets need %llu open files, the limit is %llu (ulimit -Hn)",
			 plan.connections, plan.targets_count, (unsigned long long)needed,
			 (unsigned long long)limit.rlim_max);
		return false;
	}
	limit.rlim_cur = needed;
	if (setrlimit(RLIMIT_NOFILE, &limit) == 0)
		return true;
	snprintf(failure, size, "cannot raise the limit of open files to %llu: %s", (unsigned long long)needed,
		 strerror(errno));
	return false;
}

static const char *first_failure(void)
{
	for (int i = 0; i < plan.cpus_count; i++)
		if (workers[i].failure[0])
			return workers[i].failure;
	return NULL;
}

// Why a run that went to its end is no measurement all the same; NULL when it is one.
static const char *verdict(char *text, size_t size)
{
	const char *limit = first_failure(); // out of descriptors or ports: the generator's own limit
	if (limit || atomic_load(&interrupted))
		return limit;
	for (int target = 0; target < plan.targets_count; target++) {
		struct counters sum = {0};
		int worst = 0;
		for (int i = 0; i < plan.cpus_count; i++)
			counters_add(&sum, &workers[i].lanes[target].measured.counters);
		bool expected = false;
		for (uint32_t i = 0; i < plan.slices_count; i++)
			if (plan.slices[i].target == target && !plan.slices[i].warm_up)
				expected = true;
		if (sum.requests || !expected)
			continue;
		for (int i = 1; i < CAUSES; i++)
			if (sum.errors[i] > sum.errors[worst])
				worst = i;
		const struct target *t = &plan.targets[target];
		if (sum.errors[worst])
			snprintf(text, size, "target %s (%s): no request succeeded; most failed by: %s", t->label,
				 t->text, cause_names[worst]);
		else
			snprintf(text, size, "target %s (%s): no request was answered", t->label, t->text);
		return text;
	}
	return NULL;
}

static void report_while_running(sem_t *finished)
{
	uint64_t next = report.start_ns + NS_PER_S;
	for (int left = plan.cpus_count; left;) {
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
	for (int i = 0; i < plan.cpus_count; i++)
		if (!worker_init(&workers[i], &plan, i))
			return "no memory";
	pthread_barrier_init(barrier, NULL, (unsigned)plan.cpus_count + 1);
	sem_init(finished, 0, 0);
	for (int i = 0; i < plan.cpus_count; i++) {
		workers[i].barrier = barrier;
		workers[i].finished = finished;
		// A half-started set of threads would wait at the barrier for ever: the process ends instead.
		if (pthread_create(&workers[i].thread, NULL, worker_run, &workers[i]))
			return "cannot start a thread";
	}
	return NULL;
}

static int run(void)
{
	static pthread_barrier_t barrier;
	static sem_t finished;
	char text[256];
	const char *failure = start_threads(&barrier, &finished);
	if (failure)
		return failed(EXIT_FAILED, false, failure);
	pthread_barrier_wait(&barrier);
	uint64_t start;
	bool set_up = meeting_start(&plan, !first_failure(), &start, text, sizeof text);
	if (!set_up)
		atomic_store(&plan.stop, true);
	report.start_ns = report.last_ns = start;
	for (int i = 0; i < plan.cpus_count; i++)
		report.cpu_before[i] = clock_read(workers[i].cpu_clock);
	pthread_barrier_wait(&barrier);
	report_while_running(&finished);
	uint64_t end = now_ns();
	for (int i = 0; i < plan.cpus_count; i++)
		pthread_join(workers[i].thread, NULL);
	if (set_up && !atomic_load(&plan.stop) && !meeting_end(&plan, text, sizeof text))
		return failed(EXIT_FAILED, true, text);
	report_slices(&report); // the last one ended with the last client
	failure = set_up ? verdict(text, sizeof text) : first_failure() ? first_failure() : text;
	if (failure)
		return failed(EXIT_FAILED, true, failure);
	if (atomic_load(&interrupted))
		meeting_leave(&plan);
	report_final(&report, "", atomic_load(&interrupted), end);
	return 0;
}

int load_main(int argc, char **argv)
{
	char failure[512] = "";
	struct sigaction action = {.sa_handler = on_signal};
	pattern_init();
	host_cpu_open();
	if (!plan_read(&plan, argc, argv, failure, sizeof failure))
		return failed(EXIT_USAGE, false, failure);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	if (!raise_descriptors(failure, sizeof failure))
		return failed(EXIT_FAILED, false, failure);
	workers = calloc((size_t)plan.cpus_count, sizeof *workers);
	if (!workers || !report_init(&report, &plan, workers))
		return failed(EXIT_FAILED, false, "no memory");
	return run();
}
