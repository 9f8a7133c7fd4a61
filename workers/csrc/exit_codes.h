// SPDX-License-Identifier: Apache-2.0
// Exit codes of the C programs; 0 is success.
#ifndef SHOWDOWN_EXIT_CODES_H
#define SHOWDOWN_EXIT_CODES_H

enum { EXIT_FAILED = 1, EXIT_USAGE = 2 };

#endif
