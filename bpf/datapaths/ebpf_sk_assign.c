// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Every segment and datagram is assigned to a socket of a proxy. */
#include "assign.h"
