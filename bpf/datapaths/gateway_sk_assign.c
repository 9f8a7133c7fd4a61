// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Every segment of a client is assigned to a socket of the gateway. */
#include "assign_clients.h"
