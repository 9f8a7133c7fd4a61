"""Before traffic: which connections the generator waits for, and files that it cannot read."""

import json
import os
import socket
import subprocess
import threading
import time
from pathlib import Path

from tests.unit.workers.traffic.traffic_rig import PLAIN, load, program, target

SYN_RETRY_S = 1.0  # when the kernel sends a SYN again that the peer dropped


def test_a_connection_that_the_peer_closes_early_does_not_stand_in_for_another() -> None:
    """A listener whose queue is full drops SYNs: those connections are established a second later.

    Until then it closes what it has accepted, again and again. Reconnections must not count as the missing ones.
    """
    program()  # built before the listener's times count
    listener = socket.create_server(("127.0.0.1", 0), backlog=0)
    closed = 0
    kept: list[socket.socket] = []

    def serve() -> None:
        nonlocal closed
        time.sleep(0.3)  # all SYNs have been sent by then
        end = time.monotonic() + 0.4
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            if time.monotonic() < end:
                closed += 1
                connection.close()
            else:
                kept.append(connection)
                threading.Thread(target=echo, args=(connection,), daemon=True).start()

    def echo(connection: socket.socket) -> None:
        while data := connection.recv(65536):
            connection.sendall(data)

    server = threading.Thread(target=serve)
    server.start()
    launched_ns = time.monotonic_ns()
    try:
        run = load(
            *("--workload", "tcp_rr", "--closed", "--connections", "6", "--duration-ms", "50"),
            *("--target", target(listener.getsockname()[1])),
        )
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        server.join()
        for connection in kept:
            connection.close()
    assert closed >= 6, "too few reconnections to test anything"
    assert run.final["start_ns"] - launched_ns >= 0.9 * SYN_RETRY_S * 1e9
    assert (run.code, run.one["errors"]) == (0, {})


FAILING_FSTAT = """
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
int fstat(int fd, struct stat *info)
{
	(void)fd;
	memset(info, 0, sizeof *info); /* the standard leaves it undefined after a failure */
	errno = EIO;
	return -1;
}
"""


def test_a_file_whose_size_cannot_be_read_is_named_with_the_reason(tmp_path: Path) -> None:
    source, library, body = tmp_path / "fstat.c", tmp_path / "fstat.so", tmp_path / "body"
    source.write_text(FAILING_FSTAT)
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, source], check=True)
    body.write_text("0123456789")
    argv = [program(PLAIN), "load", "--workload", "http_keepalive", "--closed", "--duration-ms", "50"]
    argv += ["--target", target(9), "--check", f"file={body}"]
    done = subprocess.run(
        argv, env={**os.environ, "LD_PRELOAD": str(library)}, capture_output=True, text=True, timeout=20, check=False
    )
    assert done.returncode == 2
    assert json.loads(done.stdout)["failure"] == f"--check: {body}: Input/output error"


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    body = tmp_path / "body"
    body.touch()
    run = load(
        *("--workload", "http_keepalive", "--closed", "--duration-ms", "50", "--target", target(9)),
        *("--check", f"file={body}"),
    )
    assert run.final["failure"] == f"--check: {body}: No data available"
