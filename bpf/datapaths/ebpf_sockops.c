// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Short-circuit the sockets of a client and a proxy on one host: what one sends goes into the other's receive queue.
 *
 * TCP over the loopback device still opens and closes the connection; between, its data needs no packet.
 */
#include <uapi/linux/bpf.h>

#include "ip.h"

struct config {
	__u64 netns_cookie;
	struct address proxy; /* clients on this host connect to it, and so have it as their source address, too */
	__u32 port;	      /* in host byte order */
};
BPF_ARRAY(config, struct config, 1);

/* One side of a connection; the other side differs in `proxy` alone. */
struct end {
	__u32 client_port;
	__u32 proxy; /* 1: the proxy's side */
};
/* Two for each connection of the proxy's maximum; entries take memory only when they are used. */
BPF_SOCKHASH(sockets, struct end, 32768);

enum count { TO_PROXY_MESSAGES, TO_PROXY_BYTES, TO_CLIENT_MESSAGES, TO_CLIENT_BYTES, CONNECTIONS, REFUSED, COUNTS };

#include "counter.h"

static __always_inline struct end end_of(struct config *cfg, __u32 local_port, __u32 remote_port)
{
	struct end end = {.client_port = local_port};

	if (local_port == cfg->port) {
		end.client_port = remote_port;
		end.proxy = 1;
	}
	return end;
}

/* Word by word: the verifier allows no pointer into the context's address fields. */
static __always_inline int is_local(const struct bpf_sock_ops *ops, const struct config *cfg)
{
#if IP_VERSION == 6
	return ops->family == FAMILY && ops->local_ip6[0] == cfg->proxy.word[0] &&
	       ops->local_ip6[1] == cfg->proxy.word[1] && ops->local_ip6[2] == cfg->proxy.word[2] &&
	       ops->local_ip6[3] == cfg->proxy.word[3] && ops->remote_ip6[0] == cfg->proxy.word[0] &&
	       ops->remote_ip6[1] == cfg->proxy.word[1] && ops->remote_ip6[2] == cfg->proxy.word[2] &&
	       ops->remote_ip6[3] == cfg->proxy.word[3];
#else
	return ops->family == FAMILY && ops->local_ip4 == cfg->proxy.word[0] && ops->remote_ip4 == cfg->proxy.word[0];
#endif
}

/* sock_ops: runs for every connection of its cgroup. Only those between the lab's client and proxy count. */
int establish(struct bpf_sock_ops *ops)
{
	__u32 zero = 0, remote_port = bpf_ntohl(ops->remote_port);
	struct config *cfg = config.lookup(&zero);
	struct end end;
	int error;

	if (ops->op != BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB && ops->op != BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB)
		return 1;
	if (!cfg || !is_local(ops, cfg) || (ops->local_port != cfg->port && remote_port != cfg->port) ||
	    bpf_get_netns_cookie(ops) != cfg->netns_cookie)
		return 1;
	end = end_of(cfg, ops->local_port, remote_port);
	/* A socket that does not get into the map sends through TCP, where an nft rule drops and counts its data. */
	error = sockets.sock_hash_update(ops, &end, BPF_ANY);
	if (!error && end.proxy)
		count_atomic(CONNECTIONS, 1);
	return 1;
}

/* sk_msg: runs when a socket of the map sends. */
int shortcut(struct sk_msg_md *msg)
{
	__u32 zero = 0, bytes = msg->size;
	struct config *cfg = config.lookup(&zero);
	struct end other;

	if (!cfg)
		return SK_DROP;
	other = end_of(cfg, msg->local_port, bpf_ntohl(msg->remote_port));
	other.proxy ^= 1;
	/* The send fails with EACCES. If its data took TCP instead, it could overtake data that takes this path. */
	if (sockets.msg_redirect_hash(msg, &other, BPF_F_INGRESS) != SK_PASS) {
		count_atomic(REFUSED, 1);
		return SK_DROP;
	}
	count_atomic(other.proxy ? TO_PROXY_MESSAGES : TO_CLIENT_MESSAGES, 1);
	count_atomic(other.proxy ? TO_PROXY_BYTES : TO_CLIENT_BYTES, bytes);
	return SK_PASS;
}
