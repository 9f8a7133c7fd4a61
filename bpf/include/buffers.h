/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The user-space buffer of the current task's system call: where it receives data to, or sends data from. */
#ifndef SHOWDOWN_BUFFERS_H
#define SHOWDOWN_BUFFERS_H

#include "probe.h"

/* offsetof(struct user_msghdr, msg_iov), include/linux/socket.h */
#define MSGHDR_IOV 16

/* The buffer's address, or 0 for a system call that is not in the list. For a vector it is the address of the first
 * part: the address of the vector itself says nothing about the data.
 */
static __always_inline __u64 user_buffer(void)
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
