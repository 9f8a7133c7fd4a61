// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* splice_work: the work that passes data from socket to socket in the kernel (sk_psock_backlog), from being
 * queued until a kworker takes it up, and from there until it is done; by the address of the work.
 */
#include "probe.h"

BPF_ARRAY(watch, struct watch, 1);
BPF_PERCPU_ARRAY(stage, struct stage, ROLES);
BPF_RINGBUF_OUTPUT(samples, SAMPLE_PAGES);

#define SLOT_BITS 13
#define SLOTS (1 << SLOT_BITS)
/* Fibonacci hashing: addresses differ in some middle bits only. */
#define SLOT(key) (((key)*0x9e3779b97f4a7c15ULL) >> (64 - SLOT_BITS))

/* Work that is queued or runs. It may be queued again while it runs, so both are kept. A time of 0 means not. */
struct work {
	u64 address;
	struct start queued;
	struct start running;
};
BPF_ARRAY(works, struct work, SLOTS);

/* Which side of the lab the socket is on that a work passes data to, or -1; -1 for any other work, too. */
static inline int side_of_work(struct watch *watching, u64 address)
{
	u64 function = 0;
	void *sock = NULL;

	if (bpf_probe_read_kernel(&function, sizeof(function), (void *)address + WORK_FUNCTION) || function != BACKLOG)
		return -1;
	if (bpf_probe_read_kernel(&sock, sizeof(sock), (void *)address - PSOCK_WORK + PSOCK_SOCK) || !sock)
		return -1;
	return side_of(watching, sock);
}

static inline void end(struct watch *watching, struct start *start, int role)
{
	struct stage *measured;
	struct sample sample = {};
	u64 now;

	measured = stage.lookup(&role);
	if (!start->time_ns || !measured)
		return;
	now = bpf_ktime_get_ns();
	if (record(measured, watching, start, now)) {
		sample.time_ns = now;
		sample.value_ns = now - start->time_ns;
		sample.role = role;
		if (samples.ringbuf_output(&sample, sizeof(sample), SAMPLE_FLAGS))
			measured->lost++;
	}
	start->time_ns = 0;
}

RAW_TRACEPOINT_PROBE(workqueue_queue_work)
{
	u64 address = ctx->args[2];
	struct watch *watching;
	struct stage *measured;
	struct work *work;
	int zero = 0, slot, role = QUEUED;

	watching = watch.lookup(&zero);
	if (!watching || !watching->open || side_of_work(watching, address) < 0)
		return 0;
	slot = SLOT(address);
	work = works.lookup(&slot);
	measured = stage.lookup(&role);
	if (!work || !measured)
		return 0;
	if (work->address != address) {
		work->address = address;
		work->running.time_ns = 0;
	}
	begin(measured, watching, &work->queued);
	return 0;
}

RAW_TRACEPOINT_PROBE(workqueue_execute_start)
{
	u64 address = ctx->args[0];
	struct watch *watching;
	struct stage *measured;
	struct work *work;
	int zero = 0, slot, role = RUN;

	watching = watch.lookup(&zero);
	if (!watching || !watching->generation)
		return 0;
	slot = SLOT(address);
	work = works.lookup(&slot);
	measured = stage.lookup(&role);
	if (!work || !measured || work->address != address || side_of_work(watching, address) < 0)
		return 0;
	end(watching, &work->queued, QUEUED);
	begin(measured, watching, &work->running);
	return 0;
}

RAW_TRACEPOINT_PROBE(workqueue_execute_end)
{
	/* The work may be no more: its address and the function are all there is. */
	u64 address = ctx->args[0];
	struct watch *watching;
	struct work *work;
	int zero = 0, slot;

	if (ctx->args[1] != BACKLOG)
		return 0;
	watching = watch.lookup(&zero);
	if (!watching || !watching->generation)
		return 0;
	slot = SLOT(address);
	work = works.lookup(&slot);
	if (work && work->address == address)
		end(watching, &work->running, RUN);
	return 0;
}
