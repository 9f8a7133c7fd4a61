// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Splice two TCP connections in the kernel: what comes in by one socket goes out by the other.
 *
 * The relay fills both maps (workers/relay/src/kernel.c): `targets` leads from a socket's cookie to the other end,
 * `verdict` holds the sockets whose data meets this program.
 */
#include <uapi/linux/bpf.h>

struct config {
	__u32 port; /* the origin's, in host byte order */
	__u32 padding;
};

enum count { TO_ORIGIN_SEGMENTS, TO_ORIGIN_BYTES, TO_CLIENT_SEGMENTS, TO_CLIENT_BYTES, STRAYED, COUNTS };

BPF_ARRAY(config, struct config, 1);
BPF_PERCPU_ARRAY(counts, __u64, COUNTS);
/* Two for each of the most connections that the relay may have; entries take memory only when they are used. */
BPF_SOCKHASH(targets, __u64, 32768);
BPF_SOCKHASH(verdict, __u64, 32768);

/* Atomic though each CPU has its own entry: the program also runs in process context, where a softirq interrupts it. */
static inline __attribute__((always_inline)) void count(__u32 what, __u64 amount)
{
	__u64 *value = counts.lookup(&what);

	if (value)
		lock_xadd(value, amount);
}

int splice(struct __sk_buff *skb)
{
	__u32 zero = 0;
	struct config *c = config.lookup(&zero);
	__u64 cookie = bpf_get_socket_cookie(skb);
	__u32 bytes = skb->len;
	int to_origin;

	/* A FIN alone has nothing to redirect: the relay is told of it, and closes the other side. */
	if (!bytes)
		return SK_DROP;
	/* Without its other end the path is closed, never bypassed. */
	if (!c || targets.sk_redirect_hash(skb, &cookie, 0) != SK_PASS) {
		count(STRAYED, 1);
		return SK_DROP;
	}
	/* Not by the local port: of a socket that has just become TIME_WAIT the kernel has taken it away, and the last
	 * segment, with the FIN, meets the program after that.
	 */
	to_origin = bpf_ntohl(skb->remote_port) != c->port;
	count(to_origin ? TO_ORIGIN_SEGMENTS : TO_CLIENT_SEGMENTS, 1);
	count(to_origin ? TO_ORIGIN_BYTES : TO_CLIENT_BYTES, bytes);
	return SK_PASS;
}
