// SPDX-License-Identifier: Apache-2.0
#include "json.h"

#include <inttypes.h>
#include <stdio.h>

#include "stats.h"

void json_text(const char *text)
{
	putchar('"');
	for (const unsigned char *at = (const unsigned char *)text; *at; at++) {
		if (*at == '"' || *at == '\\')
			printf("\\%c", *at);
		else if (*at < ' ' || *at > '~') // bytes, not characters: a path in another encoding is valid JSON too
			printf("\\u%04x", *at);
		else
			putchar(*at);
	}
	putchar('"');
}

void json_whole(const char *name, uint64_t value)
{
	printf("\"%s\":%" PRIu64 ",", name, value);
}

void json_percentiles(const struct hist *hist)
{
	json_whole("p50_ns", hist_percentile(hist, 50));
	json_whole("p90_ns", hist_percentile(hist, 90));
	json_whole("p99_ns", hist_percentile(hist, 99));
	json_whole("p999_ns", hist_percentile(hist, 99.9));
	printf("\"max_ns\":%" PRIu64, hist->max);
}

void json_hdr(const struct hist *hist)
{
	printf("\"hdr\":\"");
	hist_encode(hist, stdout);
	putchar('"');
}

void json_host_cpu(const struct host_cpu *cpu)
{
	printf("\"host_cpu_ticks\":{");
	for (int i = 0; i < HOST_CPU_KINDS; i++)
		printf("%s\"%s\":%" PRIu64, i ? "," : "", host_cpu_names[i], cpu->ticks[i]);
	putchar('}');
}

void json_errors(const uint64_t *now, const uint64_t *before)
{
	const char *comma = "";
	putchar('{');
	for (int i = 0; i < CAUSES; i++) {
		uint64_t count = now[i] - (before ? before[i] : 0);
		if (!count)
			continue;
		printf("%s\"%s\":%" PRIu64, comma, cause_names[i], count);
		comma = ",";
	}
	putchar('}');
}
