// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Every segment is assigned to a socket of the proxy, which terminates TLS. */
#include "assign.h"
