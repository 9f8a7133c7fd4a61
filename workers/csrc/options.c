// SPDX-License-Identifier: Apache-2.0
#include "options.h"

#include <getopt.h>

#include "clock.h"

#define ROWS_MAX 64
#define FIRST_CODE 256 // beyond every character, so that getopt's own '?' and ':' are no row

struct known {
	const struct option_row *row;
	void *values;
};

static bool read_number(struct args *args, const struct option_row *row, const char *text, void *field)
{
	char option[64];
	uint64_t number;
	snprintf(option, sizeof option, "--%s", row->name);
	if (!args_whole(args, option, text, row->min, row->max, &number))
		return false;
	switch (row->type) {
	case OPTION_U32:
		*(uint32_t *)field = (uint32_t)number;
		break;
	case OPTION_INT:
		*(int *)field = (int)number;
		break;
	case OPTION_MS:
		*(uint64_t *)field = number * NS_PER_MS;
		break;
	case OPTION_US:
		*(uint64_t *)field = number * NS_PER_US;
		break;
	default:
		*(uint64_t *)field = number;
		break;
	}
	return true;
}

static bool read_row(struct args *args, const struct known *known, const char *text)
{
	void *field = (char *)known->values + known->row->offset;
	switch (known->row->type) {
	case OPTION_FLAG:
		return *(bool *)field = true;
	case OPTION_TEXT:
		*(const char **)field = text;
		return true;
	case OPTION_CUSTOM:
		return known->row->read(args, known->row, text, known->values);
	default:
		return read_number(args, known->row, text, field);
	}
}

// Fills `known` and getopt's table of `--help` and all rows. Returns how many rows there are.
static size_t list_rows(const struct option_group *groups, size_t count, struct known *known, struct option *table)
{
	size_t used = 0;
	for (size_t i = 0; i < count; i++) {
		for (size_t j = 0; j < groups[i].count && used < ROWS_MAX; j++, used++) {
			const struct option_row *row = &groups[i].rows[j];
			known[used] = (struct known){row, groups[i].values};
			table[used] = (struct option){row->name, row->value ? required_argument : no_argument, NULL,
						      FIRST_CODE + (int)used};
		}
	}
	table[used] = (struct option){"help", no_argument, NULL, 'h'};
	table[used + 1] = (struct option){0};
	return used;
}

enum options_result options_read(struct args *args, const struct option_group *groups, size_t count, int argc,
				 char **argv)
{
	struct known known[ROWS_MAX];
	struct option table[ROWS_MAX + 2];
	list_rows(groups, count, known, table);
	opterr = 0;
	for (int code; (code = getopt_long(argc, argv, "+:", table, NULL)) != -1;) {
		if (code == 'h')
			return OPTIONS_HELP;
		if (code == ':')
			args_refuse(args, "%.60s: needs a value", argv[optind - 1]);
		else if (code < FIRST_CODE)
			args_refuse(args, "%.60s: no such option", argv[optind - 1]);
		else
			read_row(args, &known[code - FIRST_CODE], optarg);
		if (args->failure[0])
			return OPTIONS_REFUSED;
	}
	if (optind == argc)
		return OPTIONS_READ;
	args_refuse(args, "'%.60s' is not an option", argv[optind]);
	return OPTIONS_REFUSED;
}

void options_help(FILE *out, const char *usage, const struct option_group *groups, size_t count)
{
	fprintf(out, "usage: %s\n", usage);
	for (size_t i = 0; i < count; i++) {
		fprintf(out, "\n%s:\n", groups[i].title);
		for (size_t j = 0; j < groups[i].count; j++) {
			const struct option_row *row = &groups[i].rows[j];
			fprintf(out, "  --%s%s%s\n      %s", row->name, row->value ? " " : "",
				row->value ? row->value : "", row->help);
			if (row->usual)
				fprintf(out, " (default: %s)", row->usual);
			fputc('\n', out);
		}
	}
}
