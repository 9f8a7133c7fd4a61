"""Health checks: how many equal outcomes change a state, who answers, and what the kernel prints of connections."""

import socket
from types import SimpleNamespace
from typing import Any

import pytest

from workers.lab import health_checker, netns
from workers.lab.connections import open_connections, printed
from workers.lab.health import HealthCheck, OriginHealth

CHECK = HealthCheck(every_s=0.1, failures=2, successes=3)


@pytest.mark.parametrize(
    ("outcomes", "changes"),
    [
        ("++++", "...."),
        ("-+-+-", "....."),
        ("--", ".d"),
        ("----", ".d.."),
        ("--++-+++", ".d.....u"),
        ("--+++--", ".d..u.d"),
    ],
)
def test_so_many_equal_outcomes_in_a_row_change_the_state(outcomes: str, changes: str) -> None:
    health, found = OriginHealth(CHECK), ""
    for outcome in outcomes:
        changed = health.saw(answered=outcome == "+")
        found += ("u" if health.up else "d") if changed else "."
    assert found == changes


def test_the_times_of_a_check_follow_from_its_numbers() -> None:
    assert (CHECK.down_within_s, CHECK.up_within_s) == (pytest.approx(0.3), pytest.approx(0.4))


def test_who_listens_answers_and_who_resets_or_says_nothing_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as full:
        monkeypatch.setattr(health_checker, "HEALTH_PORT", listener.getsockname()[1])
        full.bind(("127.0.0.3", listener.getsockname()[1]))  # bound and deaf: the kernel resets
        addresses = ["127.0.0.1", "127.0.0.2", "127.0.0.3"]
        assert health_checker.answering(addresses, 5.0) == dict(zip(addresses, (True, False, False), strict=True))


TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 020013C6:0050 020012C6:A1B2 01 00000000:00000000 00:00000000 00000000     0        0 1 1 0 20 0 0 10 -1
   1: 030013C6:0050 020012C6:A1B3 06 00000000:00000000 00:00000000 00000000     0        0 1 1 0 20 0 0 10 -1
   2: 020012C6:A1B4 010080C6:0050 01 00000000:00000000 00:00000000 00000000     0        0 1 1 0 20 0 0 10 -1
   3: 030013C6:0051 020012C6:A1B5 01 00000000:00000000 00:00000000 00000000     0        0 1 1 0 20 0 0 10 -1
"""


def test_established_connections_are_found_at_both_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    client: Any = SimpleNamespace(netns="client", address="198.128.0.1")
    lab: Any = SimpleNamespace(
        client_endpoint=client,
        client_endpoints=(client,),
        server_ns="server",
        origin_addresses=("198.19.0.2", "198.19.0.3"),
        origin_port=80,
        spec=SimpleNamespace(ip_version=4),
    )
    monkeypatch.setattr(netns, "call_in", lambda place, read: TCP)
    found = open_connections(lab)
    assert found.of_clients == {"020012C6:A1B4"}
    assert found.by_origin == {"198.19.0.2": 1}, "neither in TIME_WAIT nor of another port"


def test_the_kernel_prints_addresses_in_words() -> None:
    assert printed("198.19.0.2", 80) == "020013C6:0050"
    assert printed("2001:2::2", 443) == "02000120" + "0" * 16 + "02000000:01BB"
