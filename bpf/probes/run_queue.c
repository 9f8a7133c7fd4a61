// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* run_queue: how long tasks wait for a CPU: from sched_wakeup, or from being preempted, to the sched_switch
 * that runs them. The lab's own tasks, and the kernel's workers, each kind apart; and how often each was woken.
 */
/* A task is not an address that may be used again, and starved tasks do wait long: every wait counts. */
#define MAX_AGE_NS (~0ULL)
#include "tasks.h"

/* PF_WQ_WORKER of include/linux/sched.h: a kworker. */
#define WORKQUEUE_WORKER 0x20

BPF_ARRAY(watch, struct watch, 1);
BPF_PERCPU_ARRAY(stage, struct stage, ROLES);
BPF_RINGBUF_OUTPUT(samples, SAMPLE_PAGES);
BPF_HASH(tasks, u32, struct task, MAX_TASKS);

/* How often tasks were woken, by role. */
struct wakeups {
	u64 count[ROLES];
};
BPF_PERCPU_ARRAY(wakeups, struct wakeups, 1);

/* Workers come and go, so they have a slot by their number. Two that share one cost a pair, no more. */
struct worker {
	u64 pid;
	struct start queued;
};
#define WORKER_SLOTS 1024
BPF_ARRAY(workers, struct worker, WORKER_SLOTS);

/* From now on it waits, unless it does so already: the first cause counts. */
static inline void wait(struct start *queued, u32 role, struct watch *watching)
{
	struct stage *measured;
	int index = role;

	if (queued->time_ns && queued->generation == watching->generation)
		return;
	measured = stage.lookup(&index);
	if (measured)
		begin(measured, watching, queued);
}

static inline void run(struct start *queued, u32 role, struct watch *watching)
{
	struct stage *measured;
	struct sample sample = {};
	int index = role;
	u64 now;

	if (!queued->time_ns)
		return;
	measured = stage.lookup(&index);
	if (!measured)
		return;
	now = bpf_ktime_get_ns();
	if (record(measured, watching, queued, now)) {
		sample.time_ns = now;
		sample.value_ns = now - queued->time_ns;
		sample.role = role;
		if (samples.ringbuf_output(&sample, sizeof(sample), SAMPLE_FLAGS))
			measured->unsampled++;
	}
	queued->time_ns = 0;
}

static inline void woken(void *who)
{
	struct watch *watching;
	struct start *queued;
	struct worker *worker;
	struct task *task;
	struct wakeups *counts;
	u32 pid = 0, flags = 0, on_cpu = 0, role;
	int zero = 0, index;

	watching = watch.lookup(&zero);
	if (!watching || !watching->generation || !watching->open)
		return;
	if (bpf_probe_read_kernel(&pid, sizeof(pid), who + TASK_STRUCT_PID))
		return;
	task = tasks.lookup(&pid);
	if (task) {
		if (!is_watched(task, watching))
			return;
		role = task->role;
		queued = &task->queued;
	} else {
		if (bpf_probe_read_kernel(&flags, sizeof(flags), who + TASK_STRUCT_FLAGS) ||
		    !(flags & WORKQUEUE_WORKER))
			return;
		index = pid & (WORKER_SLOTS - 1);
		worker = workers.lookup(&index);
		if (!worker)
			return;
		if (worker->pid != pid) {
			worker->pid = pid;
			worker->queued.time_ns = 0;
		}
		role = KWORKER;
		queued = &worker->queued;
	}
	counts = wakeups.lookup(&zero);
	if (counts && role < ROLES)
		counts->count[role]++;
	/* Woken before it slept: it is running still, and does not wait. */
	if (bpf_probe_read_kernel(&on_cpu, sizeof(on_cpu), who + TASK_STRUCT_ON_CPU) || on_cpu)
		return;
	wait(queued, role, watching);
}

/* A new task's first wakeup is another tracepoint; the tasks of a lab are known, so none of them is new. */
RAW_TRACEPOINT_PROBE(sched_wakeup)
{
	woken((void *)ctx->args[0]);
	return 0;
}

RAW_TRACEPOINT_PROBE(sched_switch)
{
	/* The previous task is still the current one. */
	u32 previous = bpf_get_current_pid_tgid(), next = 0;
	bool runnable = ctx->args[0] || ctx->args[3] == 0;
	struct watch *watching;
	struct worker *worker;
	struct task *task;
	int zero = 0, index;

	watching = watch.lookup(&zero);
	if (!watching || !watching->generation)
		return 0;

	if (previous && runnable) {
		task = tasks.lookup(&previous);
		if (task) {
			if (is_watched(task, watching))
				wait(&task->queued, task->role, watching);
		} else {
			index = previous & (WORKER_SLOTS - 1);
			worker = workers.lookup(&index);
			if (worker && worker->pid == previous)
				wait(&worker->queued, KWORKER, watching);
		}
	}

	if (bpf_probe_read_kernel(&next, sizeof(next), (void *)ctx->args[2] + TASK_STRUCT_PID) || !next)
		return 0;
	task = tasks.lookup(&next);
	if (task) {
		if (is_watched(task, watching))
			run(&task->queued, task->role, watching);
		return 0;
	}
	index = next & (WORKER_SLOTS - 1);
	worker = workers.lookup(&index);
	if (worker && worker->pid == next)
		run(&worker->queued, KWORKER, watching);
	return 0;
}
