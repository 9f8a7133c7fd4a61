// SPDX-License-Identifier: Apache-2.0
#include "args.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool args_refuse(struct args *args, const char *format, ...)
{
	va_list values;
	if (args->failure[0])
		return false;
	va_start(values, format);
	vsnprintf(args->failure, args->failure_size, format, values);
	va_end(values);
	return false;
}

bool args_whole(struct args *args, const char *option, const char *text, uint64_t low, uint64_t high, uint64_t *value)
{
	char *end;
	errno = 0;
	*value = strtoull(text, &end, 10);
	if (text[0] >= '0' && text[0] <= '9' && !*end && !errno && *value >= low && *value <= high)
		return true;
	return args_refuse(args, "%s: '%.40s' is not a whole number from %" PRIu64 " to %" PRIu64, option, text, low,
			   high);
}

bool args_real(struct args *args, const char *option, const char *text, double low, double high, double *value)
{
	char *end;
	*value = strtod(text, &end);
	if (end != text && !*end && isfinite(*value) && *value >= low && *value <= high)
		return true;
	return args_refuse(args, "%s: '%.40s' is not a number from %g to %g", option, text, low, high);
}

bool args_cpus(struct args *args, const char *text, int *cpus, int *count, int room)
{
	char copy[512], *rest = NULL;
	if (strlen(text) >= sizeof copy)
		return args_refuse(args, "--cpus: the list is too long");
	strcpy(copy, text);
	*count = 0;
	for (char *item = strtok_r(copy, ",", &rest); item; item = strtok_r(NULL, ",", &rest)) {
		uint64_t cpu;
		if (!args_whole(args, "--cpus", item, 0, CPU_SETSIZE - 1, &cpu))
			return false;
		for (int i = 0; i < *count; i++)
			if (cpus[i] == (int)cpu)
				return args_refuse(args, "--cpus: CPU %d is named twice", (int)cpu);
		if (*count == room)
			return args_refuse(args, "--cpus: at most %d", room);
		cpus[(*count)++] = (int)cpu;
	}
	return *count > 0 || args_refuse(args, "--cpus: name at least one CPU");
}

int args_first_cpu(void)
{
	cpu_set_t allowed;
	if (sched_getaffinity(0, sizeof allowed, &allowed) == 0)
		for (int i = 0; i < CPU_SETSIZE; i++)
			if (CPU_ISSET(i, &allowed))
				return i;
	return 0;
}
