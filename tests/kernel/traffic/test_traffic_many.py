"""The generator with several namespaces and many connections: slices in turn, IPv6, source addresses, port reuse."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.host_noise import in_windows
from tests.kernel.bench import new_tag
from tests.unit.workers.traffic.traffic_rig import good, load, program, target
from workers.lab import netns

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]


@dataclass
class Place:
    """A namespace with only a loopback device, and the origins in it."""

    name: str
    stack: ExitStack
    origins: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def path(self) -> str:
        return str(netns.path(self.name))

    def origin(self, *addresses: str, port: int = 80) -> subprocess.Popen[str]:
        """An origin that serves HTTP on ``port``, TCP on the next port and UDP on the one after."""
        argv = [program(), "origin", "--netns", self.path, "--http", str(port), "--tcp", str(port + 1),
                "--udp", str(port + 2), "--cpus", ",".join(map(str, sorted(os.sched_getaffinity(0))))]  # fmt: skip
        for address in addresses:
            argv += ["--address", address]
        process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
        self.stack.callback(_ended, process)
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["type"] == "ready"
        self.origins.append(process)
        return process

    def sysctl(self, key: str, value: str) -> None:
        netns.call_in(self.name, lambda: netns.write_sysctls({key: value}))


def _ended(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def counted(process: subprocess.Popen[str]) -> dict[str, Any]:
    """End an origin; returns its counts."""
    process.terminate()
    out, _ = process.communicate(timeout=60)
    final: dict[str, Any] = json.loads(out.splitlines()[-1])
    return final


@contextmanager
def places(count: int) -> Iterator[list[Place]]:
    tag = new_tag()
    with ExitStack() as stack:
        found = []
        for index in range(count):
            name = f"sdt-{tag}-{index}"
            netns.create(name)
            stack.callback(netns.remove, name)
            netns.run_in(name, ["ip", "link", "set", "lo", "up"])
            found.append(Place(name, stack))
        yield found


SERVICES = {"tcp_rr": 81, "udp_rr": 82}


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("workload", ["http_churn", "tcp_rr", "udp_rr", "stream", "bulk_upload"])
@in_windows
def test_one_process_takes_turns_between_namespaces(workload: str, address: str) -> None:
    """All origins have the same address. They differ by namespace, and each counts only its own requests."""
    labels = ["a", "b", "c"]
    with places(3) as found:
        for place in found:
            place.origin("127.0.0.1", "::1")
        targets = [
            ("--target", target(SERVICES.get(workload, 80), label, address, netns=place.path))
            for label, place in zip(labels, found, strict=True)
        ]
        run = good(
            *("--workload", workload, "--closed", "--connections", "3", "--duration-ms", "720", "--slice-ms", "120"),
            *("--order", "a,b,c,c,b,a", "--warm-up-ms", "20", "--drain-ms", "1000"),
            *(("--tokens", "5", "--cadence-us", "2000") if workload == "stream" else ()),
            *(option for one in targets for option in one),
        )
        assert [piece["target"] for piece in run.final["slices"]] == ["a", "b", "c", "a", "b", "c", "c", "b", "a"]
        assert [line["slice"] for line in run.of("slice")] == list(range(9))
        for label, place in zip(labels, found, strict=True):
            total, mine = run.final["targets"][label], [s for s in run.final["slices"] if s["target"] == label]
            assert all(piece["requests"] > 0 for piece in mine)
            assert total["requests"] == sum(s["requests"] for s in mine if not s["warm_up"])
            served = counted(place.origins[0])
            assert served["datagrams" if workload == "udp_rr" else "requests"] == sum(s["sent"] for s in mine)
            assert (total["errors"], total["slices"]) == ({}, 2)


def test_more_connections_at_once_than_one_source_address_has_ports() -> None:
    """30,000 connections to one address and port; a source address allows 28,232.

    One process may not open so many, so there are two generators, and two origins that share the port.
    """
    each = 15_000
    with places(1) as (place,):
        place.sysctl("net/ipv4/ip_local_port_range", "32768 60999")
        place.sysctl("net/core/somaxconn", "65535")
        for _ in range(2):
            place.origin("127.0.0.1")
        common = (
            *("--workload", "tcp_rr", "--open", "200", "--connections", str(each), "--timeout-ms", "20000"),
            *("--target", target(81, netns=place.path, source="127.0.0.2+127.0.0.3")),
        )
        holding = subprocess.Popen([program(), "load", *common, "--duration-ms", "120000"],
                                   stdout=subprocess.PIPE, text=True)  # fmt: skip
        place.stack.callback(_ended, holding)
        assert holding.stdout is not None
        assert json.loads(holding.stdout.readline())["type"] == "second"  # its connections are established
        second = good(*common, "--duration-ms", "300").final
        holding.send_signal(signal.SIGTERM)
        first = json.loads(holding.communicate(timeout=60)[0].splitlines()[-1])
        assert (holding.returncode, first["failure"], first["interrupted"]) == (0, "", True)
        for final in (first, second):
            total = final["targets"]["only"]
            assert (total["connections"], total["errors"], total["closed_idle"]) == (each, {}, 0)
            assert total["requests"] >= 60
        # All were established at the same time: the first run began before the second and ended after it.
        assert first["start_ns"] < second["start_ns"] < second["end_ns"] < first["end_ns"]
        assert sum(counted(one)["connections"] for one in place.origins) == 2 * each


@pytest.mark.parametrize(("sources", "enough"), [("127.0.0.2", False), ("127.0.0.2+127.0.0.3", True)])
def test_one_source_address_runs_out_of_ports_and_two_do_not(sources: str, enough: bool) -> None:
    with places(1) as (place,):
        place.sysctl("net/ipv4/ip_local_port_range", "40000 40999")
        place.origin("127.0.0.1")
        run = load(
            *("--workload", "tcp_rr", "--closed", "--connections", "1500", "--duration-ms", "50"),
            *("--target", target(81, netns=place.path, source=sources)),
        )
    assert run.code == (0 if enough else 1)
    assert ("Cannot assign requested address; give more source addresses" in run.final["failure"]) != enough
    assert run.final["failure"] in run.err
    assert run.one["connections"] == 1500 if enough else run.one["connections"] <= 1000


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_churn_reuses_its_ports(address: str) -> None:
    """A hundred ports carry thousands of connections within the minute of TIME_WAIT: the origin closes first."""
    with places(1) as (place,):
        place.origin(address)
        began = time.monotonic()
        run = good(
            *("--workload", "http_churn", "--closed", "--connections", "50", "--duration-ms", "1000"),
            *("--ports", "20000-20099", "--target", target(80, address=address, netns=place.path, source=address)),
        )
        assert time.monotonic() - began < 60
    assert run.one["errors"] == {}
    # If a port rested for its minute, there would be a hundred.
    assert run.one["connections"] == run.one["requests"] > 300
