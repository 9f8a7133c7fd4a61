// SPDX-License-Identifier: Apache-2.0
// Reads numbers of a URL's query.
#ifndef SHOWDOWN_QUERY_H
#define SHOWDOWN_QUERY_H

#include <stdbool.h>
#include <stdint.h>

// `usual` is its value if it is missing. False: it is no number, or out of range.
bool query_number(const char *query, const char *name, uint64_t usual, uint64_t low, uint64_t high, uint64_t *value);

#endif
