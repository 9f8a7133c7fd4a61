// SPDX-License-Identifier: Apache-2.0
#include "parser.h"

#include <string.h>
#include <strings.h>

// The fields of a head that determine the body's end, or whether the connection stays open.
struct framing {
	int64_t content_length;
	bool chunked, close, keep_alive, expects_continue;
	bool decisive; // the latest field is one of these, or there is none yet
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool is_name(const char *line, size_t name_size, const char *name, size_t wanted_size)
{
	return name_size == wanted_size && strncasecmp(line, name, wanted_size) == 0;
}
#define IS_NAME(line, size, name) is_name(line, size, name, sizeof(name) - 1)

static void trim(const char **text, size_t *size)
{
	while (*size && is_blank(**text))
		++*text, --*size;
	while (*size && is_blank((*text)[*size - 1]))
		--*size;
}

static bool read_length(const char *text, size_t size, int64_t *length)
{
	int64_t value = 0;
	if (!size)
		return false;
	for (size_t i = 0; i < size; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		value = value * 10 + (text[i] - '0');
		if (value > LENGTH_MAX)
			return false;
	}
	if (*length >= 0 && *length != value)
		return false; // two different lengths: the body's end is ambiguous (RFC 9112, 6.3)
	*length = value;
	return true;
}

// A list of equal lengths is one length: some proxies join two fields (RFC 9110, 8.6).
static bool read_lengths(const char *text, size_t size, int64_t *length)
{
	for (;;) {
		const char *comma = memchr(text, ',', size), *item = text;
		size_t item_size = comma ? (size_t)(comma - text) : size;
		size_t rest = comma ? size - item_size - 1 : 0;
		trim(&item, &item_size);
		if (!read_length(item, item_size, length))
			return false;
		if (!comma)
			return true;
		text = comma + 1, size = rest;
	}
}

// Whether a comma-separated list contains a token.
static bool lists(const char *text, size_t size, const char *token)
{
	size_t token_size = strlen(token);
	while (size) {
		const char *comma = memchr(text, ',', size);
		size_t item_size = comma ? (size_t)(comma - text) : size, rest = comma ? size - item_size - 1 : 0;
		const char *item = text;
		trim(&item, &item_size);
		if (item_size == token_size && strncasecmp(item, token, token_size) == 0)
			return true;
		text = comma ? comma + 1 : text + size;
		size = rest;
	}
	return false;
}

static bool read_field(const char *line, size_t size, struct framing *framing)
{
	const char *colon = memchr(line, ':', size);
	// A space before the colon would hide a field's name from one reader and not from another (RFC 9112, 5.1).
	if (!colon || colon == line || is_blank(line[0]) || is_blank(colon[-1]))
		return false;
	size_t name_size = (size_t)(colon - line), value_size = size - name_size - 1;
	const char *value = colon + 1;
	framing->decisive = false;
	switch (line[0] | 0x20) { // most fields are irrelevant: one comparison skips them
	case 'c':
		if (IS_NAME(line, name_size, "content-length")) {
			framing->decisive = true;
			return read_lengths(value, value_size, &framing->content_length);
		}
		if (IS_NAME(line, name_size, "connection")) {
			framing->decisive = true;
			if (lists(value, value_size, "close"))
				framing->close = true;
			if (lists(value, value_size, "keep-alive"))
				framing->keep_alive = true;
		}
		return true;
	case 't':
		if (IS_NAME(line, name_size, "transfer-encoding")) {
			framing->decisive = true;
			if (!lists(value, value_size, "chunked"))
				return false; // no other coding is supported
			framing->chunked = true;
		}
		return true;
	case 'e':
		if (IS_NAME(line, name_size, "expect"))
			framing->expects_continue = lists(value, value_size, "100-continue");
		return true;
	default:
		return true;
	}
}

// Parses the fields after the first line; returns what response_parse() does. `may_fold`: a line that begins with a
// blank continues the field before it, if that one decides nothing here (RFC 9112, 5.2).
static ssize_t read_fields(const char *data, size_t size, size_t at, bool may_fold, struct framing *framing)
{
	*framing = (struct framing){.content_length = -1, .decisive = true};
	for (;;) {
		const char *line = data + at, *end = memchr(line, '\n', size - at);
		if (!end)
			return size >= HEAD_MAX ? HEAD_TOO_LONG : 0;
		size_t line_size = (size_t)(end - line);
		at += line_size + 1;
		if (at > HEAD_MAX)
			return HEAD_TOO_LONG;
		if (line_size && line[line_size - 1] == '\r')
			line_size--;
		if (!line_size)
			return (ssize_t)at;
		if (is_blank(line[0]) && may_fold && !framing->decisive)
			continue;
		if (!read_field(line, line_size, framing))
			return -1;
	}
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

ssize_t response_parse(const char *data, size_t size, struct response_head *head)
{
	static const char version[] = "HTTP/1.";
	const size_t fixed = sizeof version - 1;
	size_t common = size < fixed ? size : fixed;
	if (memcmp(data, version, common) != 0)
		return -1;
	const char *end = memchr(data, '\n', size);
	if (!end)
		return size >= HEAD_MAX ? HEAD_TOO_LONG : 0;
	if ((size_t)(end - data) < fixed + 5)
		return -1; // "HTTP/1.1 200" and a line's end
	const char *at = data + fixed;
	if ((at[0] != '0' && at[0] != '1') || at[1] != ' ')
		return -1;
	if (at[2] < '1' || at[2] > '9' || !is_digit(at[3]) || !is_digit(at[4]))
		return -1;
	if ((size_t)(end - data) > fixed + 5 && at[5] != ' ' && at[5] != '\r')
		return -1;
	struct framing framing;
	ssize_t length = read_fields(data, size, (size_t)(end - data) + 1, true, &framing);
	if (length <= 0)
		return length;
	head->status = (at[2] - '0') * 100 + (at[3] - '0') * 10 + (at[4] - '0');
	head->content_length = framing.content_length;
	head->chunked = framing.chunked;
	head->keep_alive = !framing.close && (at[0] == '1' || framing.keep_alive);
	return length;
}

ssize_t request_parse(const char *data, size_t size, struct request_head *head)
{
	const char *end = memchr(data, '\n', size);
	if (!end)
		return size >= HEAD_MAX ? HEAD_TOO_LONG : 0;
	size_t line = (size_t)(end - data);
	if (line && data[line - 1] == '\r')
		line--;
	const char *space = memchr(data, ' ', line);
	if (!space || space == data || (size_t)(space - data) >= sizeof head->method)
		return -1;
	size_t method = (size_t)(space - data), rest = line - method - 1;
	const char *target = space + 1, *second = memchr(target, ' ', rest);
	if (!second || second == target)
		return -1;
	size_t target_size = (size_t)(second - target), version = rest - target_size - 1;
	if (version != 8 || memcmp(second + 1, "HTTP/1.", 7) != 0 || (second[8] != '0' && second[8] != '1'))
		return -1;
	struct framing framing;
	ssize_t length = read_fields(data, size, (size_t)(end - data) + 1, false, &framing);
	if (length <= 0)
		return length;
	*head = (struct request_head){.target = target, .target_size = target_size};
	memcpy(head->method, data, method);
	head->content_length = framing.content_length;
	head->chunked = framing.chunked;
	head->keep_alive = !framing.close && (second[8] == '1' || framing.keep_alive);
	head->expects_continue = framing.expects_continue;
	head->fields = end + 1;
	head->fields_size = (size_t)length - (size_t)(head->fields - data);
	return length;
}

enum { IN_SIZE, IN_EXTENSION, IN_DATA, IN_DATA_END, IN_TRAILER };

static int hex_digit(char c)
{
	if (is_digit(c))
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// One byte of the lines between the data.
static enum chunk_result line_byte(struct chunks *chunks, char c)
{
	if (++chunks->line_bytes > HEAD_MAX)
		return CHUNK_BAD;
	switch (chunks->state) {
	case IN_SIZE:
		if (hex_digit(c) >= 0) {
			chunks->left = chunks->left << 4 | (uint64_t)hex_digit(c);
			return chunks->left > (uint64_t)LENGTH_MAX ? CHUNK_BAD : CHUNK_MORE;
		}
		if (chunks->line_bytes == 1)
			return CHUNK_BAD; // no digit at all
		chunks->state = IN_EXTENSION;
		// fall through
	case IN_EXTENSION:
		if (c != '\n')
			return CHUNK_MORE;
		chunks->last = chunks->left == 0;
		chunks->state = chunks->last ? IN_TRAILER : IN_DATA;
		chunks->line_bytes = 0;
		return CHUNK_MORE;
	case IN_DATA_END:
		if (c == '\r')
			return chunks->line_bytes == 1 ? CHUNK_MORE : CHUNK_BAD;
		if (c != '\n')
			return CHUNK_BAD;
		chunks->state = IN_SIZE;
		chunks->line_bytes = 0;
		return CHUNK_MORE;
	default: // IN_TRAILER: fields are skipped, an empty line ends the body
		if (c == '\r')
			return --chunks->line_bytes, CHUNK_MORE;
		if (c != '\n')
			return CHUNK_MORE;
		if (chunks->line_bytes == 1)
			return CHUNK_DONE;
		chunks->line_bytes = 0;
		return CHUNK_MORE;
	}
}

enum chunk_result chunks_next(struct chunks *chunks, const char *data, size_t size, size_t *used, const char **piece,
			      size_t *piece_size)
{
	for (*used = 0; *used < size;) {
		if (chunks->state == IN_DATA) {
			size_t part = size - *used;
			if (part > chunks->left)
				part = (size_t)chunks->left;
			*piece = data + *used;
			*piece_size = part;
			*used += part;
			chunks->left -= part;
			if (!chunks->left)
				chunks->state = IN_DATA_END;
			return CHUNK_DATA;
		}
		enum chunk_result result = line_byte(chunks, data[(*used)++]);
		if (result != CHUNK_MORE)
			return result;
	}
	return CHUNK_MORE;
}
