// SPDX-License-Identifier: Apache-2.0
#include "hist.h"

#include <stdlib.h>
#include <string.h>

#define COOKIE 0x1c849303u
#define COOKIE_COMPRESSED 0x1c849304u
#define COOKIE_VARINT 0x10u
#define HEADER_BYTES 40
#define VARINT_BYTES 9
#define STORED_BLOCK_BYTES 65535u

// log2 of half the smallest power of two that is at least 2 * 10^digits, as HDR defines it.
static uint32_t half_bits_of(enum hist_digits digits)
{
	return digits == HIST_3_DIGITS ? 10 : 7;
}

uint32_t hist_length(enum hist_digits digits)
{
	uint32_t buckets = 1;
	for (uint64_t untrackable = 2ull << half_bits_of(digits); untrackable <= HIST_HIGHEST_NS; untrackable <<= 1)
		buckets++;
	return (buckets + 1) << half_bits_of(digits);
}

void hist_place(struct hist *hist, enum hist_digits digits, uint64_t *counts)
{
	*hist = (struct hist){.half_bits = half_bits_of(digits), .digits = digits, .length = hist_length(digits)};
	hist->counts = counts;
}

bool hist_init(struct hist *hist, enum hist_digits digits)
{
	hist_place(hist, digits, calloc(hist_length(digits), sizeof *hist->counts));
	return hist->counts != NULL;
}

void hist_free(struct hist *hist)
{
	free(hist->counts);
	hist->counts = NULL;
}

void hist_clear(struct hist *hist)
{
	memset(hist->counts, 0, hist->length * sizeof *hist->counts);
	hist->count = hist->sum = hist->max = 0;
}

void hist_add(struct hist *to, const struct hist *from)
{
	for (uint32_t i = 0; i < to->length; i++)
		to->counts[i] += counter_read(&from->counts[i]);
	to->count += counter_read(&from->count);
	to->sum += counter_read(&from->sum);
	uint64_t max = counter_read(&from->max);
	if (max > to->max)
		to->max = max;
}

// The range [*low, *high] of the values that share a counter.
static void bounds(const struct hist *hist, uint32_t index, uint64_t *low, uint64_t *high)
{
	uint32_t half = 1u << hist->half_bits, bucket = index >> hist->half_bits;
	uint64_t sub = index & (half - 1);
	if (bucket) {
		bucket--;
		sub += half;
	}
	*low = sub << bucket;
	*high = *low + (1ull << bucket) - 1;
}

void hist_take(struct hist *to, struct hist *before, const struct hist *now)
{
	to->count = 0, to->max = 0;
	for (uint32_t i = 0; i < to->length; i++) {
		uint64_t count = counter_read(&now->counts[i]);
		to->counts[i] = count - before->counts[i];
		before->counts[i] = count;
		if (!to->counts[i])
			continue;
		uint64_t low;
		to->count += to->counts[i]; // recounted: the writer may be between two counters
		bounds(to, i, &low, &to->max);
	}
	uint64_t sum = counter_read(&now->sum);
	to->sum = sum - before->sum;
	before->sum = sum;
}

uint64_t hist_percentile(const struct hist *hist, double percentile)
{
	uint64_t target = (uint64_t)(percentile * (double)hist->count / 100 + 0.5), seen = 0;
	if (!hist->count)
		return 0;
	if (!target)
		target = 1;
	for (uint32_t i = 0; i < hist->length; i++) {
		seen += hist->counts[i];
		if (seen >= target) {
			uint64_t low, high;
			bounds(hist, i, &low, &high);
			return high;
		}
	}
	return hist->max;
}

static uint8_t *put_be(uint8_t *at, uint64_t value, int bytes)
{
	while (bytes--)
		*at++ = (uint8_t)(value >> (8 * bytes));
	return at;
}

