// SPDX-License-Identifier: Apache-2.0
#include "query.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool query_number(const char *query, const char *name, uint64_t usual, uint64_t low, uint64_t high, uint64_t *value)
{
	size_t name_size = strlen(name);
	*value = usual;
	for (const char *at = query; at && *at; at = strchr(at, '&') ? strchr(at, '&') + 1 : NULL) {
		if (strncmp(at, name, name_size) != 0 || at[name_size] != '=')
			continue;
		char *end;
		const char *digits = at + name_size + 1;
		errno = 0;
		*value = strtoull(digits, &end, 10);
		return *digits >= '0' && *digits <= '9' && (!*end || *end == '&') && !errno && *value >= low &&
		       *value <= high;
	}
	return true;
}
