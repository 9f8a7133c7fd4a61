// SPDX-License-Identifier: Apache-2.0
#include "meeting.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "args.h"
#include "clock.h"
#include "plan.h"

#define HEAD_BYTES 4096u	  // of the file, before its slices
#define LOOK_NS (500 * NS_PER_US) // how often a client that is ready looks for the others
#define START_NS (20 * NS_PER_MS) // from the last client's readiness to the first slice: all have seen it by then
#define COME_NS (10 * NS_PER_S)	  // beyond the time that connecting may take: a client that is not ready by then …
#define FOLLOW_NS (2 * NS_PER_S + NS_PER_S / 2) // … or has not drained by then will never be

_Static_assert(sizeof(struct meeting) <= HEAD_BYTES, "the head must hold the meeting");

bool meeting_read_client(struct plan *plan, struct args *args, const char *text)
{
	char own[16] = "";
	uint64_t client, clients;
	const char *slash = strchr(text, '/');
	if (!slash || (size_t)(slash - text) >= sizeof own)
		return args_refuse(args, "--client: write I/N");
	memcpy(own, text, (size_t)(slash - text));
	if (!args_whole(args, "--client", slash + 1, 1, CLIENTS_MAX, &clients) ||
	    !args_whole(args, "--client", own, 1, clients, &client))
		return false;
	plan->client = (int)client - 1;
	plan->clients = (int)clients;
	return true;
}

struct slice *meeting_slices(struct plan *plan, uint32_t count)
{
	if (plan->clients == 1)
		return calloc(count, sizeof(struct slice));
	// Every client sets the same length and writes the same slices; what is new in the file is zero.
	size_t size = HEAD_BYTES + count * sizeof(struct slice);
	if (ftruncate(plan->meeting_fd, (off_t)size) != 0)
		return NULL;
	char *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, plan->meeting_fd, 0);
	if (map == MAP_FAILED)
		return NULL;
	plan->meeting = (struct meeting *)(void *)map;
	return (struct slice *)(void *)(map + HEAD_BYTES);
}

int plan_threads(const struct plan *plan)
{
	return plan->cpus_count * plan->clients;
}

uint64_t plan_thread(const struct plan *plan, int index)
{
	return (uint64_t)(index * plan->clients + plan->client);
}

static void sleep_until(uint64_t at_ns)
{
	struct timespec until = timespec_of(at_ns);
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
		;
}

static bool others_go_on(const struct plan *plan, char *failure, size_t size)
{
	int gone = atomic_load(&plan->meeting->gone);
	if (gone)
		snprintf(failure, size, "client %d of %d failed", gone, plan->clients);
	return !gone;
}

static bool wait_for_others(struct plan *plan, uint64_t *start_ns, char *failure, size_t size)
{
	uint64_t limit = now_ns() + plan->timeout_ns + COME_NS;
	while (!(*start_ns = atomic_load(&plan->slices[0].start_ns))) {
		if (!others_go_on(plan, failure, size))
			return false;
		if (atomic_load(&plan->stop)) {
			snprintf(failure, size, "interrupted");
			return false;
		}
		if (now_ns() > limit) {
			snprintf(failure, size, "client %d of %d: only %d of them were ready to start",
				 plan->client + 1, plan->clients, atomic_load(&plan->meeting->present));
			return false;
		}
		sleep_until(now_ns() + LOOK_NS);
	}
	return true;
}

bool meeting_start(struct plan *plan, bool able, uint64_t *start_ns, char *failure, size_t size)
{
	if (!able) {
		meeting_leave(plan);
		*start_ns = now_ns();
		return false;
	}
	if (plan->clients > 1 && atomic_fetch_add(&plan->meeting->present, 1) + 1 < plan->clients)
		return wait_for_others(plan, start_ns, failure, size);
	// All threads are back from their barrier by then.
	*start_ns = now_ns() + (plan->clients > 1 ? START_NS : NS_PER_MS);
	atomic_store(&plan->slices[0].start_ns, *start_ns);
	sleep_until(*start_ns - NS_PER_MS);
	plan->slices[0].cpu_before = host_cpu_read(); // nobody reads it before the slice has drained
	return true;
}

bool meeting_drained(struct plan *plan, struct slice *slice)
{
	if (plan->meeting)
		atomic_fetch_add(&plan->meeting->drained[plan->client], 1);
	return atomic_fetch_add(&slice->drained_threads, 1) + 1 == plan_threads(plan);
}

bool meeting_end(struct plan *plan, char *failure, size_t size)
{
	struct slice *last = &plan->slices[plan->slices_count - 1];
	uint64_t drained = now_ns();
	while (plan->meeting && !atomic_load(&last->drained_ns) && !atomic_load(&plan->stop)) {
		// The last answers of the others may take until they time out.
		uint64_t waited = now_ns() - drained, spared = plan->final_drain_ns;
		if (meeting_gives_up(plan, waited > spared ? waited - spared : 0, failure, size))
			return false;
		sleep_until(now_ns() + LOOK_NS);
	}
	return true;
}

void meeting_leave(struct plan *plan)
{
	int nobody = 0;
	if (plan->meeting)
		atomic_compare_exchange_strong(&plan->meeting->gone, &nobody, plan->client + 1);
}

bool meeting_gives_up(const struct plan *plan, uint64_t waited_ns, char *failure, size_t size)
{
	if (!plan->meeting)
		return false;
	if (!others_go_on(plan, failure, size))
		return true;
	if (waited_ns <= plan->drain_ns + FOLLOW_NS)
		return false;
	int last = 0;
	for (int i = 1; i < plan->clients; i++)
		if (atomic_load(&plan->meeting->drained[i]) < atomic_load(&plan->meeting->drained[last]))
			last = i;
	snprintf(failure, size, "client %d of %d ended no slice for %.1f s in which the others waited for it", last + 1,
		 plan->clients, (double)waited_ns / (double)NS_PER_S);
	return true;
}
