/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Where in its memory the current task has its data received to, or sent from: an argument of its system call. */
#ifndef SHOWDOWN_BUFFERS_H
#define SHOWDOWN_BUFFERS_H

#include "probe.h"

/* struct msghdr of the system call interface. */
#define MSGHDR_IOV 16

/* The address, or 0 when the call is none of those that are known. A vector's is that of its first part: where
 * the vector itself is says nothing about the data, so of a call that is not known no argument is taken.
 */
ALWAYS_INLINE __u64 user_buffer(void)
{
	const void *registers = (void *)bpf_task_pt_regs(bpf_get_current_task_btf());
	__u64 address = 0, base = 0;
	__u32 call = 0;

	if (bpf_probe_read_kernel(&call, sizeof(call), registers + PT_REGS_CALL) ||
	    bpf_probe_read_kernel(&address, sizeof(address), registers + PT_REGS_SECOND))
		return 0;
	if (call == CALL_READ || call == CALL_WRITE || call == CALL_RECVFROM || call == CALL_SENDTO)
		return address;
	if (call == CALL_RECVMSG || call == CALL_SENDMSG) {
		if (bpf_probe_read_user(&base, sizeof(base), (void *)address + MSGHDR_IOV))
			return 0;
		address = base;
	} else if (call != CALL_READV && call != CALL_WRITEV) {
		return 0;
	}
	if (bpf_probe_read_user(&base, sizeof(base), (void *)address))
		return 0;
	return base;
}

#endif
