"""Every datapath that defends against floods of SYNs: what it answers, drops and finds. Each SYN has an end."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from domain.loads.condition import Condition
from domain.trials.evidence import Attack, Handshakes
from domain.trials.trial import Reason
from tests.kernel.bench import PATIENCE_S, SILENCE_S, Bench, detach_ingress, new_tag, start_origin
from tests.kernel.datapaths.declared import FACTS, broken_by, of_function
from tests.kernel.datapaths.faults import STEERING_GONE, detach_from_device, detach_program
from tests.variants import DATAPATHS
from workers.datapaths.base import DatapathError, Figured
from workers.lab import netns
from workers.lab.cleanup import CleanupRegister
from workers.lab.conditions import AppliedCondition, apply_condition, spec_fields
from workers.lab.lab import built
from workers.lab.spec import LabSpec
from workers.runner.flood_proof import flood_findings

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]
NAMES = of_function("defend")
RATE_PER_S, MANY = 60_000, 3000
DEFENCES = {name: FACTS[name].defence for name in NAMES}
BY_SOURCE = [name for name, how in DEFENCES.items() if how.by_source]
GOOD = 30  # connections


@contextmanager
def flooded(name: str, directory: Path, ip_version: int = 4) -> Iterator[tuple[Bench, AppliedCondition]]:
    """A lab with the datapath, and a sender that waits. The origin's listener has a short queue."""
    condition = Condition(ip_version=ip_version, syn_flood_per_s=RATE_PER_S)
    datapath = DATAPATHS[name]
    offloads = datapath.disabled_offloads
    spec = LabSpec(new_tag(), name, 1, disabled_offloads=offloads, sources=10, **spec_fields(condition))
    with ExitStack() as stack:
        lab = stack.enter_context(built(spec, CleanupRegister(directory)))
        start_origin(lab)
        applied = stack.enter_context(apply_condition(lab, condition))
        yield Bench(lab, stack.enter_context(datapath.attached(lab))), applied


def ended(applied: AppliedCondition) -> tuple[Attack, Handshakes]:
    attack = applied.attack()
    assert attack is not None
    assert attack.handshakes is not None
    return attack, attack.handshakes


def settled(b: Bench, applied: AppliedCondition) -> list[tuple[Reason, str]]:
    """What is found once the last answers have come."""
    deadline = time.monotonic() + PATIENCE_S
    while found := list(flood_findings(applied.attack(), b.counters(), GOOD)):
        if time.monotonic() > deadline:
            break
        time.sleep(0.02)
    return found


def figures_of(b: Bench) -> dict[str, float]:
    assert isinstance(b.attachment, Figured)
    return {one.name: one.value for one in b.attachment.figures()}


