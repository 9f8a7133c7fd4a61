// SPDX-License-Identifier: Apache-2.0
// What a generator shall do, as read from the command line: never changed once traffic runs.
#ifndef SHOWDOWN_PLAN_H
#define SHOWDOWN_PLAN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "body.h"
#include "host_cpu.h"
#include "meeting.h"
#include "schedule.h"
#include "target.h"

#define TARGETS_MAX 64
#define CPUS_MAX 64
#define RATE_MAX 1e7 // requests per second
#define SLICES_MAX 20000u
#define STEPS_MAX 1000000u // of all slices' timelines together

#define UDP_REQUEST_BYTES_MIN 40u // its header

enum workload { HTTP_KEEPALIVE, HTTP_CHURN, BULK_DOWNLOAD, BULK_UPLOAD, TCP_RR, UDP_RR, STREAM, WORKLOADS };
extern const char *const workload_names[WORKLOADS];

// A stretch of traffic on one target. Its start is set while running, when the slice before it has drained.
struct slice {
	int target;
	bool warm_up;
	uint64_t length_ns;
	uint64_t active_ns;		       // the target's active time at which this slice begins
	_Atomic uint64_t start_ns, drained_ns; // 0: not yet
	_Atomic int drained_threads;
	struct host_cpu cpu_before, cpu_after; // written by whoever hands over, before start_ns and drained_ns
};

struct plan {
	enum workload workload;
	int targets_count;
	struct target targets[TARGETS_MAX];
	int cpus_count;
	int cpus[CPUS_MAX];
	bool open_loop, real_time;
	enum arrival arrival;
	struct profile profile;
	uint64_t seed;
	uint32_t connections; // per target, of all clients
	int client, clients;  // which one of them this is, from 0 on
	int meeting_fd;
	struct meeting *meeting; // of several clients
	uint64_t duration_ns, slice_ns, warm_up_ns, drain_ns, final_drain_ns, timeout_ns, stall_ns, spin_ns;
	uint64_t step_ns; // of the slices' timelines; 0: none
	int order_count;
	int order[SLICES_MAX];
	uint32_t slices_count;
	struct slice *slices;
	char path[1024], host[256];
	bool check;	      // compare bodies with `expected`
	struct body expected; // what the answer's body should be
	struct body upload;   // the request's body
	uint64_t token_bytes;
	_Atomic bool stop; // asked for by a signal or a failure
};

// Workloads that talk HTTP; the others are plain bytes.
static inline bool is_http(enum workload workload)
{
	return workload != TCP_RR && workload != UDP_RR;
}
static inline bool is_upload(enum workload workload)
{
	return workload == BULK_UPLOAD;
}

// How many steps the timeline of a measured slice so long has.
static inline uint64_t plan_steps_in(const struct plan *plan, uint64_t length_ns)
{
	return plan->step_ns ? (length_ns + plan->step_ns - 1) / plan->step_ns : 0;
}
// How many steps the timeline of a slice has; none of a warm-up.
static inline uint32_t plan_steps(const struct plan *plan, const struct slice *slice)
{
	return slice->warm_up ? 0 : (uint32_t)plan_steps_in(plan, slice->length_ns);
}

// Reads the command line. False after a message on stderr and in `failure`.
bool plan_read(struct plan *plan, int argc, char **argv, char *failure, size_t failure_size);
struct args;
bool plan_read_target(struct plan *plan, struct args *args, const char *text);

#endif
