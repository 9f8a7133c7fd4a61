// SPDX-License-Identifier: Apache-2.0
// Values of command-line options. Each message names the option and says which values it accepts.
#ifndef SHOWDOWN_ARGS_H
#define SHOWDOWN_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct args {
	char *failure; // the first message; empty: none
	size_t failure_size;
};

// Stores the first message; later ones are ignored. Returns false, so that callers can `return args_refuse(...)`.
__attribute__((format(printf, 2, 3))) bool args_refuse(struct args *args, const char *format, ...);
bool args_whole(struct args *args, const char *option, const char *text, uint64_t low, uint64_t high, uint64_t *value);
bool args_real(struct args *args, const char *option, const char *text, double low, double high, double *value);
// Parses a list like "0,1,3" of at most `room` CPU numbers, all different.
bool args_cpus(struct args *args, const char *text, int *cpus, int *count, int room);
// The lowest CPU that this process may run on.
int args_first_cpu(void);

#endif
