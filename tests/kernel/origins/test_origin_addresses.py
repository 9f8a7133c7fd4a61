"""For a datapath that balances, the origin answers on several addresses and counts the connections to each."""

import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.kernel.bench import PATIENCE_S, new_tag
from workers.lab import netns
from workers.lab.addresses import ORIGINS
from workers.lab.cleanup import CleanupRegister
from workers.lab.endpoints import ClientEndpoint
from workers.lab.lab import Lab, built
from workers.lab.spec import LabSpec
from workers.origins.base import ask
from workers.origins.nginx import NginxOrigin
from workers.origins.own import TrafficOrigin
from workers.runner.trial_run import Origin

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]


def origin_of(kind: str, lab: Lab) -> Origin:
    return NginxOrigin(lab, b"hello") if kind == "nginx" else TrafficOrigin(lab, "http")


def at(lab: Lab, address: str) -> ClientEndpoint:
    return replace(lab.client_endpoint, address=address)


def answers(lab: Lab, address: str) -> bool:
    """Whether the origin answers there, given some time to start."""
    for _ in range(2000):
        try:
            return netns.call_in(lab.client_ns, lambda: ask(at(lab, address), "/whoami")).status == 200
        except ConnectionError:
            time.sleep(0.01)
    return False


def counted(origin: Origin, connections: int) -> dict[str, int]:
    """The connections by address, once there are so many: nginx writes its log some time after the answer."""
    deadline = time.monotonic() + PATIENCE_S
    while sum((found := origin.connections()).values()) < connections:
        assert time.monotonic() < deadline, found
        time.sleep(0.01)
    return dict(found)


@pytest.mark.parametrize("kind", ["nginx", "own"])
def test_it_counts_connections_by_address(kind: str, tmp_path: Path) -> None:
    with built(LabSpec(new_tag(), "direct", 0), CleanupRegister(tmp_path)) as lab:
        lab.client_endpoint = replace(lab.client_endpoint, address=lab.virtual_address)
        origin = origin_of(kind, lab)
        origin.start()
        assert answers(lab, lab.origin_addresses[0])
        before = counted(origin, 1)
        asked = origin.requests()
        for number, address in enumerate(lab.origin_addresses):
            for _ in range(number + 1):
                assert answers(lab, address)
        opened = ORIGINS * (ORIGINS + 1) // 2
        after = counted(origin, sum(before.values()) + opened)
        assert {a: after[a] - before.get(a, 0) for a in after} == {
            address: number + 1 for number, address in enumerate(lab.origin_addresses)
        }
        assert origin.requests() - asked == opened


@pytest.mark.parametrize("kind", ["nginx", "own"])
def test_without_balancing_it_answers_on_one_address_only(kind: str, tmp_path: Path) -> None:
    with built(LabSpec(new_tag(), "direct", 0), CleanupRegister(tmp_path)) as lab:
        origin = origin_of(kind, lab)
        origin.start()
        assert answers(lab, lab.server_address)
        with pytest.raises(ConnectionError):
            netns.call_in(lab.client_ns, lambda: ask(at(lab, lab.origin_addresses[1]), "/whoami"))
        assert set(origin.connections()) <= {lab.server_address}


def test_no_host_has_a_route_to_the_virtual_address(tmp_path: Path) -> None:
    with (
        built(LabSpec(new_tag(), "direct", 0), CleanupRegister(tmp_path)) as lab,
        pytest.raises(OSError, match="unreachable"),
    ):
        netns.call_in(lab.client_ns, lambda: ask(at(lab, lab.virtual_address), "/"))
