// SPDX-License-Identifier: Apache-2.0
#include "address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

bool address_parse(const char *text, uint16_t port, union address *address)
{
	memset(address, 0, sizeof *address);
	if (inet_pton(AF_INET, text, &address->v4.sin_addr) == 1)
		address->any.sa_family = AF_INET;
	else if (inet_pton(AF_INET6, text, &address->v6.sin6_addr) == 1)
		address->any.sa_family = AF_INET6;
	else
		return false;
	address_set_port(address, port);
	return true;
}

bool address_read_endpoint(struct args *args, const char *option, const char *text, union address *address)
{
	char host[INET6_ADDRSTRLEN + 2]; // and the brackets
	const char *colon = strrchr(text, ':');
	size_t size = colon ? (size_t)(colon - text) : 0;
	uint64_t port;
	if (!size || size >= sizeof host)
		return args_refuse(args, "%s: '%.60s' is not ADDRESS:PORT", option, text);
	memcpy(host, text, size);
	host[size] = '\0';
	if (!args_whole(args, option, colon + 1, 0, UINT16_MAX, &port))
		return false;
	bool brackets = host[0] == '[' && host[size - 1] == ']';
	if (brackets)
		host[size - 1] = '\0';
	if (address_parse(host + brackets, (uint16_t)port, address) && brackets == (address->any.sa_family == AF_INET6))
		return true;
	return args_refuse(args, "%s: '%.*s' is no IPv4 address, and no IPv6 address in brackets", option, (int)size,
			   text);
}

socklen_t address_size(const union address *address)
{
	return address->any.sa_family == AF_INET6 ? sizeof address->v6 : sizeof address->v4;
}

uint16_t address_port(const union address *address)
{
	return ntohs(address->any.sa_family == AF_INET6 ? address->v6.sin6_port : address->v4.sin_port);
}

void address_set_port(union address *address, uint16_t port)
{
	if (address->any.sa_family == AF_INET6)
		address->v6.sin6_port = htons(port);
	else
		address->v4.sin_port = htons(port);
}

bool address_same_host(const union address *one, const union address *other)
{
	if (one->any.sa_family != other->any.sa_family)
		return false;
	if (one->any.sa_family == AF_INET6)
		return !memcmp(&one->v6.sin6_addr, &other->v6.sin6_addr, sizeof one->v6.sin6_addr);
	return one->v4.sin_addr.s_addr == other->v4.sin_addr.s_addr;
}

bool address_same(const union address *one, const union address *other)
{
	return address_same_host(one, other) && address_port(one) == address_port(other);
}

void address_text(const union address *address, char *text, size_t size)
{
	char host[INET6_ADDRSTRLEN];
	address_host_text(address, host, sizeof host);
	snprintf(text, size, address->any.sa_family == AF_INET6 ? "[%s]:%u" : "%s:%u", host, address_port(address));
}

void address_host_text(const union address *address, char *text, size_t size)
{
	const void *host = &address->v4.sin_addr;
	if (address->any.sa_family == AF_INET6)
		host = &address->v6.sin6_addr;
	if (!inet_ntop(address->any.sa_family, host, text, (socklen_t)size))
		text[0] = '\0';
}
