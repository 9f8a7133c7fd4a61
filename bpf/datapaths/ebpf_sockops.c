// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Short-circuit the sockets of a client and a proxy on one host: what one sends is put into the other's receive queue.
 *
 * A connection opens and closes through TCP on the loopback device, as ever; between, its data meets no packet.
 */
#include <uapi/linux/bpf.h>

#include "ip.h"

struct config {
	__u64 netns_cookie;
	struct address proxy; /* the address that clients on this host ask, and so come from, too */
	__u32 port;	      /* in host byte order */
};

/* One end of a connection; the other differs in `proxy` alone. */
struct end {
	__u32 client_port;
	__u32 proxy; /* 1: the proxy's end */
};

enum count { TO_PROXY_MESSAGES, TO_PROXY_BYTES, TO_CLIENT_MESSAGES, TO_CLIENT_BYTES, CONNECTIONS, REFUSED, COUNTS };

BPF_ARRAY(config, struct config, 1);
BPF_PERCPU_ARRAY(counts, __u64, COUNTS);
/* Two for each of the most connections that the proxy may have; entries take memory only when they are used. */
BPF_SOCKHASH(sockets, struct end, 32768);

/* Atomic though each CPU has its own entry: both programs also run in process context, where a softirq interrupts. */
static inline __attribute__((always_inline)) void count(__u32 what, __u64 amount)
{
	__u64 *value = counts.lookup(&what);

	if (value)
		lock_xadd(value, amount);
}

static inline __attribute__((always_inline)) struct end end_of(struct config *c, __u32 local_port, __u32 remote_port)
{
	struct end end = {.client_port = local_port};

	if (local_port == c->port) {
		end.client_port = remote_port;
		end.proxy = 1;
	}
	return end;
}

/* Word by word: of the context's fields none may be read by a pointer. */
static inline __attribute__((always_inline)) int is_local(const struct bpf_sock_ops *ops, const struct config *c)
{
#if IP_VERSION == 6
	return ops->family == FAMILY && ops->local_ip6[0] == c->proxy.word[0] &&
	       ops->local_ip6[1] == c->proxy.word[1] && ops->local_ip6[2] == c->proxy.word[2] &&
	       ops->local_ip6[3] == c->proxy.word[3] && ops->remote_ip6[0] == c->proxy.word[0] &&
	       ops->remote_ip6[1] == c->proxy.word[1] && ops->remote_ip6[2] == c->proxy.word[2] &&
	       ops->remote_ip6[3] == c->proxy.word[3];
#else
	return ops->family == FAMILY && ops->local_ip4 == c->proxy.word[0] && ops->remote_ip4 == c->proxy.word[0];
#endif
}

/* sock_ops: the program sees every connection of its cgroup; only the lab's own between client and proxy count. */
int establish(struct bpf_sock_ops *ops)
{
	__u32 zero = 0, remote_port = bpf_ntohl(ops->remote_port);
	struct config *c = config.lookup(&zero);
	struct end end;
	int error;

	if (ops->op != BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB && ops->op != BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB)
		return 1;
	if (!c || !is_local(ops, c) || (ops->local_port != c->port && remote_port != c->port) ||
	    bpf_get_netns_cookie(ops) != c->netns_cookie)
		return 1;
	end = end_of(c, ops->local_port, remote_port);
	/* A socket that is not in the map sends through TCP, where its data is dropped and counted as leaked. */
	error = sockets.sock_hash_update(ops, &end, BPF_ANY);
	if (!error && end.proxy)
		count(CONNECTIONS, 1);
	return 1;
}

/* sk_msg: a socket of the map sends. */
int shortcut(struct sk_msg_md *msg)
{
	__u32 zero = 0, bytes = msg->size;
	struct config *c = config.lookup(&zero);
	struct end other;

	if (!c)
		return SK_DROP;
	other = end_of(c, msg->local_port, bpf_ntohl(msg->remote_port));
	other.proxy ^= 1;
	/* Through TCP it would overtake, or be overtaken by, what goes this way: so refuse it (EACCES). */
	if (sockets.msg_redirect_hash(msg, &other, BPF_F_INGRESS) != SK_PASS) {
		count(REFUSED, 1);
		return SK_DROP;
	}
	count(other.proxy ? TO_PROXY_MESSAGES : TO_CLIENT_MESSAGES, 1);
	count(other.proxy ? TO_PROXY_BYTES : TO_CLIENT_BYTES, bytes);
	return SK_PASS;
}
