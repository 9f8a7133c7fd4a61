// SPDX-License-Identifier: Apache-2.0
// The bodies that travel: deterministic, so that every received byte can be compared with what it should be.
#ifndef SHOWDOWN_BODY_H
#define SHOWDOWN_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

// A prime, so that a lost or doubled piece of any power-of-two size shifts the pattern and is seen.
#define PATTERN_PERIOD 65521u

// What a body should be: `length` bytes, byte i being data[i % period]; data holds two periods for straight compares.
struct body {
	const uint8_t *data;
	uint64_t period;
	uint64_t length;
};

// The pattern that origin and generator share. Called once, before threads start.
void pattern_init(void);
struct body pattern_body(uint64_t length);
// A stream of `tokens` server-sent events of `size` bytes each. data is NULL without memory.
#define TOKEN_BYTES_MIN 24u
#define TOKEN_BYTES_MAX 65536u
void token_fill(uint8_t *token, uint64_t index, uint64_t size);
struct body token_body(uint64_t tokens, uint64_t size);
// A file's content; data is NULL with errno set when it cannot be read or is empty.
struct body file_body(const char *path);

// Whether `size` bytes at `offset` are as they should be, and lie within the body.
bool body_matches(const struct body *body, uint64_t offset, const void *data, size_t size);
// Up to `pieces` spans of the body from `offset` on; returns how many were filled.
int body_spans(const struct body *body, uint64_t offset, struct iovec *spans, int pieces);

// CRC-32C (Castagnoli, as iSCSI), continued from `crc`; start with 0. In hardware where the CPU has it.
uint32_t crc32c(uint32_t crc, const void *data, size_t size);
uint32_t body_crc32c(const struct body *body);

#endif
