// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Answer SYNs in XDP with the kernel's SYN cookies. The server's kernel has the same secret: it opens the connection
 * when the client's next segment brings the cookie back (net.ipv4.tcp_syncookies=2).
 */
enum count { PASSED, SYNS, COOKIES, DENIED, COUNTS };

#include "defend.h"

struct offer {
	__u16 mss;
	__u16 window_scale;
};
BPF_ARRAY(offer, struct offer, 1); /* in the server's name */

/* Helpers of Linux 6.0 and 5.18, by their numbers in enum bpf_func_id: headers of BCC may be older. */
#if IP_VERSION == 6
static __s64 (*make_cookie)(ip_header *ip, void *tcp, __u32 bytes) = (void *)205; /* tcp_raw_gen_syncookie_ipv6 */
#else
static __s64 (*make_cookie)(ip_header *ip, void *tcp, __u32 bytes) = (void *)204; /* tcp_raw_gen_syncookie_ipv4 */
#endif
static long (*copy_bytes)(void *ctx, __u32 at, void *to, __u32 bytes) = (void *)189; /* xdp_load_bytes */

#define MOST_TCP_BYTES 60
#define COPY_BYTES 64 /* a power of 2, so that a mask keeps an index within it */
#define MOST_OPTIONS 10
#define OPTION_WORDS 5
/* Of a SYN-ACK's TCP header: with one option, or with all of them. Neither is longer than that of a SYN with as many
 * options, because a driver need not have room behind a frame.
 */
#define SHORT_BYTES (sizeof(struct tcphdr) + 4)
#define LONG_BYTES (sizeof(struct tcphdr) + 4 * OPTION_WORDS)

/* TCP options (RFC 9293, RFC 7323, RFC 2018): kind and length. */
enum { OPTION_END, OPTION_NOP, OPTION_MSS, OPTION_SCALE, OPTION_SACK, OPTION_TIMES = 8 };
#define SCALE_BYTES 3
#define SACK_BYTES 2
#define TIMES_BYTES 10
#define NOPS 0x01010101

/* The kernel keeps a SYN's options in the low bits of a SYN-ACK's timestamp (net/ipv4/syncookies.c). */
#define NO_SCALE 15
#define MOST_SCALE 14
#define SACK_BIT 16
#define OPTION_BITS 64
#define NS_PER_MS 1000000ULL

#define WINDOW 64240 /* 44 segments of Ethernet, as Linux offers it */
#define FLAGS_OF_SYN_ACK 0x12

/* A listener takes cookies for two minutes after it has sent one itself (tcp_synq_overflow()). One SYN per second goes
 * to the server, which answers it with a cookie. ns, of the last one.
 */
BPF_ARRAY(passed_at, __u64, 1);
#define NS_BETWEEN 1000000000ULL

struct options {
	__u32 scale;
	__u32 sack;
	__u32 times;
	__be32 time; /* the client's */
};

static __always_inline __u32 byte_at(const __u8 *tcp, __u32 at)
{
	return tcp[at & (COPY_BYTES - 1)];
}

static __always_inline void read_options(const __u8 *tcp, __u32 bytes, struct options *found)
{
	__u32 at = sizeof(struct tcphdr), kind, size, i;

#pragma unroll
	for (i = 0; i < MOST_OPTIONS; i++) {
		if (at + 1 >= bytes)
			break;
		kind = byte_at(tcp, at);
		if (kind == OPTION_END)
			break;
		if (kind == OPTION_NOP) {
			at++;
			continue;
		}
		size = byte_at(tcp, at + 1);
		if (size < 2)
			break;
		if (kind == OPTION_SCALE && size == SCALE_BYTES) {
			found->scale = byte_at(tcp, at + 2);
			if (found->scale > MOST_SCALE)
				found->scale = MOST_SCALE;
		} else if (kind == OPTION_SACK && size == SACK_BYTES) {
			found->sack = 1;
		} else if (kind == OPTION_TIMES && size == TIMES_BYTES) {
			found->times = 1;
			found->time = bpf_htonl(byte_at(tcp, at + 2) << 24 | byte_at(tcp, at + 3) << 16 |
						byte_at(tcp, at + 4) << 8 | byte_at(tcp, at + 5));
		}
		at += size;
	}
}

