/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The devices of a lab's two links, for probes that watch all four in the order of LINK_DEVICES (probes/tracing.py).
 * client and dut_client are the ends of one link; dut_server and server are the ends of the other.
 */
#ifndef SHOWDOWN_LINKS_H
#define SHOWDOWN_LINKS_H

#include "packets.h"

#define OTHER_END(device) ((device) ^ 1)
#define SIDE_OF_DEVICE(device) ((device) == 0 ? CLIENT_SIDE : (device) == 3 ? SERVER_SIDE : DUT_SIDE)

#endif
