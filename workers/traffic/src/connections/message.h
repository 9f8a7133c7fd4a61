// SPDX-License-Identifier: Apache-2.0
// Plain messages that the origin echoes, shared by tcp_rr and udp_rr.
#ifndef SHOWDOWN_MESSAGE_H
#define SHOWDOWN_MESSAGE_H

#include "load_options.h"
#include "state.h"

// The message is --body-bytes of the pattern, of low to high bytes, and so is its answer.
bool message_prepare(struct load_options *options, struct args *args, uint64_t low, uint64_t high);
// The row `compose` of struct protocol.
bool message_compose(const struct plan *plan, struct target_state *target);

#endif
