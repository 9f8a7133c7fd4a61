// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Send connect(2) calls for the origin to the proxy, before there is any packet.
 *
 * The program sees every process of its cgroup: only those in the lab's DUT count, and of these not the proxy, which
 * must reach the origin itself.
 */
#include <uapi/linux/bpf.h>
#include <uapi/linux/in.h>

#include "ip.h"

#define TYPE_STREAM 1 /* SOCK_STREAM */

struct config {
	__u64 netns_cookie;
	struct address origin;
	struct address proxy;
	__u32 port;	  /* big-endian in the lower half, as user_port is */
	__u32 proxy_port; /* likewise */
	__u32 proxy_process;
	__u32 padding;
};

enum count { CONNECTIONS, COUNTS };

BPF_ARRAY(config, struct config, 1);
BPF_PERCPU_ARRAY(counts, __u64, COUNTS);

/* Word by word: of the context's fields none may be read or written by a pointer. */
static inline __attribute__((always_inline)) int is_for_origin(const struct bpf_sock_addr *ctx, const struct config *c)
{
#if IP_VERSION == 6
	return ctx->user_ip6[0] == c->origin.word[0] && ctx->user_ip6[1] == c->origin.word[1] &&
	       ctx->user_ip6[2] == c->origin.word[2] && ctx->user_ip6[3] == c->origin.word[3];
#else
	return ctx->user_ip4 == c->origin.word[0];
#endif
}

static inline __attribute__((always_inline)) void send_to_proxy(struct bpf_sock_addr *ctx, const struct config *c)
{
#if IP_VERSION == 6
	ctx->user_ip6[0] = c->proxy.word[0];
	ctx->user_ip6[1] = c->proxy.word[1];
	ctx->user_ip6[2] = c->proxy.word[2];
	ctx->user_ip6[3] = c->proxy.word[3];
#else
	ctx->user_ip4 = c->proxy.word[0];
#endif
	ctx->user_port = c->proxy_port;
}

int rewrite(struct bpf_sock_addr *ctx)
{
	__u32 zero = 0, what = CONNECTIONS;
	struct config *c = config.lookup(&zero);
	__u64 *value;

	if (!c || ctx->type != TYPE_STREAM || !is_for_origin(ctx, c) || ctx->user_port != c->port)
		return 1;
	if (bpf_get_netns_cookie(ctx) != c->netns_cookie || bpf_get_current_pid_tgid() >> 32 == c->proxy_process)
		return 1;
	send_to_proxy(ctx, c);
	/* A process may be moved to another CPU here, so the entry is not ours alone. */
	value = counts.lookup(&what);
	if (value)
		lock_xadd(value, 1);
	return 1;
}
