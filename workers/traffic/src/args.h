// SPDX-License-Identifier: Apache-2.0
// Reading command lines: every refusal names the option and says what would be right.
#ifndef SHOWDOWN_ARGS_H
#define SHOWDOWN_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct args {
	char *failure;
	size_t failure_size;
};

// Notes the first refusal; returns false, so that readers can `return args_refuse(...)`.
__attribute__((format(printf, 2, 3))) bool args_refuse(struct args *args, const char *format, ...);
bool args_whole(struct args *args, const char *option, const char *text, uint64_t low, uint64_t high, uint64_t *value);
bool args_real(struct args *args, const char *option, const char *text, double low, double high, double *value);
// "0,1,3" into CPU numbers; each at most once.
bool args_cpus(struct args *args, const char *text, int *cpus, int *count, int room);
// The CPUs that this process may run on, when none are given: the first of them.
int args_first_cpu(void);

#endif
