// SPDX-License-Identifier: Apache-2.0
#ifndef SHOWDOWN_PRIVILEGE_H
#define SHOWDOWN_PRIVILEGE_H

#include "relay_options.h"

// Becomes `nobody`, and keeps only the capabilities that the options need. Call it once every file is open.
bool privileges_drop(const struct relay_options *options);

#endif
