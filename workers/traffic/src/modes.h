// SPDX-License-Identifier: Apache-2.0
#ifndef SHOWDOWN_MODES_H
#define SHOWDOWN_MODES_H

#include "exit_codes.h"

int load_main(int argc, char **argv);
int origin_main(int argc, char **argv);

#endif
