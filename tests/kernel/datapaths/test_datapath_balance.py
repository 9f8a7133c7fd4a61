"""The load balancers on the real kernel: what each of them must do, whole and broken on purpose."""

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.kernel.bench import Bench, answered, bench, sharing, swapped_devices
from tests.kernel.datapaths.balance_rig import (
    DATAPATHS,
    answering,
    asked,
    balancer,
    established,
    origin_by_port,
)
from tests.kernel.datapaths.declared import FACTS, proxied
from workers.datapaths.base import Attachment, Datapath, DatapathError
from workers.datapaths.lib.balancing import State
from workers.lab.addresses import ORIGINS
from workers.lab.lab import Lab

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]

EVERY = pytest.mark.parametrize("name", sorted(DATAPATHS))
IN_SHARED = sharing(sorted(DATAPATHS))


@IN_SHARED
def test_it_carries_counts_and_keeps_the_clients_address(shared: Bench) -> None:
    b = shared.begin()
    assert b.get(20) == 20
    assert b.get(5) == 5
    c = b.counters_with(25 * len("HTTP/1.1 200 OK\r\n\r\nhello"))
    assert c.packets is not None
    assert 25 <= c.packets <= 25 * 3 + 20
    assert c.connections == 2
    assert c.bytes is None or c.bytes >= 25 * len("HTTP/1.1 200 OK\r\n\r\nhello")
    assert (c.leaked_packets, c.dropped_packets) == (0, 0)
    assert b.clients_seen(25) == [b.lab.client_address] * 25
    assert b.lab.client_endpoint.expected_source == b.lab.client_address
    assert b.lab.client_endpoint.address == b.lab.virtual_address


@IN_SHARED
def test_all_origins_get_their_share_and_count_as_the_datapath_does(shared: Bench) -> None:
    connections = 480
    b = shared.begin()
    assert asked(b, connections) == connections
    seen = Counter(address for address, _ in b.origins_seen(connections))
    assert b.counters().origins == dict(seen)
    assert set(seen) == set(b.lab.origin_addresses)
    # Five standard deviations of a fair draw. A balancer that takes turns deviates only by its threads.
    spread = 4 if FACTS[b.lab.label].origins_in_turn else 5 * (connections * 0.25 * 0.75) ** 0.5
    assert all(abs(count - connections / ORIGINS) <= spread for count in seen.values()), seen


@IN_SHARED
def test_a_connection_stays_with_its_origin(shared: Bench) -> None:
    b = shared.begin()
    with established(b, 12) as connections:
        seen: dict[int, set[str]] = {port: set() for port in connections}
        for _ in range(5):
            for port, one in connections.items():
                seen[port].add(answering(one))
            assert asked(b, 4) == 4
        assert all(len(addresses) == 1 for addresses in seen.values()), seen
        assert 1 < len(set.union(*seen.values()) & set(b.lab.origin_addresses)) <= ORIGINS
    assert len(b.origins_seen(12 + 5 * 16)) == 12 + 5 * 16


@IN_SHARED
def test_an_origin_that_is_down_gets_no_new_connection_and_keeps_its_own(shared: Bench) -> None:
    b = shared.begin()
    with established(b, 24) as connections:
        down = b.origins_seen(24)[0][0]
        balancer(b).mark(down, State.DOWN)
        assert asked(b, 40) == 40
        assert down not in {address for address, _ in b.origins_seen(64)[24:]}
        assert all(answered(one) for one in connections.values())
        again = b.origins_seen(24 + 40 + 24)
        assert Counter(address for address, _ in again[64:]) == Counter(address for address, _ in again[:24])
        balancer(b).mark(down, State.UP)
        assert asked(b, 60) == 60
        assert down in {address for address, _ in b.origins_seen(148)[88:]}
        assert (b.counters().leaked_packets, b.counters().dropped_packets) == (0, 0)


@EVERY
def test_with_no_origin_up_the_path_is_closed(name: str, tmp_path: Path) -> None:
    with bench(DATAPATHS[name], tmp_path) as b:
        for address in b.lab.origin_addresses:
            balancer(b).mark(address, State.DOWN)
        assert b.get(timeout_s=0.3) == 0
        assert b.clients_seen() == []
        assert b.counters().leaked_packets == 0
        assert b.counters().dropped_packets > 0 or name in proxied(), "a proxy accepts, and closes"
        balancer(b).mark(b.lab.origin_addresses[2], State.UP)
        assert asked(b, 8) == 8
        assert {address for address, _ in b.origins_seen(8)} == {b.lab.origin_addresses[2]}


@EVERY
def test_an_origin_that_is_gone_loses_its_connections(name: str, tmp_path: Path) -> None:
    with bench(DATAPATHS[name], tmp_path) as b, established(b, 24) as connections:
        origins = {port: addresses.pop() for port, addresses in origin_by_port(b, 24).items()}
        gone = next(iter(origins.values()))
        if FACTS[name].keeps_gone_origins:
            with pytest.raises(DatapathError, match="connection tracking keeps"):
                balancer(b).mark(gone, State.GONE)
            return
        balancer(b).mark(gone, State.GONE)
        # Another origin resets what it does not know: the client need not wait for a time-out.
        alive = {port for port, one in connections.items() if answered(one)}
        assert alive == {port for port in connections if origins.get(port) != gone} or name in proxied()
        assert len(b.origins_seen(24 + len(alive))) == 24 + len(alive)
        assert asked(b, 20) == 20
        assert gone not in {address for address, _ in b.origins_seen(44 + len(alive))[24:]}


@IN_SHARED
def test_an_address_that_is_no_origin_is_refused(shared: Bench) -> None:
    b = shared.begin()
    with pytest.raises(ValueError, match=r"198\.19\.1\.99 is none of"):
        balancer(b).mark("198.19.1.99", State.DOWN)


@EVERY
def test_on_the_wrong_interfaces_it_carries_nothing_and_shows(name: str, tmp_path: Path) -> None:
    datapath = DATAPATHS[name]
    with bench(datapath, tmp_path) as b:
        pass
    with bench_swapped(datapath, tmp_path) as b:
        assert b.get(timeout_s=0.3) == 0
        assert b.clients_seen() == []
        assert (b.counters().packets, b.counters().origins) == (0, dict.fromkeys(b.lab.origin_addresses, 0))
        assert b.counters().leaked_packets > 0


@contextmanager
def bench_swapped(datapath: Datapath, directory: Path) -> Iterator[Bench]:
    """The datapath in a lab that takes the DUT's devices for each other while it attaches."""

    class Swapped(type(datapath)):  # type: ignore[misc]
        def attach(self, lab: Lab, stack: ExitStack) -> Attachment:
            stack.enter_context(swapped_devices(lab))
            return super().attach(lab, stack)  # type: ignore[no-any-return]

    with bench(Swapped(), directory) as b:
        yield b
