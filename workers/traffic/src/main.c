// SPDX-License-Identifier: Apache-2.0
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "modes.h"

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	if (argc > 1 && !strcmp(argv[1], "load"))
		return load_main(argc - 1, argv + 1);
	if (argc > 1 && !strcmp(argv[1], "origin"))
		return origin_main(argc - 1, argv + 1);
	// Every run ends with a final line, so that its reader needs no special case for a wrong command line.
	fprintf(stderr, "usage: showdown-traffic load|origin OPTION...   (--help lists the options)\n");
	printf("{\"type\":\"final\",\"schema_version\":1,\"failure\":\"usage: showdown-traffic load|origin\","
	       "\"interrupted\":false,\"targets\":{}}\n");
	return EXIT_USAGE;
}
