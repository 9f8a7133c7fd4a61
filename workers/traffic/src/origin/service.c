// SPDX-License-Identifier: Apache-2.0
#include "service.h"

// Set by the linker, because the section's name is a C identifier.
extern const struct service *const __start_services[], *const __stop_services[];

const struct service *service_at(size_t index)
{
	size_t count = (size_t)(__stop_services - __start_services);
	return index < count && index < SERVICES_MAX ? __start_services[index] : NULL;
}