/* The SYN-ACK's timestamp: now, or up to 127 ms ago. */
static __always_inline __u32 time_with(const struct options *of)
{
	__u32 now = bpf_ktime_get_ns() / NS_PER_MS, bits = of->scale | (of->sack ? SACK_BIT : 0);
	__u32 time = (now & ~(OPTION_BITS - 1)) | bits;

	return time > now ? time - OPTION_BITS : time;
}

/* Without timestamps the server would not learn of the other options, and the MSS is the only one. */
static __always_inline void make_options(__be32 *words, const struct offer *ours, const struct options *of)
{
	__u32 sack = of->sack ? OPTION_SACK << 8 | SACK_BYTES : NOPS & 0xffff;

	words[0] = bpf_htonl(OPTION_MSS << 24 | 4 << 16 | ours->mss);
	if (!of->times)
		return;
	words[1] = bpf_htonl(sack << 16 | OPTION_TIMES << 8 | TIMES_BYTES);
	words[2] = bpf_htonl(time_with(of));
	words[3] = of->time;
	words[4] = NOPS;
	if (of->scale != NO_SCALE)
		words[4] = bpf_htonl(OPTION_NOP << 24 | OPTION_SCALE << 16 | SCALE_BYTES << 8 | ours->window_scale);
}

static __always_inline __sum16 folded(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (__sum16)~sum;
}

static __always_inline void write_ip(ip_header *ip, __u16 tcp_bytes)
{
	struct address server = *destination_of(ip);

	*(struct address *)&ip->daddr = *source_of(ip);
	*(struct address *)&ip->saddr = server;
	ip->HOP_LIMIT = 64;
#if IP_VERSION == 6
	ip->payload_len = bpf_htons(tcp_bytes);
#else
	ip->tot_len = bpf_htons(sizeof(*ip) + tcp_bytes);
	ip->id = 0;
	ip->frag_off = bpf_htons(0x4000); /* do not fragment */
	ip->check = 0;
	ip->check = folded(bpf_csum_diff(NULL, 0, (void *)ip, sizeof(*ip), 0));
#endif
}

/* The header that TCP's checksum covers besides its own, in 32-bit words (RFC 8200; for IPv4 the sum is the same). */
struct pseudo {
	struct address source;
	struct address destination;
	__be32 bytes;
	__be32 protocol;
};

/* `words` are the options, with zeros for those that the header does not have. */
static __always_inline void write_tcp(ip_header *ip, struct tcphdr *tcp, __u16 bytes, __u32 cookie, __be32 *words)
{
	struct pseudo pseudo = {
		.source = *source_of(ip),
		.destination = *destination_of(ip),
		.bytes = bpf_htonl(bytes),
		.protocol = bpf_htonl(IPPROTO_TCP),
	};
	__be16 client = tcp->source;
	__u32 sum;

	tcp->source = tcp->dest;
	tcp->dest = client;
	tcp->ack_seq = bpf_htonl(bpf_ntohl(tcp->seq) + 1);
	tcp->seq = bpf_htonl(cookie);
	((__be16 *)tcp)[6] = bpf_htons(bytes / 4 << 12 | FLAGS_OF_SYN_ACK);
	tcp->window = bpf_htons(WINDOW);
	tcp->check = 0;
	tcp->urg_ptr = 0;
	sum = bpf_csum_diff(NULL, 0, (void *)&pseudo, sizeof(pseudo), 0);
	sum = bpf_csum_diff(NULL, 0, (void *)words, 4 * OPTION_WORDS, sum);
	tcp->check = folded(bpf_csum_diff(NULL, 0, (void *)tcp, sizeof(*tcp), sum));
}

