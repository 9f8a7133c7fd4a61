"""The relay when epoll_ctl(EPOLL_CTL_ADD) fails, as it does without memory or beyond fs.epoll.max_user_watches.

Lowering that limit would affect the whole host. A preloaded library fails the calls instead, while the test says so. It
also keeps the relay in connect(2), so that the origin can act first, as on a busy host.
"""

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.unit.workers.relay.relay_rig import PATIENCE_S, PLAIN, SANITIZED, Relay, reset, running

BOTH_BUILDS = pytest.mark.parametrize("name", [PLAIN, SANITIZED])
# The switch is a file descriptor that the relay inherits: after it has become `nobody` it cannot open the test's files.
SHIM = """\
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

int epoll_ctl(int epoll_fd, int command, int fd, struct epoll_event *event)
{
	static int (*real)(int, int, int, struct epoll_event *);
	char fails = '0';
	if (!real)
		real = (int (*)(int, int, int, struct epoll_event *))dlsym(RTLD_NEXT, "epoll_ctl");
	if (command == EPOLL_CTL_ADD && pread(atoi(getenv("FAULT_FD")), &fails, 1, 0) == 1 && fails == '1') {
		(void)!write(atoi(getenv("FAULT_COUNT_FD")), "x", 1);
		errno = ENOSPC;
		return -1;
	}
	return real(epoll_fd, command, fd, event);
}

int connect(int fd, const struct sockaddr *address, socklen_t size)
{
	static int (*real)(int, const struct sockaddr *, socklen_t);
	if (!real)
		real = (int (*)(int, const struct sockaddr *, socklen_t))dlsym(RTLD_NEXT, "connect");
	int result = real(fd, address, size), error = errno;
	if (getenv("CONNECT_US"))
		usleep(atoi(getenv("CONNECT_US")));
	errno = error;
	return result;
}
"""


@dataclass(frozen=True)
class Faults:
    """The switch of the preloaded library."""

    switch_fd: int
    count_fd: int

    @contextmanager
    def failing(self) -> Iterator[None]:
        """Every EPOLL_CTL_ADD of the relay fails meanwhile."""
        os.pwrite(self.switch_fd, b"1", 0)
        try:
            yield
        finally:
            os.pwrite(self.switch_fd, b"0", 0)

    def failed_calls(self) -> int:
        """Calls that failed so far."""
        return os.fstat(self.count_fd).st_size


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("shim")
    (directory / "shim.c").write_text(SHIM)
    gcc = ["gcc", "-shared", "-fPIC", "-Wall", "-Werror", "-o", "shim.so", "shim.c", "-ldl"]
    subprocess.run(gcc, cwd=directory, check=True, timeout=60)
    return directory / "shim.so"


@contextmanager
def running_with_faults(shim: Path, directory: Path, name: str, **more: str) -> Iterator[tuple[Relay, Faults]]:
    """A relay for one connection at a time: if it leaks a session, it cannot serve the next client."""
    switch_fd, count_fd = os.memfd_create("switch"), os.memfd_create("count")
    env = {
        "LD_PRELOAD": str(shim),
        "FAULT_FD": str(switch_fd),
        "FAULT_COUNT_FD": str(count_fd),
        "ASAN_OPTIONS": "verify_asan_link_order=0",
        **more,
    }
    try:
        fds = switch_fd, count_fd
        with running(directory, "--connections", "1", name=name, fds=fds, env=env) as relay:
            yield relay, Faults(switch_fd, count_fd)
    finally:
        os.close(switch_fd)
        os.close(count_fd)


def established_pair(relay: Relay) -> tuple[socket.socket, socket.socket]:
    """A connection that has carried data: the relay has added both of its sockets to epoll."""
    client, origin = relay.pair()
    client.sendall(b"data")
    assert origin.recv(10) == b"data"
    return client, origin


@BOTH_BUILDS
def test_a_session_that_epoll_refuses_is_reset_and_its_place_is_free_again(
    name: str, shim: Path, tmp_path: Path
) -> None:
    with running_with_faults(shim, tmp_path, name) as (relay, faults):
        with faults.failing(), pytest.raises(ConnectionResetError), relay.client() as client:
            client.recv(1)
        with relay.origin() as origin, pytest.raises(ConnectionResetError):
            origin.recv(1)
        counters = relay.counters_once_idle()
        assert (counters.accepted, counters.current) == (1, 0)
        assert (counters.failures, counters.resets) == (1, 1)
        for side in established_pair(relay):
            side.close()


@BOTH_BUILDS
def test_a_listener_that_epoll_refuses_is_tried_again(name: str, shim: Path, tmp_path: Path) -> None:
    with running_with_faults(shim, tmp_path, name) as (relay, faults):
        client, origin = established_pair(relay)
        with relay.client() as waiting:
            waiting.sendall(b"patience")
            with faults.failing():
                deadline = time.monotonic() + PATIENCE_S
                while faults.failed_calls() < 3 and time.monotonic() < deadline:
                    time.sleep(0.005)
            client.close()
            origin.close()
            with relay.origin() as served:
                assert served.recv(100) == b"patience"
        assert relay.counters_once_idle().failures == 0


@BOTH_BUILDS
def test_an_origin_that_accepts_and_resets_at_once_is_no_failure_of_the_relay(
    name: str, shim: Path, tmp_path: Path
) -> None:
    with running_with_faults(shim, tmp_path, name, CONNECT_US="200000") as (relay, _), relay.client() as client:
        reset(relay.origin())
        with pytest.raises(ConnectionResetError):
            client.recv(1)
        counters = relay.counters_once_idle()
        assert (counters.accepted, counters.resets, counters.failures) == (1, 1, 0)
