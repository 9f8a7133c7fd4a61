// SPDX-License-Identifier: Apache-2.0
#include "body.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

static uint8_t pattern[2 * PATTERN_PERIOD];
static uint32_t crc_table[256];

void pattern_init(void)
{
	// Letters and digits are readable in a packet dump, and contain no line end.
	static const char letters[64] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
	uint64_t x = 0x9e3779b97f4a7c15ull;
	for (uint32_t i = 0; i < PATTERN_PERIOD; i++) {
		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		pattern[i] = pattern[i + PATTERN_PERIOD] = (uint8_t)letters[x >> 58];
	}
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t c = i;
		for (int bit = 0; bit < 8; bit++)
			c = c & 1 ? c >> 1 ^ 0x82f63b78u : c >> 1;
		crc_table[i] = c;
	}
}

struct body pattern_body(uint64_t length)
{
	return (struct body){pattern, PATTERN_PERIOD, length};
}

void token_fill(uint8_t *token, uint64_t index, uint64_t size)
{
	char head[TOKEN_BYTES_MIN];
	size_t head_size = (size_t)snprintf(head, sizeof head, "data: %010" PRIu64 " ", index);
	memcpy(token, head, head_size);
	memcpy(token + head_size, pattern + index % PATTERN_PERIOD, size - head_size - 2);
	memcpy(token + size - 2, "\n\n", 2);
}

struct body token_body(uint64_t tokens, uint64_t size)
{
	uint64_t length = tokens * size;
	uint8_t *data = malloc(length);
	if (!data)
		return (struct body){0};
	for (uint64_t i = 0; i < tokens; i++)
		token_fill(data + i * size, i, size);
	return (struct body){data, length, length};
}

// Reads the whole of an open file. data is NULL with errno set on failure.
static struct body read_body(int fd)
{
	struct stat info;
	if (fstat(fd, &info) != 0)
		return (struct body){0};
	if (info.st_size <= 0) {
		errno = ENODATA;
		return (struct body){0};
	}
	uint8_t *data = malloc((size_t)info.st_size);
	ssize_t got = data ? read(fd, data, (size_t)info.st_size) : -1;
	if (got == info.st_size)
		return (struct body){data, (uint64_t)got, (uint64_t)got};
	int error = got < 0 ? errno : EIO;
	free(data);
	errno = error;
	return (struct body){0};
}

struct body file_body(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return (struct body){0};
	struct body body = read_body(fd);
	int error = errno;
	close(fd);
	errno = error;
	return body;
}

// How many of the `wanted` bytes from `offset` on are contiguous in memory.
static size_t contiguous(const struct body *body, uint64_t offset, uint64_t wanted)
{
	uint64_t span = body->length > body->period ? body->period : body->length - offset % body->period;
	return (size_t)(wanted < span ? wanted : span);
}

bool body_matches(const struct body *body, uint64_t offset, const void *data, size_t size)
{
	if (size > body->length || offset > body->length - size)
		return false;
	for (const uint8_t *at = data; size;) {
		size_t part = contiguous(body, offset, size);
		if (memcmp(at, body->data + offset % body->period, part) != 0)
			return false;
		at += part, offset += part, size -= part;
	}
	return true;
}

int body_spans(const struct body *body, uint64_t offset, struct iovec *spans, int pieces)
{
	int used = 0;
	while (used < pieces && offset < body->length) {
		size_t part = contiguous(body, offset, body->length - offset);
		spans[used++] = (struct iovec){(void *)(uintptr_t)(body->data + offset % body->period), part};
		offset += part;
	}
	return used;
}

static uint32_t crc_by_table(uint32_t crc, const uint8_t *data, size_t size)
{
	while (size--)
		crc = crc >> 8 ^ crc_table[(crc ^ *data++) & 255];
	return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t crc_by_cpu(uint32_t crc, const uint8_t *data, size_t size)
{
	uint64_t wide = crc, word;
	for (; size >= 8; data += 8, size -= 8) {
		memcpy(&word, data, 8);
		wide = _mm_crc32_u64(wide, word);
	}
	crc = (uint32_t)wide;
	while (size--)
		crc = _mm_crc32_u8(crc, *data++);
	return crc;
}
#endif

uint32_t crc32c(uint32_t crc, const void *data, size_t size)
{
#if defined(__x86_64__)
	if (__builtin_cpu_supports("sse4.2"))
		return ~crc_by_cpu(~crc, data, size);
#endif
	return ~crc_by_table(~crc, data, size);
}

uint32_t body_crc32c(const struct body *body)
{
	uint32_t crc = 0;
	for (uint64_t offset = 0; offset < body->length;) {
		size_t part = contiguous(body, offset, body->length - offset);
		crc = crc32c(crc, body->data + offset % body->period, part);
		offset += part;
	}
	return crc;
}
