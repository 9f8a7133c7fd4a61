"""Clocks of a stack's processes that a test sets while they run: a library in front of the C library's clock.

Only the wall clock moves, as when an administrator or NTP sets it. Programs of labs have no environment, so they do not
load the library.
"""

import os
import subprocess
from pathlib import Path

from domain.hosts.environment import program_environment

WORKER, COORDINATOR = "worker", "coordinator"
"""The parts of a stack: the coordinator with its ticker has one clock."""

_SOURCE = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static char file[4096];

__attribute__((constructor)) static void choose(void)
{
	char text[4096], *end, *word;
	const char *directory = getenv("CLOCKS_OF_TESTS"), *part = NULL;
	int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
	ssize_t size = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		close(fd);
	if (!directory || size <= 0)
		return;
	text[size] = 0;
	end = text + size;
	for (word = text; word < end && !part; word += strlen(word) + 1)
		part = !strcmp(word, "worker") ? "worker" : !strncmp(word, "coordinator", 11) ? "coordinator" : NULL;
	if (part)
		snprintf(file, sizeof(file), "%s/%s", directory, part);
}

static long by_s(void)
{
	char text[32] = "";
	int fd = file[0] ? open(file, O_RDONLY | O_CLOEXEC) : -1;

	if (fd >= 0) {
		if (read(fd, text, sizeof(text) - 1) < 0)
			text[0] = 0;
		close(fd);
	}
	return atol(text);
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
	int status = syscall(SYS_clock_gettime, clock, now);

	if (!status && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
		now->tv_sec += by_s();
	return status;
}

time_t time(time_t *seconds)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (seconds)
		*seconds = now.tv_sec;
	return now.tv_sec;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
	struct timespec exact;

	(void)zone;
	clock_gettime(CLOCK_REALTIME, &exact);
	now->tv_sec = exact.tv_sec;
	now->tv_usec = exact.tv_nsec / 1000;
	return 0;
}
"""


class Clocks:
    """The library and its settings in ``directory``, for the processes that have :attr:`environment`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._library = directory / "clocks.so"
        self.environment = {"LD_PRELOAD": str(self._library), "CLOCKS_OF_TESTS": str(directory)}

    def build(self) -> None:
        """Compile the library. Needs a C compiler."""
        self._directory.mkdir(mode=0o700)
        argv = ["cc", "-shared", "-fPIC", "-O1", "-xc", "-o", str(self._library), "-"]
        environment = program_environment(os.environ)
        subprocess.run(argv, input=_SOURCE, env=environment, check=True, encoding="utf-8", capture_output=True)

    def set(self, part: str, by_s: int) -> None:
        """Let the clock of a part be ahead by so many seconds, from now on."""
        draft = self._directory / f"{part}.new"
        draft.write_text(str(by_s), encoding="ascii")
        draft.rename(self._directory / part)
