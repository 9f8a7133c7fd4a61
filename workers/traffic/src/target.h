// SPDX-License-Identifier: Apache-2.0
// Where traffic goes: an address, the network namespace it is reached from, and the source addresses and ports to use.
#ifndef SHOWDOWN_TARGET_H
#define SHOWDOWN_TARGET_H

#include <stdbool.h>
#include <stdint.h>

#include "address.h"
#include "schedule.h"

#define LABEL_BYTES 64
#define SOURCES_MAX 64

struct target {
	char label[LABEL_BYTES];
	char netns[256];
	int netns_fd;  // -1: the namespace the program was started in
	char text[80]; // address and port, as in a URL
	union address address;
	int sources_count;
	union address sources[SOURCES_MAX];
	uint16_t port_low, port_high; // of the source; 0: the kernel chooses
	double rate_per_s;	      // of an open loop, its own; 0: that of all targets
	struct profile profile;
};

// The namespace of the calling thread: sockets belong for ever to the namespace in which they were made.
struct netns_place {
	int home_fd;
	int current_fd;
};
bool netns_open(struct netns_place *place);
// Moves the calling thread into a target's namespace, or back home for -1. False with errno set.
bool netns_enter(struct netns_place *place, int fd);

// A non-blocking socket of `type`, bound to the next source and connecting. `cursor` walks over sources and ports;
// threads own every `stride`-th. Returns the descriptor or -errno; EINPROGRESS is success.
int target_connect(const struct target *target, int type, uint64_t *cursor, uint64_t stride);

#endif
