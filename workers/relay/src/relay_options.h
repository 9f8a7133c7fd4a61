// SPDX-License-Identifier: Apache-2.0
#ifndef SHOWDOWN_RELAY_OPTIONS_H
#define SHOWDOWN_RELAY_OPTIONS_H

#include "address.h"
#include "kernel.h"
#include "options.h"

struct relay_options {
	union address listen, origin;
	bool transparent; // connect to the address that the client asked for, from the client's address
	bool udp;	  // relays datagrams
	int threads, backlog;
	uint32_t connections; // UDP: flows
	uint64_t idle_ns;     // UDP: a flow without datagrams ends after this time
	struct socket_maps maps;
	const char *stats_page;
};

enum options_result relay_options_read(struct args *args, int argc, char **argv, struct relay_options *options);
void relay_options_help(FILE *out);

#endif
