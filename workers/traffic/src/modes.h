// SPDX-License-Identifier: Apache-2.0
#ifndef SHOWDOWN_MODES_H
#define SHOWDOWN_MODES_H

enum { EXIT_FAILED = 1, EXIT_USAGE = 2 };

int load_main(int argc, char **argv);
int origin_main(int argc, char **argv);

#endif
