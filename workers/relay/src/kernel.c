// SPDX-License-Identifier: Apache-2.0
#include "kernel.h"

#include <errno.h>
#include <linux/bpf.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

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

// The kernel accepts established sockets only: one whose peer has closed its side can no longer enter a map.
static enum outcome unless_closing(int error)
{
	return error == EOPNOTSUPP || error == EINVAL ? OUTCOME_CONTINUE : OUTCOME_FAILED;
}

enum outcome kernel_join(const struct socket_maps *maps, struct direction *direction, int source_fd, int target_fd)
{
	uint64_t cookie;
	if (!cookie_of(source_fd, &cookie))
		return OUTCOME_FAILED;
	if (map_call(BPF_MAP_UPDATE_ELEM, maps->targets_fd, cookie, target_fd) != 0)
		return unless_closing(errno);
	if (map_call(BPF_MAP_UPDATE_ELEM, maps->verdict_fd, cookie, source_fd) != 0) {
		int error = errno;
		map_call(BPF_MAP_DELETE_ELEM, maps->targets_fd, cookie, -1);
		return unless_closing(error);
	}
	direction->in_kernel = true;
	return OUTCOME_CONTINUE;
}

void kernel_announce(int source_fd)
{
	// Data that arrived before the program would wait in the socket until the next segment arrives. Setting the
	// low-water mark makes the kernel call the socket's data_ready function again, which is now the program's.
	int bytes = 1;
	setsockopt(source_fd, SOL_SOCKET, SO_RCVLOWAT, &bytes, sizeof bytes);
}

static bool info_of(int fd, struct tcp_info *info)
{
	socklen_t size = sizeof *info;
	memset(info, 0, sizeof *info);
	return getsockopt(fd, IPPROTO_TCP, TCP_INFO, info, &size) == 0;
}

bool kernel_drained(struct direction *direction, int source_fd, int target_fd)
{
	// The kernel's worker writes data some time after the program's verdict. Closing earlier would lose the rest.
	struct tcp_info source, target;
	if (!info_of(source_fd, &source) || !info_of(target_fd, &target))
		return true;
	uint64_t received = source.tcpi_bytes_received - 1; // the FIN counts as one
	uint64_t written = target.tcpi_bytes_sent - target.tcpi_bytes_retrans + target.tcpi_notsent_bytes;
	if (written > direction->written)
		direction->written = written;
	return written >= received;
}
