// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Account for the SYNs of each source in XDP: one that sends more than the limit opens no more connections. */
enum count { PASSED, SYNS, DENIED, COUNTS };

#include "defend.h"

struct limit {
	__u64 syn_ns;	/* the time that one SYN costs */
	__u64 burst_ns; /* the time in which a burst is made up for */
};
BPF_ARRAY(limit, struct limit, 1);

/* A source's state is one time, as in shape.h: when it may send again at its rate. Its verdict stays. */
struct account {
	__u64 free_at;
	__u64 found;
};
BPF_TABLE("lru_hash", struct address, struct account, sources, SOURCES_KEPT);

static __always_inline int is_too_much(const struct limit *most, const struct address *source)
{
	__u64 now = bpf_ktime_get_ns(), full = now - most->burst_ns;
	struct account fresh = {.free_at = full}, *account;

	account = sources.lookup_or_try_init((struct address *)source, &fresh);
	if (!account)
		return 0; /* no memory: a source that is not known sends no more than others */
	if (account->found)
		return 1;
	if (account->free_at < full)
		account->free_at = full;
	if (account->free_at + most->syn_ns > now) {
		account->found = 1;
		return 1;
	}
	lock_xadd(&account->free_at, most->syn_ns);
	return 0;
}

int from_client(struct xdp_md *ctx)
{
	int zero = 0;
	struct config *cfg = config.lookup(&zero);
	struct limit *most = limit.lookup(&zero);
	struct segment segment;
	struct address source;

	/* Any other packet has one hop to live, and ends in the kernel's routing. */
	if (!cfg || !cfg->hop_limit || !most || !read_frame(ctx, &segment))
		return XDP_PASS;
	if (is_syn(segment.tcp)) {
		count(SYNS, 1);
		source = *source_of(segment.ip);
		if (is_too_much(most, &source)) {
			count(DENIED, 1);
			return XDP_DROP;
		}
	}
	return pass(segment.ip, cfg->hop_limit);
}
