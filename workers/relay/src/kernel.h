// SPDX-License-Identifier: Apache-2.0
// Hands a direction to the kernel, and finds out when the kernel has written all of it.
//
// There are two maps of sockets. The key of both is the cookie of the source socket. `targets` holds the target socket,
// where the data goes, and has no program. `verdict` holds the source socket itself, and its program redirects to
// targets[cookie]. So the program sees a socket's data only after the socket's target is in place. With one map, data
// that arrived between the two insertions would find no target and be lost.
#ifndef SHOWDOWN_KERNEL_H
#define SHOWDOWN_KERNEL_H

#include "direction.h"
#include "outcome.h"

struct socket_maps {
	int targets_fd, verdict_fd; // -1: the relay has no maps, and splices every byte itself
};

// Puts both sockets into the maps and sets `in_kernel`. Leaves `in_kernel` false if the source's peer has already
// closed its side: the kernel refuses such a socket, and the relay splices it.
enum outcome kernel_join(const struct socket_maps *maps, struct direction *direction, int source_fd, int target_fd);
// Makes the kernel pass the data that is already in the source socket to the program.
void kernel_announce(int source_fd);
// Whether all data of an ended source has been written to the target. Updates `written`.
bool kernel_drained(struct direction *direction, int source_fd, int target_fd);

#endif
