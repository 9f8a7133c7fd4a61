// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* run_queue: how long a lab's tasks wait for a CPU: from sched_wakeup, or from being preempted, to the
 * sched_switch that runs them.
 */
/* A task is not an address that may be used again, and starved tasks do wait long: every wait counts. */
#define MAX_AGE_NS (~0ULL)
#include "probe.h"

BPF_ARRAY(watch, struct watch, 1);
BPF_PERCPU_ARRAY(stage, struct stage, ROLES);
BPF_RINGBUF_OUTPUT(samples, SAMPLE_PAGES);

/* The tasks of all labs; a task is watched while its group is. A time of 0 means that it does not wait. */
struct task {
	u64 group;
	struct start queued;
};
BPF_HASH(tasks, u32, struct task, MAX_TASKS);

static int queued(u32 pid)
{
	struct watch *watching;
	struct stage *measured;
	struct task *task;
	int zero = 0;

	watching = watch.lookup(&zero);
	if (!watching || !watching->generation)
		return 0;
	task = tasks.lookup(&pid);
	if (!task || task->group != watching->group)
		return 0;
	measured = stage.lookup(&zero);
	if (!measured)
		return 0;
	begin(measured, watching, &task->queued);
	return 0;
}

RAW_TRACEPOINT_PROBE(sched_wakeup)
{
	u32 pid = 0;

	if (bpf_probe_read_kernel(&pid, sizeof(pid), (void *)ctx->args[0] + TASK_STRUCT_PID))
		return 0;
	return queued(pid);
}

RAW_TRACEPOINT_PROBE(sched_wakeup_new)
{
	u32 pid = 0;

	if (bpf_probe_read_kernel(&pid, sizeof(pid), (void *)ctx->args[0] + TASK_STRUCT_PID))
		return 0;
	return queued(pid);
}

RAW_TRACEPOINT_PROBE(sched_switch)
{
	/* The previous task is still the current one. */
	u32 previous = bpf_get_current_pid_tgid(), next = 0;
	bool preempted = ctx->args[0], runnable = ctx->args[3] == 0;
	struct watch *watching;
	struct stage *measured;
	struct sample sample = {};
	struct task *task;
	int zero = 0;
	u64 now;

	watching = watch.lookup(&zero);
	if (!watching || !watching->generation)
		return 0;

	if (previous) {
		task = tasks.lookup(&previous);
		if (task && task->group == watching->group) {
			/* Woken before it slept: it never waited. */
			task->queued.time_ns = 0;
			if (preempted || runnable)
				queued(previous);
		}
	}

	if (bpf_probe_read_kernel(&next, sizeof(next), (void *)ctx->args[2] + TASK_STRUCT_PID) || !next)
		return 0;
	task = tasks.lookup(&next);
	if (!task || task->group != watching->group || !task->queued.time_ns)
		return 0;
	measured = stage.lookup(&zero);
	if (!measured)
		return 0;
	now = bpf_ktime_get_ns();
	if (record(measured, watching, &task->queued, now)) {
		sample.time_ns = now;
		sample.value_ns = now - task->queued.time_ns;
		if (samples.ringbuf_output(&sample, sizeof(sample), SAMPLE_FLAGS))
			measured->lost++;
	}
	task->queued.time_ns = 0;
	return 0;
}
