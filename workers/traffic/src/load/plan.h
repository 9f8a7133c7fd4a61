// SPDX-License-Identifier: Apache-2.0
// What a generator does, from its command line. Constant once threads run, but for the slices' times and `stop`.
#ifndef SHOWDOWN_PLAN_H
#define SHOWDOWN_PLAN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "body.h"
#include "host_cpu.h"
#include "protocol.h"
#include "rendezvous.h"
#include "schedule.h"
#include "target.h"

#define TARGETS_MAX 64
#define CPUS_MAX 64
#define RATE_MIN 1e-3 // requests per second
#define RATE_MAX 1e7
#define SLICES_MAX 20000u
#define STEPS_MAX 1000000u    // of all slices' timelines together
#define RECEIVED_MAX 4000000u // of the steps of all slices and source addresses
#define FAILED_MAX 1000000u   // of the steps of all slices with errors

// A stretch of traffic on one target. Its start is set when the slice before it has drained.
struct slice {
	int target;
	bool warm_up;
	uint64_t length_ns;
	uint64_t active_ns;		       // the target's active time at which this slice begins
	_Atomic uint64_t start_ns, drained_ns; // 0: not yet
	_Atomic int drained_threads;
	struct host_cpu cpu_before, cpu_after; // written before start_ns and drained_ns are set
};

struct plan {
	const struct protocol *protocol;
	int targets_count;
	struct target targets[TARGETS_MAX];
	int cpus_count;
	int cpus[CPUS_MAX];
	bool open_loop, real_time;
	enum arrival arrival;
	struct profile profile;
	uint64_t seed;
	uint32_t connections; // per target, of all clients
	int client, clients;  // this client's index, and their number
	int rendezvous_fd;
	struct rendezvous *rendezvous; // NULL: there is one client
	uint64_t duration_ns, slice_ns, warm_up_ns, drain_ns, settle_ns, timeout_ns, spin_ns;
	uint64_t step_ns;	   // of the slices' timelines; 0: none
	uint64_t received_step_ns; // of what each source address received; 0: none
	uint64_t failed_step_ns;   // of the errors by time; 0: none
	uint32_t resume_percent;   // of the connections with TLS that are to resume a session
	int order_count;
	int order[SLICES_MAX];
	uint32_t slices_count;
	struct slice *slices;
	char path[1024], host[256];
	bool check;	      // compare bodies with `expected`
	struct body expected; // the answer's body
	struct body upload;   // the request's body
	_Atomic bool stop;    // set by a signal or a failure
};

// The number of steps in the timeline of a measured slice of this length.
static inline uint64_t plan_steps_in(const struct plan *plan, uint64_t length_ns)
{
	return plan->step_ns ? (length_ns + plan->step_ns - 1) / plan->step_ns : 0;
}
// The number of steps in a slice's timeline; a warm-up has none.
static inline uint32_t plan_steps(const struct plan *plan, const struct slice *slice)
{
	return slice->warm_up ? 0 : (uint32_t)plan_steps_in(plan, slice->length_ns);
}

// The number of steps in which a slice counts what each source address received; a warm-up has none.
static inline uint64_t plan_received_steps(const struct plan *plan, const struct slice *slice)
{
	uint64_t step_ns = plan->received_step_ns;
	return slice->warm_up || !step_ns ? 0 : (slice->length_ns + step_ns - 1) / step_ns;
}
// The size of a slice's counts: steps of each source address of its target.
static inline uint64_t plan_received_counts(const struct plan *plan, const struct slice *slice)
{
	return plan_received_steps(plan, slice) * (uint64_t)target_sources(&plan->targets[slice->target]);
}

// The number of steps in which a slice counts errors: those of its length, and one for what is later. A warm-up has
// none.
static inline uint64_t plan_failed_steps(const struct plan *plan, const struct slice *slice)
{
	uint64_t step_ns = plan->failed_step_ns;
	return slice->warm_up || !step_ns ? 0 : (slice->length_ns + step_ns - 1) / step_ns + 1;
}

// The number of threads of all clients.
static inline int plan_threads(const struct plan *plan)
{
	return plan->cpus_count * plan->clients;
}
// The number of this client's thread among them. Neighbours in a schedule belong to different clients.
static inline uint64_t plan_thread(const struct plan *plan, int index)
{
	return (uint64_t)(index * plan->clients + plan->client);
}

#endif
