// SPDX-License-Identifier: Apache-2.0
#include "slow.h"

char slow_character(uint8_t step)
{
	static const char characters[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	return characters[step];
}
