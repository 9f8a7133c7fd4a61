// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Drop packets of listed sources when they reach a socket of the lab's server.
 *
 * The program runs for every socket of its cgroup, which is the root: only those of the lab's server namespace count.
 * What it passes gets a mark. A connection takes the mark of its SYN (tcp_fwmark_accept), and the server answers only
 * connections with the mark.
 */
#include "filter.h"

#define PASS 1
#define DROP 0

struct config {
	__u64 netns_cookie;
	__u32 mark;
	__u32 padding;
};
BPF_ARRAY(config, struct config, 1);

/* BCC 0.26 declares it for older program types only; these programs have it since Linux 6.15. */
static __u64 (*cookie_of)(void *ctx) = (void *)BPF_FUNC_get_netns_cookie;

int to_socket(struct __sk_buff *skb)
{
	int zero = 0;
	struct config *cfg = config.lookup(&zero);
	struct address source;

	if (!cfg || skb->protocol != bpf_htons(ETHERTYPE) || cookie_of(skb) != cfg->netns_cookie)
		return PASS;
	/* Here a packet begins with its IP header. */
	if (bpf_skb_load_bytes(skb, IP_VERSION == 4 ? offsetof(struct iphdr, saddr) : offsetof(struct ipv6hdr, saddr),
			       &source, sizeof(source)))
		return DROP;
	if (is_blocked(&source)) {
		count_atomic(BLOCKED, 1);
		return DROP;
	}
	skb->mark = cfg->mark;
	count_atomic(PASSED, 1);
	return PASS;
}
