"""Flights of datagrams: a request is answered when all of it is back; sent and received alone, or merged."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.host_noise import in_windows
from tests.unit.workers.traffic.traffic_rig import SANITIZED, good, load, origin, target

FLIGHT = ("--workload", "udp_rr", "--datagrams", "5", "--body-bytes", "100")
GSO = pytest.mark.parametrize("gso", [(), ("--udp-gso",)], ids=["alone", "merged"])


@GSO
@pytest.mark.parametrize("load_options", [("--closed",), ("--open", "500")], ids=["closed", "open"])
@in_windows
def test_a_flight_is_one_request_of_several_datagrams(gso: tuple[str, ...], load_options: tuple[str, ...]) -> None:
    with origin(name=SANITIZED) as server:
        run = good(
            *(*FLIGHT, *gso, *load_options, "--connections", "3", "--duration-ms", "100"),
            *("--target", target(server.ports["udp"])),
            name=SANITIZED,
        )
    result, (one,) = run.one, run.final["slices"]
    assert (result["errors"], result["lost"], result["reordered"]) == ({}, 0, 0)
    assert result["requests"] == result["sent"] > 3
    assert one["datagrams_sent"] == one["datagrams_back"] == 5 * result["sent"] == server.final["datagrams"]
    assert result["bytes_received"] == result["bytes_sent"] == 500 * result["sent"]


@contextmanager
def echoing(keeps: Callable[[int], bool]) -> Iterator[int]:
    """An origin that echoes the datagrams, counted from 0, that ``keeps`` is true for; yields its port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))

        def answer() -> None:
            count = 0
            while (received := listener.recvfrom(2000))[0] != b"end":
                if keeps(count):
                    listener.sendto(*received)
                count += 1

        thread = threading.Thread(target=answer)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
                end.sendto(b"end", listener.getsockname())
            thread.join()


def test_a_flight_that_lacks_one_datagram_is_lost() -> None:
    """Of 20 flights on one connection every second lacks its last datagram."""
    with echoing(lambda number: number % 10 != 9) as port:
        run = load(
            *(*FLIGHT, "--open", "100", "--arrival", "constant", "--connections", "1", "--duration-ms", "200"),
            *("--timeout-ms", "60", "--settle-ms", "20", "--target", target(port)),
            name=SANITIZED,
        )
    (one,) = run.final["slices"]
    assert (one["datagrams_sent"], one["datagrams_back"], one["datagrams_reordered"]) == (100, 90, 0)
    assert (run.one["sent"], run.one["requests"], run.one["lost"]) == (20, 10, 10)


def test_a_flight_that_the_kernel_cannot_take_at_once_is_refused() -> None:
    run = load("--workload", "udp_rr", "--datagrams", "64", "--body-bytes", "1472", "--udp-gso", "--closed",
               "--duration-ms", "10", "--target", target(9))  # fmt: skip
    assert (run.code, run.err) == (2, "showdown-traffic: --udp-gso: a flight has at most 65507 bytes\n")
