// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* splice_work: the work item that passes data from socket to socket in the kernel (sk_psock_backlog): from being queued
 * until a kworker executes it, and from there until it is done. Found by the address of the work_struct.
 */
#include "hash.h"
#include "stage.h"

/* A work item can be queued again while it runs, so both are kept. time_ns is 0 where it is not. */
struct work {
	u64 address;
	struct start queued;
	struct start running;
};
#define WORK_SLOT_BITS 13
BPF_ARRAY(works, struct work, 1 << WORK_SLOT_BITS);

static __always_inline struct work *work_slot(u64 address)
{
	int slot = HASH_SLOT(address, WORK_SLOT_BITS);

	return works.lookup(&slot);
}

/* The side of the watched lab that the sending socket of a sk_psock_backlog is on; -1 for any other work item, too. */
static __always_inline int side_of_work(const struct watch *cfg, u64 address)
{
	u64 function = 0;
	void *sk = NULL;

	if (bpf_probe_read_kernel(&function, sizeof(function), (void *)address + WORK_FUNCTION) || function != BACKLOG)
		return -1;
	if (bpf_probe_read_kernel(&sk, sizeof(sk), (void *)address - PSOCK_WORK + PSOCK_SOCK) || !sk)
		return -1;
	return side_of(cfg, sk);
}

static __always_inline void finish(const struct watch *cfg, struct start *start, int role)
{
	struct stage *stat = stage_of(role);

	if (!start->time_ns || !stat)
		return;
	end(stat, cfg, start, bpf_ktime_get_ns(), role);
	start->time_ns = 0;
}

RAW_TRACEPOINT_PROBE(workqueue_queue_work)
{
	u64 address = ctx->args[2];
	struct watch *cfg = watched_open();
	struct stage *stat;
	struct work *work;

	if (!cfg || side_of_work(cfg, address) < 0)
		return 0;
	work = work_slot(address);
	stat = stage_of(QUEUED);
	if (!work || !stat)
		return 0;
	if (work->address != address) {
		work->address = address;
		work->running.time_ns = 0;
	}
	begin(stat, cfg, &work->queued);
	return 0;
}

RAW_TRACEPOINT_PROBE(workqueue_execute_start)
{
	u64 address = ctx->args[0];
	struct watch *cfg = watched();
	struct stage *stat;
	struct work *work;

	if (!cfg)
		return 0;
	work = work_slot(address);
	stat = stage_of(RUN);
	if (!work || !stat || work->address != address || side_of_work(cfg, address) < 0)
		return 0;
	finish(cfg, &work->queued, QUEUED);
	begin(stat, cfg, &work->running);
	return 0;
}

RAW_TRACEPOINT_PROBE(workqueue_execute_end)
{
	/* The work item can be freed by now. Only its address and the function (Linux 5.1) may be used. */
	u64 address = ctx->args[0];
	struct watch *cfg;
	struct work *work;

	if (ctx->args[1] != BACKLOG)
		return 0;
	cfg = watched();
	if (!cfg)
		return 0;
	work = work_slot(address);
	if (work && work->address == address)
		finish(cfg, &work->running, RUN);
	return 0;
}
