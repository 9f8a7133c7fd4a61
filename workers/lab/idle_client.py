"""Opens as many connections as it is asked to, says so, and holds them until it is ended: a program.

Usage: ``python -m workers.lab.idle_client ADDRESS PORT CONNECTIONS``, in a lab (workers/lab/holding.py).
"""

import resource
import signal
import socket
import sys

from domain.values.texts import error_text

READY = "ready"
CONNECT_S = 5.0
SPARE_FILES = 32


def main(address: str, port: str, connections: str) -> None:
    """Connect one after the other: the kernel of the other side answers, so that takes some ten microseconds each."""
    wanted = int(connections)
    raise_limit(wanted + SPARE_FILES)
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    held = []
    for number in range(wanted):
        one = socket.socket(family, socket.SOCK_STREAM)
        held.append(one)
        one.settimeout(CONNECT_S)
        try:
            one.connect((address, int(port)))
        except OSError as error:
            sys.exit(f"connection {number + 1} of {wanted}: {error_text(error)}")
    print(READY, flush=True)
    signal.pause()


def raise_limit(files: int) -> None:
    """The limit of open files, to at least ``files``. Ends the program if the system does not allow that."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < files:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (files, max(files, hard)))
        except (ValueError, OSError):
            sys.exit(f"{files} open files are needed, and the limit is {hard} (ulimit -Hn)")


if __name__ == "__main__":
    main(*sys.argv[1:])
