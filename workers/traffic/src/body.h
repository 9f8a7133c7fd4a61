// SPDX-License-Identifier: Apache-2.0
// Request and answer bodies. They are deterministic, so that every received byte can be compared.
#ifndef SHOWDOWN_BODY_H
#define SHOWDOWN_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

// A prime: a lost or repeated piece of any power-of-two size shifts the pattern, and the comparison fails.
#define PATTERN_PERIOD 65521u

// A body of `length` bytes, of which byte i is data[i % period]. `data` holds two periods if length > period, so that a
// whole period can be compared at once from any offset.
struct body {
	const uint8_t *data;
	uint64_t period;
	uint64_t length;
};

// Fills the pattern of origin and generator. Called once, before threads start.
void pattern_init(void);
struct body pattern_body(uint64_t length);
// A stream of `tokens` server-sent events of `size` bytes each. data is NULL if there is no memory.
#define TOKEN_BYTES_MIN 24u
#define TOKEN_BYTES_MAX 65536u
void token_fill(uint8_t *token, uint64_t index, uint64_t size);
struct body token_body(uint64_t tokens, uint64_t size);
// A file's content. data is NULL with errno set if it cannot be read; ENODATA: it is empty.
struct body file_body(const char *path);

// Whether `size` bytes at `offset` lie within the body and equal it.
bool body_matches(const struct body *body, uint64_t offset, const void *data, size_t size);
// Fills up to `pieces` spans with the body from `offset` on. Returns how many.
int body_spans(const struct body *body, uint64_t offset, struct iovec *spans, int pieces);

// CRC-32C (Castagnoli, RFC 3720), continued from `crc`; start with 0. Uses the CPU's instruction if there is one.
uint32_t crc32c(uint32_t crc, const void *data, size_t size);
uint32_t body_crc32c(const struct body *body);

#endif
