// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* net_rx_softirq: from the first softirq_raise to the softirq_exit of the run that serves it, per CPU. */
#include "stage.h"

/* NET_RX_SOFTIRQ of include/linux/interrupt.h; tracefs prints it as vec=3. */
#define NET_RX 3

/* A raise during a run is served by the next run, so both are kept. time_ns is 0 where there is none. */
struct run {
	struct start raised;
	struct start served;
};
BPF_PERCPU_ARRAY(runs, struct run, 1);

static __always_inline struct run *this_run(void)
{
	int zero = 0;

	return runs.lookup(&zero);
}

RAW_TRACEPOINT_PROBE(softirq_raise)
{
	struct watch *cfg;
	struct stage *stat;
	struct run *run;

	if ((u32)ctx->args[0] != NET_RX)
		return 0;
	cfg = watched();
	if (!cfg)
		return 0;
	run = this_run();
	stat = stage_of(0);
	if (!run || !stat)
		return 0;
	/* The first raise waits longest. Further ones before the run change nothing. */
	if (run->raised.time_ns && run->raised.generation == cfg->generation)
		return 0;
	begin(stat, cfg, &run->raised);
	return 0;
}

RAW_TRACEPOINT_PROBE(softirq_entry)
{
	struct run *run;

	if ((u32)ctx->args[0] != NET_RX)
		return 0;
	run = this_run();
	if (!run)
		return 0;
	run->served = run->raised;
	run->raised.time_ns = 0;
	return 0;
}

RAW_TRACEPOINT_PROBE(softirq_exit)
{
	struct watch *cfg;
	struct stage *stat;
	struct run *run;

	if ((u32)ctx->args[0] != NET_RX)
		return 0;
	cfg = watched();
	if (!cfg)
		return 0;
	run = this_run();
	stat = stage_of(0);
	if (!run || !stat || !run->served.time_ns)
		return 0;
	end(stat, cfg, &run->served, bpf_ktime_get_ns(), 0);
	run->served.time_ns = 0;
	return 0;
}
