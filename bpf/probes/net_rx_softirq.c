// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* net_rx_softirq: from the first softirq_raise to the softirq_exit of the run that serves it, per CPU. */
#include "probe.h"

/* NET_RX_SOFTIRQ of enum softirq_action; tracefs prints it as vec=3. */
#define NET_RX 3

BPF_ARRAY(watch, struct watch, 1);
BPF_PERCPU_ARRAY(stage, struct stage, ROLES);
BPF_RINGBUF_OUTPUT(samples, SAMPLE_PAGES);

/* A raise while a run is on is for the next run, so both are kept. A time of 0 means none. */
struct run {
	struct start raised;
	struct start served;
};
BPF_PERCPU_ARRAY(runs, struct run, 1);

RAW_TRACEPOINT_PROBE(softirq_raise)
{
	struct watch *watching;
	struct stage *measured;
	struct run *run;
	int zero = 0;

	if ((u32)ctx->args[0] != NET_RX)
		return 0;
	watching = watch.lookup(&zero);
	if (!watching || !watching->generation)
		return 0;
	run = runs.lookup(&zero);
	measured = stage.lookup(&zero);
	if (!run || !measured)
		return 0;
	/* Further raises before the run change nothing: the first one waits longest. */
	if (run->raised.time_ns && run->raised.generation == watching->generation)
		return 0;
	begin(measured, watching, &run->raised);
	return 0;
}

RAW_TRACEPOINT_PROBE(softirq_entry)
{
	struct run *run;
	int zero = 0;

	if ((u32)ctx->args[0] != NET_RX)
		return 0;
	run = runs.lookup(&zero);
	if (!run)
		return 0;
	run->served = run->raised;
	run->raised.time_ns = 0;
	return 0;
}

RAW_TRACEPOINT_PROBE(softirq_exit)
{
	struct watch *watching;
	struct stage *measured;
	struct run *run;
	struct sample sample = {};
	int zero = 0;
	u64 now;

	if ((u32)ctx->args[0] != NET_RX)
		return 0;
	watching = watch.lookup(&zero);
	if (!watching || !watching->generation)
		return 0;
	run = runs.lookup(&zero);
	measured = stage.lookup(&zero);
	if (!run || !measured || !run->served.time_ns)
		return 0;

	now = bpf_ktime_get_ns();
	if (record(measured, watching, &run->served, now)) {
		sample.time_ns = now;
		sample.value_ns = now - run->served.time_ns;
		if (samples.ringbuf_output(&sample, sizeof(sample), SAMPLE_FLAGS))
			measured->unsampled++;
	}
	run->served.time_ns = 0;
	return 0;
}
