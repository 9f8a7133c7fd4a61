// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Burn a known time per packet at tc ingress, for `make bench-truth` only: no datapath loads this program. It counts
 * what it really burned, as the last reading of the clock is always a little late.
 */
#include <uapi/linux/bpf.h>
#include <uapi/linux/pkt_cls.h>

enum count { PACKETS, BURNED_NS, COUNTS };

#include "counter.h"

struct config {
	__u64 burn_ns;
};
BPF_ARRAY(config, struct config, 1);

/* A bound for the verifier. A reading takes 15 ns or more, so this is enough for 15 us. */
#define MAX_READINGS 1024

static __always_inline int burn(void)
{
	int zero = 0;
	struct config *cfg = config.lookup(&zero);
	__u64 begin, now;

	if (!cfg)
		return TC_ACT_OK;
	begin = now = bpf_ktime_get_ns();
#pragma clang loop unroll(disable)
	for (int reading = 0; reading < MAX_READINGS; reading++) {
		now = bpf_ktime_get_ns();
		if (now - begin >= cfg->burn_ns)
			break;
	}
	count(PACKETS, 1);
	count(BURNED_NS, now - begin);
	return TC_ACT_OK;
}

int from_client(struct __sk_buff *skb)
{
	return burn();
}

int from_origin(struct __sk_buff *skb)
{
	return burn();
}
