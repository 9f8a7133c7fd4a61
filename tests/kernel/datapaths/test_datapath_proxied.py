"""Every datapath that steers to a proxy, on the real kernel, whole and broken on purpose."""

import socket
import time
from pathlib import Path

import pytest

from tests.kernel.bench import ASK, SILENCE_S, answered, bench, detach_ingress
from tests.kernel.datapaths.declared import FACTS, broken_by, of_function, proxied
from tests.kernel.datapaths.faults import STEERING_GONE, Target, detach_program, flush_rules, kill_proxy
from tests.variants import DATAPATHS
from workers.datapaths.base import DatapathError

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]
FOR_SOCKETS = 1 << 10 | 1 << 12 | 1 << 13  # CAP_NET_BIND_SERVICE, CAP_NET_ADMIN, CAP_NET_RAW
PAYLOAD_BYTES = len("HTTP/1.1 200 OK\r\n\r\nhello")  # and more headers

EVERY = pytest.mark.parametrize("name", of_function("steer", proxied()))
BY_RULES = pytest.mark.parametrize("name", of_function("steer", broken_by(STEERING_GONE, flush_rules)))
BY_PROGRAMS = pytest.mark.parametrize(
    "name", of_function("steer", proxied() & broken_by(STEERING_GONE, detach_program))
)
EARLY_DEMUX = pytest.mark.parametrize("name", [name for name, facts in FACTS.items() if facts.early_demux])


@EVERY
def test_it_carries_counts_and_shows_the_address_that_it_promises(name: str, tmp_path: Path) -> None:
    with bench(DATAPATHS[name], tmp_path) as b:
        assert b.get(20) == 20
        assert b.get(5) == 5
        c = b.counters_with(25 * PAYLOAD_BYTES)
        assert 25 <= (c.packets or 0) <= 25 * 3 + 20 if FACTS[name].counts else c.packets is None
        assert c.connections == 2
        assert c.bytes is not None
        assert c.bytes >= 25 * PAYLOAD_BYTES
        assert (c.leaked_packets, c.dropped_packets) == (0, 0)
        expected_source = b.lab.client_address if FACTS[name].keeps_client else b.lab.dut_server_address
        assert b.clients_seen(25) == [expected_source] * 25
        assert b.lab.client_endpoint.expected_source == expected_source
        assert len(b.lab.view().tasks["proxy"]) >= 1


@EVERY
def test_no_process_of_a_proxy_is_root(name: str, tmp_path: Path) -> None:
    """A proxy reads foreign bytes. It keeps what its sockets need, and no root of another program's files."""
    with bench(DATAPATHS[name], tmp_path) as b:
        proxies = [one for one in b.lab.processes if one.task_role == "proxy"]
        assert proxies
        for pid in (pid for proxy in proxies for pid in proxy.tasks()):
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
            status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
            assert "0" not in status["Uid"].split() + status["Gid"].split(), (name, status["Name"])
            assert not int(status["CapPrm"], 16) & ~FOR_SOCKETS, (name, status["CapPrm"])


@EVERY
def test_a_killed_proxy_closes_the_path(name: str, tmp_path: Path) -> None:
    with bench(DATAPATHS[name], tmp_path) as b:
        assert b.get() == 1
        with b.connection() as established:
            kill_proxy(Target(b.lab))
            assert not answered(established, SILENCE_S)
        assert b.get(timeout_s=0.3) == 0
        assert len(b.clients_seen(1)) == 1
        with pytest.raises(DatapathError, match=rf"{name}: \S+ ended"):
            b.counters()


@BY_RULES
def test_flushed_rules_close_the_path_and_show(name: str, tmp_path: Path) -> None:
    with bench(DATAPATHS[name], tmp_path) as b:
        flush_rules(Target(b.lab))
        steered = b.counters().packets
        assert b.get(timeout_s=0.3) == 0
        assert b.clients_seen() == []
        assert b.counters().packets == steered
        assert b.counters().leaked_packets > 0


@BY_PROGRAMS
@pytest.mark.parametrize("role", ["dut_client", "dut_server"])
def test_a_detached_program_closes_the_path_and_shows(name: str, role: str, tmp_path: Path) -> None:
    with bench(DATAPATHS[name], tmp_path) as b:
        with b.connection() as established:
            steered = b.counters().packets
            assert detach_ingress(b.lab, role) == 1
            # The kernel may still find the proxy's established socket: uncounted, and so no proof of anything. It does
            # not if it flushed cached routes, up to 1 s after a change of a carrier (net/core/link_watch.c).
            still = FACTS[name].early_demux and role == "dut_client"
            carried = answered(established, timeout_s=2 if still else 0.3)  # a busy machine may answer late
            assert still or not carried
            if role == "dut_client":
                assert b.counters().packets == steered
        seen = b.clients_seen(int(carried))
        assert b.get(timeout_s=0.3) == 0
        assert b.clients_seen() == seen or role == "dut_server"
        assert b.counters().leaked_packets > 0


@EARLY_DEMUX
def test_a_packet_without_a_socket_is_reset_and_not_forwarded(name: str, tmp_path: Path) -> None:
    with bench(DATAPATHS[name], tmp_path) as b, b.connection() as established:
        kill_proxy(Target(b.lab))
        # The dying proxy's end of the connection comes first.
        assert not answered(established, timeout_s=2)
        with pytest.raises(ConnectionError):
            send_twice(established)
        assert b.clients_seen() == []


def send_twice(established: socket.socket) -> None:
    """The kernel answers the first with a reset, which the second runs into."""
    established.sendall(ASK)
    time.sleep(0.1)
    established.sendall(ASK)
