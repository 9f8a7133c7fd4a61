// SPDX-License-Identifier: Apache-2.0
// The two modes of the program. argv[0] is the mode's name.
#ifndef SHOWDOWN_MODES_H
#define SHOWDOWN_MODES_H

#include "exit_codes.h"

int load_main(int argc, char **argv);
int origin_main(int argc, char **argv);

#endif
