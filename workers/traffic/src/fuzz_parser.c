// SPDX-License-Identifier: Apache-2.0
// Feeds the parsers with files (or standard input), whole and in pieces, and aborts if the results differ. Each input
// is copied to a heap block of its exact size, so that AddressSanitizer detects a read of one byte too many.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "parser.h"

struct reading {
	enum chunk_result end;
	uint64_t bytes, sum;
};

static void require(int truth, const char *what)
{
	if (truth)
		return;
	fprintf(stderr, "fuzz_parser: %s\n", what);
	abort();
}

static struct reading read_chunks(const char *data, size_t size, size_t piece_limit)
{
	struct chunks chunks = {0};
	struct reading reading = {CHUNK_MORE, 0, 0};
	for (size_t at = 0; at < size;) {
		size_t part = size - at < piece_limit ? size - at : piece_limit, used = 0, piece_size = 0;
		char *copy = malloc(part);
		const char *piece = NULL;
		require(copy != NULL, "no memory");
		memcpy(copy, data + at, part);
		reading.end = chunks_next(&chunks, copy, part, &used, &piece, &piece_size);
		require(used > 0 && used <= part, "chunks_next made no progress or went too far");
		if (reading.end == CHUNK_DATA) {
			require(piece >= copy && piece + piece_size <= copy + part, "a piece lies outside the input");
			for (size_t i = 0; i < piece_size; i++)
				reading.sum = reading.sum * 31 + (unsigned char)piece[i];
			reading.bytes += piece_size;
		}
		free(copy);
		at += used;
		if (reading.end == CHUNK_DONE || reading.end == CHUNK_BAD)
			break;
	}
	return reading;
}

// A head's result must not depend on the bytes after it, and an incomplete head must ask for more.
static void read_heads(const char *data, size_t size)
{
	struct response_head response = {0};
	struct request_head request = {0};
	char *whole = malloc(size ? size : 1);
	require(whole != NULL, "no memory");
	memcpy(whole, data, size);
	ssize_t response_size = response_parse(whole, size, &response);
	ssize_t request_size = request_parse(whole, size, &request);
	require(response_size <= (ssize_t)size && response_size <= (ssize_t)HEAD_MAX,
		"response head longer than input");
	require(request_size <= (ssize_t)size && request_size <= (ssize_t)HEAD_MAX, "request head longer than input");
	if (response_size > 0)
		require(response.status >= 100 && response.status <= 999, "impossible status");
	if (request_size > 0)
		require(request.target > whole && request.target + request.target_size < whole + size,
			"target outside");
	free(whole);
	for (size_t part = 0; part < size && part < 512; part++) {
		char *copy = malloc(part ? part : 1);
		require(copy != NULL, "no memory");
		memcpy(copy, data, part);
		ssize_t early = response_parse(copy, part, &response);
		if (response_size > 0)
			require((ssize_t)part < response_size ? early == 0 : early == response_size,
				"a cut head reads differently");
		early = request_parse(copy, part, &request);
		if (request_size > 0)
			require((ssize_t)part < request_size ? early == 0 : early == request_size,
				"a cut request reads differently");
		free(copy);
	}
}

static void feed(FILE *in)
{
	static char data[1 << 20];
	size_t size = fread(data, 1, sizeof data, in);
	read_heads(data, size);
	struct reading whole = read_chunks(data, size, size), single = read_chunks(data, size, 1);
	require(whole.bytes == single.bytes && whole.sum == single.sum, "chunks read differently in pieces");
	require((whole.end == CHUNK_DONE) == (single.end == CHUNK_DONE), "chunks end differently in pieces");
	require((whole.end == CHUNK_BAD) == (single.end == CHUNK_BAD), "chunks fail differently in pieces");
}

int main(int argc, char **argv)
{
	if (argc < 2)
		feed(stdin);
	for (int i = 1; i < argc; i++) {
		FILE *in = fopen(argv[i], "rb");
		require(in != NULL, "cannot open an input");
		feed(in);
		fclose(in);
	}
	return 0;
}