static __always_inline void return_frame(struct ethhdr *eth)
{
	__u8 client[ETH_ALEN];

	__builtin_memcpy(client, eth->h_source, ETH_ALEN);
	__builtin_memcpy(eth->h_source, eth->h_dest, ETH_ALEN);
	__builtin_memcpy(eth->h_dest, client, ETH_ALEN);
}

/* Give the frame its new length, and write the SYN-ACK into it. Returns 0 if that is not possible. */
static __always_inline int write_answer(struct xdp_md *ctx, __u32 cookie, __be32 *words)
{
	__u32 bytes = words[1] ? LONG_BYTES : SHORT_BYTES, *options;
	int length = (long)ctx->data_end - (long)ctx->data;
	struct ethhdr *eth;
	ip_header *ip;

	/* Else the compiler would subtract from the frame's end, which the verifier forbids. */
	asm volatile("" : "+r"(length));
	if (bpf_xdp_adjust_tail(ctx, (int)(IP_BYTES + bytes) - length))
		return 0;
	eth = (void *)(long)ctx->data;
	if ((void *)eth + IP_BYTES + SHORT_BYTES > (void *)(long)ctx->data_end)
		return 0;
	ip = (void *)(eth + 1);
	return_frame(eth);
	write_ip(ip, bytes);
	write_tcp(ip, (void *)(ip + 1), bytes, cookie, words);

	options = (void *)eth + IP_BYTES + sizeof(struct tcphdr);
	options[0] = words[0];
	if (bytes == SHORT_BYTES)
		return 1;
	if ((void *)(options + OPTION_WORDS) > (void *)(long)ctx->data_end)
		return 0;
	__builtin_memcpy(options, words, 4 * OPTION_WORDS);
	return 1;
}

/* Turn the SYN into a SYN-ACK, in place. Returns 0 if that is not possible. */
static __always_inline int answer(struct xdp_md *ctx, const struct offer *ours, struct segment *segment)
{
	struct options options = {.scale = NO_SCALE};
	__be32 words[OPTION_WORDS] = {};
	__u8 copy[COPY_BYTES] = {};
	__u32 bytes = segment->tcp->doff * 4;
	__s64 cookie;

	if (bytes < sizeof(struct tcphdr))
		return 0;
	/* The compiler must not merge the two checks: the verifier learns bounds from comparisons with the value only.
	 */
	asm volatile("" : "+r"(bytes));
	if (bytes > MOST_TCP_BYTES || copy_bytes(ctx, IP_BYTES, copy, bytes))
		return 0;
	cookie = make_cookie(segment->ip, copy, bytes);
	if (cookie < 0)
		return 0;
	read_options(copy, bytes, &options);
	make_options(words, ours, &options);
	return write_answer(ctx, (__u32)cookie, words);
}

/* Whether the server must see this SYN. Two CPUs may find so at once, and pass two. */
static __always_inline int is_due(void)
{
	int zero = 0;
	__u64 *last = passed_at.lookup(&zero), now = bpf_ktime_get_ns();

	if (!last || now - *last < NS_BETWEEN)
		return 0;
	*last = now;
	return 1;
}

int from_client(struct xdp_md *ctx)
{
	int zero = 0;
	struct config *cfg = config.lookup(&zero);
	struct offer *ours = offer.lookup(&zero);
	struct segment segment;

	/* Any other packet has one hop to live, and ends in the kernel's routing. */
	if (!cfg || !cfg->hop_limit || !ours || !read_frame(ctx, &segment))
		return XDP_PASS;
	if (!is_syn(segment.tcp))
		return pass(segment.ip, cfg->hop_limit);

	count(SYNS, 1);
	if (is_due())
		return pass(segment.ip, cfg->hop_limit);
	if (!answer(ctx, ours, &segment)) {
		count(DENIED, 1);
		return XDP_DROP;
	}
	count(COOKIES, 1);
	return XDP_TX;
}
