"""Before traffic: the generator waits for its connections, and reports files that it cannot read."""

import contextlib
import json
import os
import select
import socket
import subprocess
import threading
import time
from pathlib import Path

from tests.host_noise import in_windows
from tests.unit.workers.traffic.traffic_rig import PLAIN, load, program, target

SYN_RETRY_S = 1.0  # when the kernel sends a SYN again that the peer dropped


class EarlyCloser:
    """A listener whose full queue drops SYNs; it closes the connections that it accepts until 0.7 s after the first."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=0)
        self.closed = 0
        self._kept: list[socket.socket] = []
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> "EarlyCloser":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self._thread.join()
        for connection in self._kept:
            connection.close()

    def _serve(self) -> None:
        select.select([self.listener], [], [])
        time.sleep(0.3)  # all SYNs have been sent by then
        end = time.monotonic() + 0.4
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            if time.monotonic() < end:
                self.closed += 1
                connection.close()
            else:
                self._kept.append(connection)
                threading.Thread(target=_echo, args=(connection,), daemon=True).start()


def _echo(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := connection.recv(65536):
            connection.sendall(data)


@in_windows
def test_a_reconnection_does_not_count_as_a_missing_connection() -> None:
    """Connections whose SYN was dropped are established a second later; the traffic begins only then.

    Until then the peer closes the others again and again, and the generator reconnects them.
    """
    program()  # built before the listener's times count
    with EarlyCloser() as peer:
        launched_ns = time.monotonic_ns()
        run = load(
            *("--workload", "tcp_rr", "--closed", "--connections", "6", "--duration-ms", "50"),
            *("--target", target(peer.listener.getsockname()[1])),
        )
    assert peer.closed >= 6, "the peer must close enough connections for the test to be meaningful"
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
