// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Choose the proxy's listener for connections to the origin, where the kernel looks up a listening socket.
 *
 * The program runs once per connection: the kernel finds established sockets before it runs sk_lookup programs.
 */
#include <uapi/linux/bpf.h>

#include "ip.h"

struct config {
	struct address origin;
	__u32 port; /* in host byte order, as local_port is */
	__u32 client_ifindex;
};
BPF_ARRAY(config, struct config, 1);
/* bpf/instance.py creates it as a sockmap. BCC 0.26 has no lookup in that type. */
BPF_ARRAY(proxy, __u32, 1);

enum count { CONNECTIONS, REFUSED, COUNTS };

#include "counter.h"

/* Word by word: the verifier allows no pointer into the context's address fields. */
static __always_inline int is_for_origin(const struct bpf_sk_lookup *ctx, const struct config *cfg)
{
#if IP_VERSION == 6
	return ctx->family == FAMILY && ctx->local_ip6[0] == cfg->origin.word[0] &&
	       ctx->local_ip6[1] == cfg->origin.word[1] && ctx->local_ip6[2] == cfg->origin.word[2] &&
	       ctx->local_ip6[3] == cfg->origin.word[3];
#else
	return ctx->local_ip4 == cfg->origin.word[0];
#endif
}

int steer(struct bpf_sk_lookup *ctx)
{
	__u32 zero = 0;
	struct config *cfg = config.lookup(&zero);
	struct bpf_sock *listener;
	long error;

	if (!cfg || ctx->protocol != IPPROTO_TCP || !is_for_origin(ctx, cfg) || ctx->local_port != cfg->port ||
	    ctx->ingress_ifindex != cfg->client_ifindex)
		return SK_PASS;

	/* Without a proxy the path is closed. */
	listener = (struct bpf_sock *)proxy.lookup(&zero);
	if (!listener) {
		count(REFUSED, 1);
		return SK_DROP;
	}
	error = bpf_sk_assign(ctx, listener, 0);
	bpf_sk_release(listener);
	count(error ? REFUSED : CONNECTIONS, 1);
	return error ? SK_DROP : SK_PASS;
}
