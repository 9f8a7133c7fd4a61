// SPDX-License-Identifier: Apache-2.0
#ifndef SHOWDOWN_PLAN_SLICES_H
#define SHOWDOWN_PLAN_SLICES_H

#include "plan.h"

// Sets the order of the targets from "L1,L2,…", or to that of the command line for NULL.
bool plan_order(struct plan *plan, struct args *args, const char *text);
// Allocates and fills the slices, and sets the length of the plan's profile.
bool plan_slices(struct plan *plan, struct args *args);

#endif
