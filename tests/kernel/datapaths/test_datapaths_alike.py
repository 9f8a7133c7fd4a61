"""What every discovered datapath must do alike: whole bodies, many connections, idle silence, no trace left."""

import random
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.host_noise import in_windows
from tests.kernel.bench import PATIENCE_S, Bench, bench, detach_ingress, http_connection, new_tag, sharing
from tests.kernel.datapaths.declared import FACTS
from tests.kernel.lab.test_lab import device_packets
from tests.variants import RUNNABLE
from workers.datapaths.base import Datapath
from workers.lab import netns
from workers.lab.cleanup import CleanupRegister
from workers.lab.lab import Lab, built
from workers.lab.spec import LabSpec

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]
EVERY = pytest.mark.parametrize("datapath", RUNNABLE.values(), ids=RUNNABLE.keys())


@sharing(RUNNABLE)
@in_windows  # a sender that waits for a CPU's acknowledgement sends again
def test_large_bodies_arrive_whole_and_are_counted(shared: Bench) -> None:
    body, b = random.Random(1).randbytes(4_000_000), shared.begin()  # many segments, merged by the offloads
    (b.lab.run_dir / "large").write_bytes(body)

    def fetch() -> bytes:
        with http_connection(b.lab) as connection:
            connection.request("GET", "/large")
            return connection.getresponse().read()

    assert netns.call_in(b.lab.client_endpoint.netns, fetch) == body
    counted = b.counters_with(len(body)).bytes
    if counted is not None:
        assert len(body) < counted < len(body) * 1.05  # what a queue had no room for is sent twice
    assert b.counters().leaked_packets == 0
    assert len(b.clients_seen(1)) == 1


@sharing(RUNNABLE)
def test_many_connections_at_once(shared: Bench) -> None:
    connections, b = 1500, shared.begin()

    def talk() -> int:
        with ExitStack() as stack:
            client = b.lab.client_endpoint
            established = [stack.enter_context(client.connect(PATIENCE_S)) for _ in range(connections)]
            for one in established:
                one.sendall(b"GET / HTTP/1.1\r\nHost: origin\r\n\r\n")
            return sum(one.recv(1000).startswith(b"HTTP/1.1 200") for one in established)

    assert netns.call_in(b.lab.client_endpoint.netns, talk) == connections
    assert b.clients_seen(connections) == [b.lab.client_endpoint.expected_source] * connections
    counters = b.counters()
    facts = FACTS[b.lab.label]
    spare = connections // 10 if facts.drops_bursts else 0
    assert counters.connections is None or connections <= counters.connections <= connections + spare
    least = 1 if facts.counts == "messages" else 3
    assert counters.packets is None or counters.packets >= connections * least
    assert counters.leaked_packets == 0
    assert counters.dropped_packets <= spare


def test_all_are_silent_while_idle(tmp_path: Path) -> None:
    with ExitStack() as stack:
        benches = {name: stack.enter_context(bench(one, tmp_path / name)) for name, one in RUNNABLE.items()}
        assert {name: b.get() for name, b in benches.items()} == dict.fromkeys(RUNNABLE, 1)

        def seen() -> dict[str, object]:
            return {name: (device_packets(b.lab), b.counters()) for name, b in benches.items()}

        # The connections end: on a busy machine not at once.
        before, deadline = seen(), time.monotonic() + PATIENCE_S
        while (time.sleep(0.2), now := seen())[1] != before:
            assert time.monotonic() < deadline, (before, now)
            before = now
        time.sleep(1.0)
        assert seen() == before


@EVERY
def test_it_can_be_attached_again_in_the_same_lab(datapath: Datapath, tmp_path: Path) -> None:
    with built(
        LabSpec(new_tag(), datapath.name, 0, disabled_offloads=datapath.disabled_offloads), CleanupRegister(tmp_path)
    ) as lab:
        for _ in range(2):
            with datapath.attached(lab) as attachment:
                counters = attachment.counters()
                assert (counters.packets or 0, counters.leaked_packets) == (0, 0)
                assert all(_local_delivery(lab)) == FACTS[datapath.name].delivers_locally_by_mark
            assert lab.processes == []
            assert _local_delivery(lab) == ["", ""]
            assert netns.run_in(lab.dut_ns, ["nft", "list", "ruleset"]) == ""
            assert "clsact" not in netns.run_in(lab.dut_ns, ["tc", "qdisc", "show"])
            assert [detach_ingress(lab, role) for role in ("dut_client", "dut_server")] == [0, 0]
            assert "prog/xdp" not in netns.run_in(lab.dut_ns, ["ip", "-d", "link", "show"])
            settings = netns.run_in(lab.dut_ns, ["sysctl", "-n", "net.ipv4.ip_forward", "net.ipv4.tcp_early_demux"])
            assert settings.split() == ["1", "0"]


def _local_delivery(lab: Lab) -> list[str]:
    commands = "ip rule show fwmark 1", "ip route show table all type local 0.0.0.0/0"
    return [netns.run_in(lab.dut_ns, command.split()).strip() for command in commands]
