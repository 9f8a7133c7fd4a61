// SPDX-License-Identifier: Apache-2.0
#include "rendezvous.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "clock.h"
#include "plan.h"

#define HEAD_BYTES 4096u		  // of the file, before its slices
#define POLL_NS (500 * NS_PER_US)	  // how often a waiting client checks the others
#define START_NS (20 * NS_PER_MS)	  // from the last client's readiness to the first slice: all see it in time
#define READY_LIMIT_NS (10 * NS_PER_S)	  // beyond the connect time-out; a client that is not ready by then has failed
#define DRAIN_LIMIT_NS (2500 * NS_PER_MS) // beyond the drain; a client that has not drained by then has failed

_Static_assert(sizeof(struct rendezvous) <= HEAD_BYTES, "the slices start after struct rendezvous");

struct slice *rendezvous_slices(struct plan *plan, uint32_t count)
{
	if (plan->clients == 1)
		return calloc(count, sizeof(struct slice));
	// Every client sets the same length and writes the same slices. A file's new bytes are zero.
	size_t size = HEAD_BYTES + count * sizeof(struct slice);
	if (ftruncate(plan->rendezvous_fd, (off_t)size) != 0)
		return NULL;
	char *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, plan->rendezvous_fd, 0);
	if (map == MAP_FAILED)
		return NULL;
	plan->rendezvous = (struct rendezvous *)(void *)map;
	return (struct slice *)(void *)(map + HEAD_BYTES);
}

static void sleep_until(uint64_t at_ns)
{
	struct timespec until = timespec_of(at_ns);
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
		;
}

static bool others_run(const struct plan *plan, char *failure, size_t size)
{
	int failed = atomic_load(&plan->rendezvous->failed);
	if (failed)
		snprintf(failure, size, "client %d of %d failed", failed, plan->clients);
	return !failed;
}

static bool wait_for_others(struct plan *plan, uint64_t *start_ns, char *failure, size_t size)
{
	uint64_t limit = now_ns() + plan->timeout_ns + READY_LIMIT_NS;
	while (!(*start_ns = atomic_load(&plan->slices[0].start_ns))) {
		if (!others_run(plan, failure, size))
			return false;
		if (atomic_load(&plan->stop)) {
			snprintf(failure, size, "interrupted");
			return false;
		}
		if (now_ns() > limit) {
			snprintf(failure, size, "client %d of %d: only %d of them were ready to start",
				 plan->client + 1, plan->clients, atomic_load(&plan->rendezvous->ready));
			return false;
		}
		sleep_until(now_ns() + POLL_NS);
	}
	return true;
}

bool rendezvous_start(struct plan *plan, bool able, uint64_t *start_ns, char *failure, size_t size)
{
	if (!able) {
		rendezvous_leave(plan);
		*start_ns = now_ns();
		return false;
	}
	if (plan->clients > 1 && atomic_fetch_add(&plan->rendezvous->ready, 1) + 1 < plan->clients)
		return wait_for_others(plan, start_ns, failure, size);
	// By then all threads have passed their barrier.
	*start_ns = now_ns() + (plan->clients > 1 ? START_NS : NS_PER_MS);
	atomic_store(&plan->slices[0].start_ns, *start_ns);
	sleep_until(*start_ns - NS_PER_MS);
	plan->slices[0].cpu_before = host_cpu_read(); // it is read once the slice has drained
	return true;
}

bool rendezvous_drained(struct plan *plan, struct slice *slice)
{
	if (plan->rendezvous)
		atomic_fetch_add(&plan->rendezvous->drained[plan->client], 1);
	return atomic_fetch_add(&slice->drained_threads, 1) + 1 == plan_threads(plan);
}

bool rendezvous_end(struct plan *plan, char *failure, size_t size)
{
	struct slice *last = &plan->slices[plan->slices_count - 1];
	uint64_t drained = now_ns();
	while (plan->rendezvous && !atomic_load(&last->drained_ns) && !atomic_load(&plan->stop)) {
		// The others may await their last answers until the end of the drain.
		uint64_t waited = now_ns() - drained, allowed = plan->drain_ns;
		if (rendezvous_timed_out(plan, waited > allowed ? waited - allowed : 0, failure, size))
			return false;
		sleep_until(now_ns() + POLL_NS);
	}
	return true;
}

void rendezvous_leave(struct plan *plan)
{
	int none = 0;
	if (plan->rendezvous)
		atomic_compare_exchange_strong(&plan->rendezvous->failed, &none, plan->client + 1);
}

bool rendezvous_timed_out(const struct plan *plan, uint64_t waited_ns, char *failure, size_t size)
{
	if (!plan->rendezvous)
		return false;
	if (!others_run(plan, failure, size))
		return true;
	if (waited_ns <= plan->drain_ns + DRAIN_LIMIT_NS)
		return false;
	int last = 0;
	for (int i = 1; i < plan->clients; i++)
		if (atomic_load(&plan->rendezvous->drained[i]) < atomic_load(&plan->rendezvous->drained[last]))
			last = i;
	snprintf(failure, size, "client %d of %d ended no slice for %.1f s while the others waited", last + 1,
		 plan->clients, (double)waited_ns / (double)NS_PER_S);
	return true;
}
