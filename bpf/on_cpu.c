// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* On-CPU stacks: kernel and user stacks by task, sampled by a clock while a lab is watched.
 *
 * The program runs on a CPU-clock perf event of each CPU. User space writes the roles of the lab's processes. Of other
 * processes only kernel threads count, and children of the worker: they are the traffic generator. Every other process
 * is foreign. Idle CPUs are sampled too, because they receive packets.
 */
#include <uapi/linux/bpf.h>
#include <uapi/linux/errno.h>

/* <uapi/linux/bpf_perf_event.h> has it, and includes much of the kernel: a compilation took six times as long. */
struct bpf_perf_event_data;

/* Offsets are -D constants from the running kernel's BTF: the headers can belong to another kernel. */

struct seen {
	u64 generation;
	u32 process;
	u32 role;
	s32 kernel_stack;
	s32 user_stack;
};

struct tally {
	u64 taken;
	u64 foreign;
	u64 lost;
};

BPF_ARRAY(watch, u64, 1);
BPF_PERCPU_ARRAY(tallies, struct tally, 1);
BPF_HASH(roles, u32, u32, MAX_PROCESSES);
BPF_HASH(seen, struct seen, u64, MAX_STACKS);
BPF_STACK_TRACE(stacks, MAX_STACKS);

static __always_inline bool is_workers_child(void)
{
	void *task = (void *)bpf_get_current_task(), *parent = NULL;
	u32 process = 0;

	if (bpf_probe_read_kernel(&parent, sizeof(parent), task + TASK_STRUCT_REAL_PARENT) ||
	    bpf_probe_read_kernel(&process, sizeof(process), parent + TASK_STRUCT_TGID))
		return false;
	return process == WORKER;
}

int on_cpu(struct bpf_perf_event_data *ctx)
{
	struct seen key = {};
	struct tally *tally;
	u64 *generation;
	u32 *role, client = ROLE_CLIENT;
	u64 none = 0, *times;
	int zero = 0;

	generation = watch.lookup(&zero);
	tally = tallies.lookup(&zero);
	if (!generation || !*generation || !tally)
		return 0;
	key.process = bpf_get_current_pid_tgid() >> 32;
	tally->taken++;

	role = roles.lookup(&key.process);
	if (!role && is_workers_child())
		role = &client;
	key.generation = *generation;
	key.role = role ? *role : ROLE_KERNEL;
	key.user_stack = stacks.get_stackid(ctx, BPF_F_USER_STACK);
	/* Without a user stack it is a kernel thread; the errors mean that there is none. */
	if (!role && key.user_stack != -EFAULT && key.user_stack != -EINVAL) {
		tally->foreign++;
		return 0;
	}
	key.kernel_stack = stacks.get_stackid(ctx, 0);
	/* -EFAULT: the task ran in user space. Any other error: the map is full, or two stacks have the same bucket. */
	if ((key.kernel_stack < 0 && key.kernel_stack != -EFAULT) || key.kernel_stack == key.user_stack) {
		tally->lost++;
		return 0;
	}
	times = seen.lookup_or_try_init(&key, &none);
	if (times)
		lock_xadd(times, 1);
	else
		tally->lost++;
	return 0;
}
