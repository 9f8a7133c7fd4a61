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
	// Even a wrong command line ends with a final line: whoever reads the output need not know how we were called.
	fprintf(stderr, "usage: showdown-traffic load|origin OPTION...   (workers/traffic/README.md describes them)\n");
	printf("{\"type\":\"final\",\"schema_version\":1,\"failure\":\"usage: showdown-traffic load|origin\","
	       "\"interrupted\":false,\"targets\":{}}\n");
	return EXIT_USAGE;
}
