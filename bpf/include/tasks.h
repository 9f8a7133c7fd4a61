/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Tasks that a probe knows by number: those of all labs, of which it watches one lab's (probes/tasks.py).
 *
 * Include it after probe.h, and keep the tasks in BPF_HASH(tasks, u32, struct task, MAX_TASKS).
 */
#ifndef SHOWDOWN_TASKS_H
#define SHOWDOWN_TASKS_H

#include "probe.h"

/* Kernel threads that live as long as the kernel belong to every lab. */
#define ANY_GROUP (~0ULL)

/* A task is watched while its group is. A time of 0 means that it does not wait. */
struct task {
	__u64 group;
	__u64 role;
	struct start queued;
};

ALWAYS_INLINE int is_watched(const struct task *task, const struct watch *watch)
{
	return task->group == watch->group || task->group == ANY_GROUP;
}

#endif
