// SPDX-License-Identifier: Apache-2.0
// IPv4 and IPv6 socket addresses. They are read from numeric text only: resolving a name would cause traffic outside
// the lab.
#ifndef SHOWDOWN_ADDRESS_H
#define SHOWDOWN_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "args.h"

#define ADDRESS_TEXT_BYTES 80 // fits every result of address_text() and address_host_text()

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

// Parses a numeric IPv4 or IPv6 address without brackets.
bool address_parse(const char *text, uint16_t port, union address *address);
// Parses an option's "ADDRESS:PORT"; an IPv6 address is in brackets.
bool address_read_endpoint(struct args *args, const char *option, const char *text, union address *address);

socklen_t address_size(const union address *address);
uint16_t address_port(const union address *address);
void address_set_port(union address *address, uint16_t port);
bool address_same_host(const union address *one, const union address *other);
// The same host and port.
bool address_same(const union address *one, const union address *other);

// "ADDRESS:PORT", as in a URL.
void address_text(const union address *address, char *text, size_t size);
// The address alone, without brackets.
void address_host_text(const union address *address, char *text, size_t size);

#endif