// ZigZag LEB128 as HDR defines it: seven bits a byte, and a ninth byte that carries eight.
static uint8_t *put_varint(uint8_t *at, int64_t number)
{
	uint64_t value = ((uint64_t)number << 1) ^ (uint64_t)(number >> 63);
	for (int i = 0; i < VARINT_BYTES - 1; i++) {
		if (value < 0x80) {
			*at++ = (uint8_t)value;
			return at;
		}
		*at++ = (uint8_t)(value | 0x80);
		value >>= 7;
	}
	*at++ = (uint8_t)value;
	return at;
}

static size_t put_payload(const struct hist *hist, uint8_t *start)
{
	uint8_t *at = start + HEADER_BYTES;
	int64_t zeros = 0;
	for (uint32_t i = 0; i < hist->length; i++) {
		if (!hist->counts[i]) {
			zeros++; // a run of zeros is one negative number; trailing zeros are omitted
			continue;
		}
		if (zeros)
			at = put_varint(at, -zeros);
		zeros = 0;
		at = put_varint(at, (int64_t)hist->counts[i]);
	}
	size_t size = (size_t)(at - start);
	const double ratio = 1.0;
	uint64_t ratio_bits;
	memcpy(&ratio_bits, &ratio, sizeof ratio_bits);
	at = put_be(start, COOKIE | COOKIE_VARINT, 4);
	at = put_be(at, size - HEADER_BYTES, 4);
	at = put_be(at, 0, 4);
	at = put_be(at, (uint64_t)hist->digits, 4);
	at = put_be(at, HIST_LOWEST_NS, 8);
	at = put_be(at, HIST_HIGHEST_NS, 8);
	put_be(at, ratio_bits, 8);
	return size;
}

// zlib's format with stored blocks: every reader inflates it, and writing needs no compressor.
static uint8_t *put_zlib(uint8_t *at, const uint8_t *data, size_t size)
{
	uint32_t a = 1, b = 0;
	*at++ = 0x78, *at++ = 0x01;
	for (size_t done = 0; done < size;) {
		size_t part = size - done < STORED_BLOCK_BYTES ? size - done : STORED_BLOCK_BYTES;
		*at++ = done + part == size;
		*at++ = (uint8_t)part, *at++ = (uint8_t)(part >> 8);
		*at++ = (uint8_t)~part, *at++ = (uint8_t)(~part >> 8);
		memcpy(at, data + done, part);
		at += part, done += part;
	}
	for (size_t i = 0; i < size; i++)
		a = (a + data[i]) % 65521, b = (b + a) % 65521;
	return put_be(at, (uint64_t)b << 16 | a, 4);
}

static void write_base64(const uint8_t *data, size_t size, FILE *out)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	for (size_t i = 0; i < size; i += 3) {
		uint32_t word = (uint32_t)data[i] << 16;
		if (i + 1 < size)
			word |= (uint32_t)data[i + 1] << 8;
		if (i + 2 < size)
			word |= data[i + 2];
		fputc(digits[word >> 18], out);
		fputc(digits[word >> 12 & 63], out);
		fputc(i + 1 < size ? digits[word >> 6 & 63] : '=', out);
		fputc(i + 2 < size ? digits[word & 63] : '=', out);
	}
}

bool hist_encode(const struct hist *hist, FILE *out)
{
	size_t room = HEADER_BYTES + (size_t)hist->length * 2 * VARINT_BYTES;
	uint8_t *payload = malloc(room), *whole = malloc(room + room / STORED_BLOCK_BYTES * 5 + 64);
	bool ok = payload && whole;
	if (ok) {
		size_t size = put_payload(hist, payload);
		uint8_t *end = put_zlib(whole + 8, payload, size);
		put_be(put_be(whole, COOKIE_COMPRESSED | COOKIE_VARINT, 4), (uint64_t)(end - whole - 8), 4);
		write_base64(whole, (size_t)(end - whole), out);
	}
	free(payload);
	free(whole);
	return ok;
}
