// SPDX-License-Identifier: Apache-2.0
// Where traffic goes: an address, the network namespace of the sockets, and their source addresses and ports.
#ifndef SHOWDOWN_TARGET_H
#define SHOWDOWN_TARGET_H

#include <stdbool.h>
#include <stdint.h>

#include "address.h"
#include "schedule.h"

#define LABEL_BYTES 64
#define SOURCES_MAX 128

struct target {
	char label[LABEL_BYTES];
	char netns[256];
	char authority[256]; // file of the trusted certificates, or TLS_UNVERIFIED; empty: plain
	int netns_fd;	     // -1: the namespace in which the program was started
	char text[ADDRESS_TEXT_BYTES];
	union address address;
	int sources_count;
	union address sources[SOURCES_MAX];
	uint16_t port_low, port_high; // of the source; 0: the kernel chooses
	double rate_per_s;	      // of an open loop; 0: the rate of --open
	struct profile profile;
};

// The namespace of the calling thread. A socket stays in the namespace in which it was created.
struct netns_place {
	int home_fd;
	int current_fd;
};
bool netns_open(struct netns_place *place);
// Moves the calling thread into a namespace, or back into the first one for -1. False with errno set.
bool netns_enter(struct netns_place *place, int fd);

// Opens a non-blocking socket of `type`, binds it to the next source and begins to connect. `cursor` enumerates pairs
// of source address and port; each thread uses every `stride`-th. Returns the descriptor or -errno; EINPROGRESS is
// success.
int target_connect(const struct target *target, int type, uint64_t *cursor, uint64_t stride);

// The index of the source address that a cursor stands for; 0 if the kernel chooses it.
static inline int target_source(const struct target *target, uint64_t cursor)
{
	return target->sources_count ? (int)(cursor % (uint64_t)target->sources_count) : 0;
}
// How many source addresses the target's connections have; those that the kernel chooses count as one.
static inline int target_sources(const struct target *target)
{
	return target->sources_count ? target->sources_count : 1;
}

#endif
