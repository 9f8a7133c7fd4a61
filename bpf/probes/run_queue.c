// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* run_queue: how long tasks wait for a CPU: from sched_wakeup, or from being preempted, to the sched_switch that runs
 * them. It covers the lab's own tasks and the kernel's kworkers and ksoftirqds, by role; and counts their wakeups.
 */

/* No limit: a starved task does wait long, and task ids are not reused at once as addresses are. */
#define MAX_AGE_NS (~0ULL)
#include "tasks.h"

#define PF_WQ_WORKER 0x20 /* include/linux/sched.h: the task is a kworker */

struct wakeups {
	u64 count[ROLES];
};
BPF_PERCPU_ARRAY(wakeups, struct wakeups, 1);

/* The kernel creates and ends kworkers all the time, so they have a slot by their pid. Two that share a slot cost one
 * pair.
 */
struct kworker {
	u64 pid;
	struct start queued;
};
#define KWORKER_SLOTS 1024
BPF_ARRAY(kworkers, struct kworker, KWORKER_SLOTS);

static __always_inline struct kworker *kworker_slot(u32 pid)
{
	int slot = pid & (KWORKER_SLOTS - 1);

	return kworkers.lookup(&slot);
}

/* The task waits from now on. If it waits already, the first cause counts. */
static __always_inline void wait(struct start *queued, u32 role, const struct watch *cfg)
{
	struct stage *stat;

	if (queued->time_ns && queued->generation == cfg->generation)
		return;
	stat = stage_of(role);
	if (stat)
		begin(stat, cfg, queued);
}

static __always_inline void run(struct start *queued, u32 role, const struct watch *cfg)
{
	struct stage *stat;

	if (!queued->time_ns)
		return;
	stat = stage_of(role);
	if (!stat)
		return;
	end(stat, cfg, queued, bpf_ktime_get_ns(), role);
	queued->time_ns = 0;
}

/* Where a woken task's wait is kept, or NULL for a task that is not watched; its role. */
static __always_inline struct start *queued_of(const struct watch *cfg, void *p, u32 pid, u32 *role)
{
	struct task *task = tasks.lookup(&pid);
	struct kworker *kworker;
	u32 flags = 0;

	if (task) {
		*role = task->role;
		return is_watched(task, cfg) ? &task->queued : NULL;
	}
	if (bpf_probe_read_kernel(&flags, sizeof(flags), p + TASK_STRUCT_FLAGS) || !(flags & PF_WQ_WORKER))
		return NULL;
	kworker = kworker_slot(pid);
	if (!kworker)
		return NULL;
	if (kworker->pid != pid) {
		kworker->pid = pid;
		kworker->queued.time_ns = 0;
	}
	*role = KWORKER;
	return &kworker->queued;
}

/* A new task's first wakeup is another tracepoint, sched_wakeup_new. The tasks of a lab are known, so none is new. */
RAW_TRACEPOINT_PROBE(sched_wakeup)
{
	void *p = (void *)ctx->args[0];
	u32 pid = 0, on_cpu = 0, role = 0;
	struct watch *cfg = watched_open();
	struct wakeups *counts;
	struct start *queued;
	int zero = 0;

	if (!cfg || bpf_probe_read_kernel(&pid, sizeof(pid), p + TASK_STRUCT_PID))
		return 0;
	queued = queued_of(cfg, p, pid, &role);
	if (!queued)
		return 0;
	counts = wakeups.lookup(&zero);
	if (counts && role < ROLES)
		counts->count[role]++;
	/* Woken before it slept: it still runs, and does not wait. */
	if (bpf_probe_read_kernel(&on_cpu, sizeof(on_cpu), p + TASK_STRUCT_ON_CPU) || on_cpu)
		return 0;
	wait(queued, role, cfg);
	return 0;
}

/* The task that leaves the CPU was preempted. */
static __always_inline void preempted(const struct watch *cfg, u32 pid)
{
	struct task *task = tasks.lookup(&pid);
	struct kworker *kworker;

	if (task) {
		if (is_watched(task, cfg))
			wait(&task->queued, task->role, cfg);
		return;
	}
	kworker = kworker_slot(pid);
	if (kworker && kworker->pid == pid)
		wait(&kworker->queued, KWORKER, cfg);
}

RAW_TRACEPOINT_PROBE(sched_switch)
{
	/* The task that leaves the CPU is still the current one. args: preempt, prev, next, prev_state (Linux 5.18). */
	u32 prev = bpf_get_current_pid_tgid(), next = 0;
	struct watch *cfg = watched();
	struct kworker *kworker;
	struct task *task;

	if (!cfg)
		return 0;
	if (prev && (ctx->args[0] || ctx->args[3] == 0 /* TASK_RUNNING */))
		preempted(cfg, prev);
	if (bpf_probe_read_kernel(&next, sizeof(next), (void *)ctx->args[2] + TASK_STRUCT_PID) || !next)
		return 0;
	task = tasks.lookup(&next);
	if (task) {
		if (is_watched(task, cfg))
			run(&task->queued, task->role, cfg);
		return 0;
	}
	kworker = kworker_slot(next);
	if (kworker && kworker->pid == next)
		run(&kworker->queued, KWORKER, cfg);
	return 0;
}
