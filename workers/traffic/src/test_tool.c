// SPDX-License-Identifier: Apache-2.0
// Runs the pure parts for the tests: no network, no clock.
//   test-tool hist                      durations from standard input, one a line -> the encoded histogram
//   test-tool crc                       bytes from standard input -> their CRC-32C in hexadecimal
//   test-tool schedule N ARRIVAL SEED THREAD THREADS DURATION_NS constant|ramp|steps RATE...   -> N instants
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "body.h"
#include "hist.h"
#include "schedule.h"

static int show_hist(void)
{
	struct hist hist;
	uint64_t value;
	if (!hist_init(&hist, HIST_3_DIGITS))
		return 1;
	while (scanf("%" SCNu64, &value) == 1)
		hist_record(&hist, value);
	bool ok = hist_encode(&hist, stdout);
	printf("\n");
	hist_free(&hist);
	return ok ? 0 : 1;
}

static int show_crc(void)
{
	unsigned char data[777]; // an odd size, so that pieces begin at odd places
	uint32_t crc = 0;
	size_t got;
	pattern_init();
	while ((got = fread(data, 1, sizeof data, stdin)))
		crc = crc32c(crc, data, got);
	printf("%08x\n", crc);
	return 0;
}

static int show_schedule(int argc, char **argv)
{
	struct profile profile = {0};
	struct schedule schedule;
	if (argc < 8)
		return 2;
	profile.duration_ns = strtoull(argv[5], NULL, 10);
	profile.ramp = !strcmp(argv[6], "ramp");
	for (int i = 7; i < argc && profile.steps < PROFILE_STEPS_MAX; i++)
		profile.rates_per_s[profile.steps++] = strtod(argv[i], NULL);
	if (profile.ramp)
		profile.steps = 1;
	schedule_init(&schedule, &profile, strcmp(argv[1], "poisson") ? ARRIVAL_CONSTANT : ARRIVAL_POISSON,
		      strtoull(argv[2], NULL, 10), strtoull(argv[3], NULL, 10), strtoull(argv[4], NULL, 10));
	for (long n = strtol(argv[0], NULL, 10); n > 0; n--) {
		printf("%" PRIu64 "\n", schedule.next_ns);
		schedule_advance(&schedule);
	}
	return 0;
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "hist"))
		return show_hist();
	if (argc > 1 && !strcmp(argv[1], "crc"))
		return show_crc();
	if (argc > 2 && !strcmp(argv[1], "schedule"))
		return show_schedule(argc - 2, argv + 2);
	return 2;
}
