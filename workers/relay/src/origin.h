// SPDX-License-Identifier: Apache-2.0
#ifndef SHOWDOWN_ORIGIN_H
#define SHOWDOWN_ORIGIN_H

#include "address.h"
#include "relay_options.h"

// Starts a connection to the origin of a client's connection. Returns the socket, which may still be connecting, or -1.
int origin_connect(const struct relay_options *options, int client_fd, const union address *client);

#endif
