// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Redirect connect(2) calls for the origin to the proxy, before there is any packet.
 *
 * The program runs for every process of its cgroup. Only those in the lab's DUT namespace count, except the proxy
 * itself, which must reach the origin.
 */
#include <uapi/linux/bpf.h>

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
BPF_ARRAY(config, struct config, 1);

enum count { CONNECTIONS, COUNTS };

#include "counter.h"

/* Word by word: the verifier allows no pointer into the context's address fields. */
static __always_inline int is_for_origin(const struct bpf_sock_addr *ctx, const struct config *cfg)
{
#if IP_VERSION == 6
	return ctx->user_ip6[0] == cfg->origin.word[0] && ctx->user_ip6[1] == cfg->origin.word[1] &&
	       ctx->user_ip6[2] == cfg->origin.word[2] && ctx->user_ip6[3] == cfg->origin.word[3];
#else
	return ctx->user_ip4 == cfg->origin.word[0];
#endif
}

static __always_inline void send_to_proxy(struct bpf_sock_addr *ctx, const struct config *cfg)
{
#if IP_VERSION == 6
	ctx->user_ip6[0] = cfg->proxy.word[0];
	ctx->user_ip6[1] = cfg->proxy.word[1];
	ctx->user_ip6[2] = cfg->proxy.word[2];
	ctx->user_ip6[3] = cfg->proxy.word[3];
#else
	ctx->user_ip4 = cfg->proxy.word[0];
#endif
	ctx->user_port = cfg->proxy_port;
}

int rewrite(struct bpf_sock_addr *ctx)
{
	__u32 zero = 0;
	struct config *cfg = config.lookup(&zero);

	if (!cfg || ctx->type != TYPE_STREAM || !is_for_origin(ctx, cfg) || ctx->user_port != cfg->port)
		return 1;
	if (bpf_get_netns_cookie(ctx) != cfg->netns_cookie || bpf_get_current_pid_tgid() >> 32 == cfg->proxy_process)
		return 1;
	send_to_proxy(ctx, cfg);
	count_atomic(CONNECTIONS, 1);
	return 1;
}
