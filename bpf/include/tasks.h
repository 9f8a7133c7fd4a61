/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Tasks that a probe knows by their pid. User space writes those of all labs; the probe watches one lab's
 * (probes/tasks.py).
 */
#ifndef SHOWDOWN_TASKS_H
#define SHOWDOWN_TASKS_H

#include "stage.h"

/* The group of kernel threads that live as long as the kernel: they belong to every lab. */
#define ANY_GROUP (~0ULL)

/* A task is watched while its group is. queued.time_ns is 0 while it does not wait for a CPU. */
struct task {
	__u64 group;
	__u64 role;
	struct start queued;
};
BPF_HASH(tasks, u32, struct task, MAX_TASKS);

static __always_inline int is_watched(const struct task *task, const struct watch *cfg)
{
	return task->group == cfg->group || task->group == ANY_GROUP;
}

#endif
