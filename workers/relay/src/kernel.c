// SPDX-License-Identifier: Apache-2.0
// Handing a connection to the kernel, and knowing when the kernel is done with it.
//
// Two maps of sockets, both keyed by the cookie of the socket that data comes from. `targets` holds the other end,
// where the data goes; it has no program. `verdict` holds the socket itself, and its program redirects to
// targets[cookie]. So a socket's data meets the program only when its target is there: with one map, what came between
// the two insertions would find no target and be lost.
#include <errno.h>
#include <linux/bpf.h>
#include <linux/tcp.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clock.h"
#include "relay.h"

#define FIRST_PAUSE_NS (20 * NS_PER_US)
#define LAST_PAUSE_NS (10 * NS_PER_MS)
#define STUCK_NS (60 * NS_PER_S) // without a byte of progress after the source's end: its bytes are lost

static int map_call(int command, int map_fd, uint64_t key, int socket_fd)
{
	uint32_t value = (uint32_t)socket_fd;
	union bpf_attr attributes;
	memset(&attributes, 0, sizeof attributes);
	attributes.map_fd = (uint32_t)map_fd;
	attributes.key = (uint64_t)(uintptr_t)&key;
	if (command == BPF_MAP_UPDATE_ELEM)
		attributes.value = (uint64_t)(uintptr_t)&value;
	return (int)syscall(SYS_bpf, command, &attributes, sizeof attributes);
}

static bool cookie_of(int fd, uint64_t *cookie)
{
	socklen_t size = sizeof *cookie;
	return getsockopt(fd, SOL_SOCKET, SO_COOKIE, cookie, &size) == 0;
}

// A peer that has closed its side already can no longer be in a map; such a way is spliced here.
static bool too_late(void)
{
	return errno == EOPNOTSUPP || errno == EINVAL;
}

static bool join_way(struct link *link, int side)
{
	const struct options *options = &link->owner->relay->options;
	int source = link->ends[side].fd, target = link->ends[!side].fd;
	uint64_t cookie;
	if (!cookie_of(source, &cookie))
		return false;
	if (map_call(BPF_MAP_UPDATE_ELEM, options->targets_fd, cookie, target) != 0)
		return too_late();
	if (map_call(BPF_MAP_UPDATE_ELEM, options->verdict_fd, cookie, source) != 0) {
		int error = errno;
		map_call(BPF_MAP_DELETE_ELEM, options->targets_fd, cookie, -1);
		errno = error;
		return too_late();
	}
	link->ways[side].in_kernel = true;
	tally_add(&link->owner->tally->kernel_ways, 1);
	return true;
}

bool kernel_join(struct link *link)
{
	int one = 1;
	for (int side = 0; side < SIDES; side++)
		if (!join_way(link, side))
			return false;
	// What came before the program was there lies in the socket and would wait for the next segment to come.
	// Setting the low-water mark makes the kernel announce it again, now to the program.
	for (int side = 0; side < SIDES; side++)
		if (link->ways[side].in_kernel)
			setsockopt(link->ends[side].fd, SOL_SOCKET, SO_RCVLOWAT, &one, sizeof one);
	return true;
}

static bool info_of(int fd, struct tcp_info *info)
{
	socklen_t size = sizeof *info;
	memset(info, 0, sizeof *info);
	return getsockopt(fd, IPPROTO_TCP, TCP_INFO, info, &size) == 0;
}

// Whether everything that came in at an end, whose peer has closed, has been written to the other end. The kernel's
// worker writes it some time after the program's verdict; closing before would lose the rest.
bool kernel_drained(struct link *link, int side)
{
	struct tcp_info from, to;
	if (!info_of(link->ends[side].fd, &from) || !info_of(link->ends[!side].fd, &to))
		return true;
	uint64_t received = from.tcpi_bytes_received - 1; // the FIN counts as one
	uint64_t written = to.tcpi_bytes_sent - to.tcpi_bytes_retrans + to.tcpi_notsent_bytes;
	if (written > link->ways[side].written) {
		link->ways[side].written = written;
		link->progress_ns = now_ns();
	}
	return written >= received;
}

void kernel_await(struct link *link)
{
	uint64_t now = now_ns();
	if (!link->draining) {
		link->draining = true;
		link->pause_ns = FIRST_PAUSE_NS;
		link->progress_ns = now;
		link->next_drained = link->owner->draining;
		link->owner->draining = link;
	} else if (link->pause_ns < LAST_PAUSE_NS) {
		link->pause_ns *= 2;
	}
	link->due_ns = now + link->pause_ns;
}

static void look_again(struct link *link, uint64_t now)
{
	bool stuck = now - link->progress_ns > STUCK_NS;
	if (stuck) {
		tally_add(&link->owner->tally->failures, 1);
		link_reset(link);
	} else {
		link_settle(link);
	}
}

static bool awaits(const struct link *link)
{
	for (int side = 0; side < SIDES; side++)
		if (link->ways[side].in_kernel && link->ways[side].ended && !link->ways[side].shut)
			return true;
	return false;
}

uint64_t kernel_settle(struct worker *w, uint64_t now)
{
	uint64_t soonest = NEVER;
	for (struct link **at = &w->draining; *at;) {
		struct link *link = *at;
		if (!link->closed && link->due_ns <= now)
			look_again(link, now);
		if (link->closed || !awaits(link)) {
			link->draining = false;
			*at = link->next_drained;
			continue;
		}
		if (link->due_ns < soonest)
			soonest = link->due_ns;
		at = &link->next_drained;
	}
	return soonest;
}
