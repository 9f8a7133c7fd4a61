// SPDX-License-Identifier: Apache-2.0
#include "protocol.h"

#include <string.h>

// Set by the linker, because the section's name is a C identifier.
extern const struct protocol *const __start_protocols[], *const __stop_protocols[];

const struct protocol *protocol_at(size_t index)
{
	size_t count = (size_t)(__stop_protocols - __start_protocols);
	return index < count ? __start_protocols[index] : NULL;
}

const struct protocol *protocol_find(const char *name)
{
	const struct protocol *protocol;
	for (size_t i = 0; (protocol = protocol_at(i)); i++)
		if (!strcmp(protocol->name, name))
			return protocol;
	return NULL;
}
