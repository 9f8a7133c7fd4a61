// SPDX-License-Identifier: Apache-2.0
#ifndef SHOWDOWN_PLAN_READ_H
#define SHOWDOWN_PLAN_READ_H

#include "options.h"
#include "plan.h"

// Makes the process's plan from its command line. The plan is complete if *result is OPTIONS_READ.
struct plan *plan_read(int argc, char **argv, struct args *args, enum options_result *result);

#endif
