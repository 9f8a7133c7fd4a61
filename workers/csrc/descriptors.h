// SPDX-License-Identifier: Apache-2.0
// The process's limit of open files (RLIMIT_NOFILE): each connection needs at least one descriptor.
#ifndef SHOWDOWN_DESCRIPTORS_H
#define SHOWDOWN_DESCRIPTORS_H

#include <stdint.h>

// Raises the limit to at least `needed`. Exceeds the hard limit only with CAP_SYS_RESOURCE.
// Returns 0 or -errno; -EMFILE: the hard limit is too low. Either way *hard_limit is set.
int descriptors_raise(uint64_t needed, uint64_t *hard_limit);
// Raises the limit as far as this process may.
void descriptors_raise_to_maximum(void);

#endif
