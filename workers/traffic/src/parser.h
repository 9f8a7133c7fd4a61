// SPDX-License-Identifier: Apache-2.0
// Parses HTTP/1.1 heads and chunked bodies. Pure functions: no state but the caller's, no allocation, no I/O.
#ifndef SHOWDOWN_PARSER_H
#define SHOWDOWN_PARSER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define HEAD_MAX 8192u // bytes of a head, at most
#define HEAD_TOO_LONG (-2)
#define LENGTH_MAX (1ll << 50)

struct response_head {
	int status;
	int64_t content_length; // -1: not given
	bool chunked;
	bool keep_alive;
};

struct request_head {
	char method[8];
	const char *target; // points into the caller's bytes
	size_t target_size;
	int64_t content_length; // -1: not given
	bool chunked;
	bool keep_alive;
	bool expects_continue;
	const char *fields; // with the empty line that ends them; points into the caller's bytes
	size_t fields_size;
};

// Return the head's length with its empty line; 0: more bytes are needed; -1: malformed; HEAD_TOO_LONG.
ssize_t response_parse(const char *data, size_t size, struct response_head *head);
ssize_t request_parse(const char *data, size_t size, struct request_head *head);

enum chunk_result { CHUNK_MORE, CHUNK_DATA, CHUNK_DONE, CHUNK_BAD };

struct chunks {
	uint64_t left;
	uint32_t line_bytes;
	uint8_t state;
	bool last;
};

// Decodes the next piece. *used is set to the bytes consumed. After CHUNK_DATA, *piece and *piece_size are body bytes
// within data, and the rest of data is to be decoded next. CHUNK_MORE: all of data is consumed.
enum chunk_result chunks_next(struct chunks *chunks, const char *data, size_t size, size_t *used, const char **piece,
			      size_t *piece_size);

#endif
