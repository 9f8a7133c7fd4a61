// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Splice two TCP connections in the kernel: data that arrives at one socket is sent by the other.
 *
 * The relay fills both maps (workers/relay/src/kernel.c): `targets` maps a socket's cookie to the other socket,
 * `verdict` holds the sockets whose data runs this program.
 */
#include <uapi/linux/bpf.h>

struct config {
	__u32 port; /* the origin's, in host byte order */
	__u32 padding;
};
BPF_ARRAY(config, struct config, 1);
/* Two for each connection of the relay's maximum; entries take memory only when they are used. */
BPF_SOCKHASH(targets, __u64, 32768);
BPF_SOCKHASH(verdict, __u64, 32768);

enum count { TO_ORIGIN_SEGMENTS, TO_ORIGIN_BYTES, TO_CLIENT_SEGMENTS, TO_CLIENT_BYTES, STRAYED, COUNTS };

#include "counter.h"

int splice(struct __sk_buff *skb)
{
	__u32 zero = 0;
	struct config *cfg = config.lookup(&zero);
	__u64 cookie = bpf_get_socket_cookie(skb);
	__u32 bytes = skb->len;
	int to_origin;

	/* A FIN alone has no data to redirect: the relay sees the end of the stream, and closes the other side. */
	if (!bytes)
		return SK_DROP;
	/* A socket without its other side: the path is closed, the data must not reach the relay. */
	if (!cfg || targets.sk_redirect_hash(skb, &cookie, 0) != SK_PASS) {
		count_atomic(STRAYED, 1);
		return SK_DROP;
	}
	/* Not by the local port: the kernel has cleared it in a socket that just became TIME_WAIT, and the program runs
	 * for that socket's last segment, which carries the FIN.
	 */
	to_origin = bpf_ntohl(skb->remote_port) != cfg->port;
	count_atomic(to_origin ? TO_ORIGIN_SEGMENTS : TO_CLIENT_SEGMENTS, 1);
	count_atomic(to_origin ? TO_ORIGIN_BYTES : TO_CLIENT_BYTES, bytes);
	return SK_PASS;
}