def wait_for(event: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not event():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def in_full_flood(name: str, b: Bench, applied: AppliedCondition) -> bool:
    """Whether the server's queue is full, or all attackers are found, or the defence has answered many."""
    if DEFENCES[name].by_source:
        return figures_of(b)["attackers_found_percent"] == 100
    if DEFENCES[name].cookies_by == "dut":
        return (b.counters().cookies or 0) > MANY
    of_kernel = ended(applied)[1]
    return of_kernel.dropped + of_kernel.cookies_sent > MANY


@pytest.mark.parametrize(
    ("name", "ip_version"), [(one, v) for one in NAMES for v in sorted(DATAPATHS[one].ip_versions)]
)
def test_it_keeps_good_connections_in_a_flood_and_each_syn_has_an_end(
    name: str, ip_version: int, tmp_path: Path
) -> None:
    how = DEFENCES[name]
    plain = not how.cookies_by and not how.by_source
    with flooded(name, tmp_path, ip_version) as (b, applied):
        assert b.get() == 1
        with applied.beside():
            wait_for(lambda: in_full_flood(name, b, applied))
            if plain:
                assert b.get(timeout_s=SILENCE_S) == 0
            else:
                assert sum(b.get() for _ in range(GOOD)) == GOOD
        assert settled(b, applied) == []
        (attack, of_kernel), counters = ended(applied), b.counters()
        assert counters.leaked_packets == 0
        assert of_kernel.cookies_refused == 0 or how.forgets_ended
        assert (of_kernel.dropped > 0) == plain
        assert not how.server_accepts_cookies or of_kernel.cookies_accepted >= GOOD
        if how.cookies_by == "dut":
            assert 0.98 * attack.sent < (counters.cookies or 0) <= (counters.syns or 0)
            assert GOOD <= (counters.connections or 0) <= GOOD + 1
        if how.by_source:
            assert (counters.denied_packets or 0) > 0
            assert figures_of(b) == {"attackers_found_percent": 100, "clients_hurt_percent": 0}


@pytest.mark.parametrize("name", BY_SOURCE)
def test_a_client_that_sends_as_much_as_an_attacker_is_found_and_hurt(name: str, tmp_path: Path) -> None:
    def connect() -> None:
        with ExitStack() as stack:
            for _ in range(1000):
                one = stack.enter_context(socket.socket())
                one.setblocking(False)
                one.connect_ex((b.lab.server_address, b.lab.origin_port))

    with flooded(name, tmp_path) as (b, _):
        netns.call_in(b.lab.client_ns, connect)
        counters = b.counters()
        assert 0 < (counters.denied_packets or 0) < 1000 <= (counters.syns or 0)
        assert figures_of(b) == {"attackers_found_percent": 0, "clients_hurt_percent": 10}


@pytest.mark.parametrize("name", NAMES)
def test_a_client_can_use_a_port_again_although_the_server_closed_first(name: str, tmp_path: Path) -> None:
    def ask() -> bytes:
        with socket.socket() as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.settimeout(PATIENCE_S / 4)
            one.bind((b.lab.source_addresses[0], 40_000))
            one.connect((b.lab.server_address, b.lab.origin_port))
            one.sendall(b"GET / HTTP/1.1\r\nHost: origin\r\nConnection: close\r\n\r\n")
            return b"".join(iter(lambda: one.recv(4096), b""))

    with flooded(name, tmp_path) as (b, _):
        assert [netns.call_in(b.lab.client_ns, ask)[:12] for _ in range(3)] == [b"HTTP/1.1 200"] * 3


@pytest.mark.parametrize("name", [name for name in NAMES if name in broken_by(STEERING_GONE, detach_program)])
def test_a_flood_that_misses_the_defence_shows(name: str, tmp_path: Path) -> None:
    with flooded(name, tmp_path) as (b, applied):
        detach_from_device(b.lab, "dut_client")
        with applied.beside():
            time.sleep(0.05)
        found = list(flood_findings(applied.attack(), b.counters(), 0))
        assert {reason for reason, _ in found} == {Reason.BYPASSED}
        assert len(found) == 2, "the program counted none, and none had an end"
        assert detach_ingress(b.lab, "dut_client") == 0


@pytest.mark.parametrize(
    ("name", "setting"), [(name, how.wrong_setting) for name, how in DEFENCES.items() if how.wrong_setting]
)
def test_a_setting_that_changes_fails_the_datapath_and_all_are_restored(
    name: str, setting: str, tmp_path: Path
) -> None:
    spec = LabSpec(new_tag(), name, 1, disabled_offloads=DATAPATHS[name].disabled_offloads)
    with built(spec, CleanupRegister(tmp_path)) as lab:
        keys = ["net.ipv4.tcp_syncookies", "net.ipv4.tcp_timestamps"]
        before = netns.run_in(lab.server_ns, ["sysctl", *keys])
        with DATAPATHS[name].attached(lab) as attachment:
            attachment.counters()
            netns.run_in(lab.server_ns, ["sysctl", "-qw", setting])
            with pytest.raises(DatapathError, match=setting.partition("=")[0]):
                attachment.counters()
        assert netns.run_in(lab.server_ns, ["sysctl", *keys]) == before
