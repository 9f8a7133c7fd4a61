// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The least that BCC can compile: whether it can at all is a feature of the host. */

#include <uapi/linux/bpf.h>

int pass(struct __sk_buff *skb)
{
	return 0;
}
