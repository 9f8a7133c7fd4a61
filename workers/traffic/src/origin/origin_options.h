// SPDX-License-Identifier: Apache-2.0
#ifndef SHOWDOWN_ORIGIN_OPTIONS_H
#define SHOWDOWN_ORIGIN_OPTIONS_H

#include "options.h"
#include "origin_state.h"

// Parses and checks the command line of `showdown-traffic origin`.
enum options_result origin_options_read(struct origin_plan *plan, struct args *args, int argc, char **argv);
void origin_options_help(FILE *out);

#endif
