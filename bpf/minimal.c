// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The smallest program: whether BCC compiles it is a feature of the host. */

#include <uapi/linux/bpf.h>

int pass(struct __sk_buff *skb)
{
	return 0;
}
