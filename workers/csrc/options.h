// SPDX-License-Identifier: Apache-2.0
// Command-line options as tables. A row names an option, the values it accepts, the field it sets, and its meaning.
// Parsing and `--help` use the same rows.
#ifndef SHOWDOWN_OPTIONS_H
#define SHOWDOWN_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "args.h"

enum option_type {
	OPTION_FLAG, // bool; takes no value
	OPTION_U64,  // whole numbers from min to max, into fields of several types
	OPTION_U32,
	OPTION_INT,
	OPTION_MS,     // milliseconds from min to max, into a uint64_t of nanoseconds
	OPTION_US,     // microseconds from min to max, into a uint64_t of nanoseconds
	OPTION_TEXT,   // const char *: any text
	OPTION_CUSTOM, // what `read` accepts
};

struct option_row;
// Sets fields of `values`, the group's structure. False after args_refuse().
typedef bool option_reader(struct args *args, const struct option_row *row, const char *text, void *values);

struct option_row {
	const char *name;  // without the dashes
	const char *value; // what --help prints for the value; NULL: the option takes none
	enum option_type type;
	size_t offset;	   // of the field in the group's structure
	uint64_t min, max; // of a number, in the option's own unit
	const char *usual; // what --help prints as the default; NULL: there is none
	const char *help;
	option_reader *read; // of OPTION_CUSTOM
};

// Rows that set fields of one structure.
struct option_group {
	const char *title; // printed by --help above the rows
	const struct option_row *rows;
	size_t count;
	void *values;
};

enum options_result { OPTIONS_READ, OPTIONS_HELP, OPTIONS_REFUSED };

// Parses a whole command line; argv[0] is skipped. OPTIONS_HELP: `--help` was given.
enum options_result options_read(struct args *args, const struct option_group *groups, size_t count, int argc,
				 char **argv);
void options_help(FILE *out, const char *usage, const struct option_group *groups, size_t count);

#endif
