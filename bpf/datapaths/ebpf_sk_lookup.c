// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Choose the proxy's listener for connections to the origin, where the kernel looks for a listening socket.
 *
 * It runs once per connection: established sockets are found before it is asked.
 */
#include <uapi/linux/bpf.h>
#include <uapi/linux/in.h>

#include "ip.h"

struct config {
	struct address origin;
	__u32 port; /* in the host's order, as local_port is */
	__u32 client_ifindex;
};

enum count { CONNECTIONS, REFUSED, COUNTS };

BPF_ARRAY(config, struct config, 1);
BPF_PERCPU_ARRAY(counts, __u64, COUNTS);
/* A socket map when it is loaded: BCC knows no look-up in those. */
BPF_ARRAY(proxy, __u32, 1);

/* Only this CPU writes its own entry, and receiving runs with bottom halves off: no atomics needed. */
static inline __attribute__((always_inline)) void count(__u32 what)
{
	__u64 *value = counts.lookup(&what);

	if (value)
		*value += 1;
}

/* Word by word: of the context's fields none may be read by a pointer. */
static inline __attribute__((always_inline)) int is_for_origin(const struct bpf_sk_lookup *ctx, const struct config *c)
{
#if IP_VERSION == 6
	return ctx->family == FAMILY && ctx->local_ip6[0] == c->origin.word[0] &&
	       ctx->local_ip6[1] == c->origin.word[1] && ctx->local_ip6[2] == c->origin.word[2] &&
	       ctx->local_ip6[3] == c->origin.word[3];
#else
	return ctx->local_ip4 == c->origin.word[0];
#endif
}

int steer(struct bpf_sk_lookup *ctx)
{
	__u32 zero = 0;
	struct config *c = config.lookup(&zero);
	struct bpf_sock *listener;
	long error;

	if (!c || ctx->protocol != IPPROTO_TCP || !is_for_origin(ctx, c) || ctx->local_port != c->port ||
	    ctx->ingress_ifindex != c->client_ifindex)
		return SK_PASS;

	/* Without a proxy the path is closed. */
	listener = (struct bpf_sock *)proxy.lookup(&zero);
	if (!listener) {
		count(REFUSED);
		return SK_DROP;
	}
	error = bpf_sk_assign(ctx, listener, 0);
	bpf_sk_release(listener);
	count(error ? REFUSED : CONNECTIONS);
	return error ? SK_DROP : SK_PASS;
}
