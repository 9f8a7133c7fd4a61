// SPDX-License-Identifier: Apache-2.0
#include "upload.h"

#include <inttypes.h>
#include <stdio.h>

#include "llm_origin.h"
#include "response.h"

void upload_begin(struct peer *p, const struct request_head *head)
{
	p->chunked = head->chunked;
	p->upload_left = head->content_length > 0 ? (uint64_t)head->content_length : 0;
	p->upload_bytes = p->upload_crc = 0;
	p->chunks = (struct chunks){0};
	p->uploading = p->chunked || p->upload_left;
}

static void take(struct peer *p, const uint8_t *data, size_t size)
{
	p->upload_crc = p->echo ? crc32c(p->upload_crc, data, size) : 0;
	p->upload_bytes += size;
}

static size_t take_plain(struct peer *p, const uint8_t *data, size_t size)
{
	size_t used = size < p->upload_left ? size : (size_t)p->upload_left;
	take(p, data, used);
	p->upload_left -= used;
	p->uploading = p->upload_left > 0;
	return used;
}

static size_t take_chunks(struct server *s, struct peer *p, const uint8_t *data, size_t size)
{
	size_t used = 0;
	while (p->uploading && used < size) {
		size_t part, piece_size;
		const char *piece;
		enum chunk_result result =
			chunks_next(&p->chunks, (const char *)data + used, size - used, &part, &piece, &piece_size);
		used += part;
		if (result == CHUNK_DATA)
			take(p, (const uint8_t *)piece, piece_size);
		if (result == CHUNK_DONE)
			p->uploading = false;
		if (result == CHUNK_BAD) {
			p->uploading = p->echo = p->llm = false;
			response_refuse(s, p, "400 Bad Request");
		}
	}
	return used;
}

size_t upload_take(struct server *s, struct peer *p, const uint8_t *data, size_t size)
{
	size_t used = p->chunked ? take_chunks(s, p, data, size) : take_plain(p, data, size);
	if (!p->uploading && p->llm && !p->responding)
		llm_begin(s, p);
	if (!p->uploading && p->echo) {
		char text[96];
		snprintf(text, sizeof text, "{\"bytes\":%" PRIu64 ",\"crc32c\":\"%08x\"}\n", p->upload_bytes,
			 p->upload_crc);
		p->echo = false;
		response_set_text(p, "200 OK", text);
	}
	return used;
}
