"""The datapath ebpf_sockmap broken on purpose; what it shares with others is in test_datapath_spliced."""

import time
from pathlib import Path

import pytest

from bpf.enums import AttachType
from bpf.sockmap import detach_from_map
from domain.trials.trial import Reason
from tests.kernel.bench import PATIENCE_S, SILENCE_S, Bench, answered, bench
from tests.kernel.datapaths.faults import (
    BY_DEVICES,
    BY_PROXY,
    MAP_EMPTIED,
    NO,
    PART_GONE,
    STEERING_GONE,
    YES,
    Facts,
    Fault,
    Faults,
    Target,
    Traits,
    empty_maps,
    flush_rules,
)
from tests.variants import DATAPATHS
from workers.datapaths.base import Datapath, DatapathError
from workers.datapaths.ebpf_sockmap import Spliced

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]


def detach_verdict(target: Target) -> None:
    """Detach the verdict program from its map; sockets that are in the map already keep it."""
    programs = target.programs
    detach_from_map(programs.programs["splice"], programs.map_fd("verdict"), AttachType.SK_SKB_STREAM_VERDICT)


FAULTS: Faults = {
    **BY_PROXY,
    **BY_DEVICES,
    STEERING_GONE: Fault(flush_rules, Reason.LEAKED),
    PART_GONE: Fault(detach_verdict, Reason.DATAPATH_FAILED),
    # The kernel keeps the bytes, as it has no socket to redirect them to.
    MAP_EMPTIED: Fault(empty_maps("verdict", "targets"), Reason.ERRORS),
}
FACTS = Facts(delivers_locally_by_mark=True)
TRAITS: Traits = {
    "client_address": YES,
    "half_close": YES,
    "large_bodies": YES,
    "fails_closed": YES,
    "l7_visible": NO,
}


@pytest.fixture(scope="module")
def datapath() -> Datapath:
    return DATAPATHS["ebpf_sockmap"]


def spliced(b: Bench) -> Spliced:
    proxy = b.attachment.proxy  # type: ignore[attr-defined]
    assert isinstance(proxy, Spliced)
    return proxy


def test_the_kernel_moves_the_bytes_and_the_relay_none(datapath: Datapath, tmp_path: Path) -> None:
    with bench(datapath, tmp_path) as b:
        assert b.get(20) == 20
        relayed = spliced(b).relay.counters()
        assert relayed.kernel_directions == 2
        assert (relayed.bytes_to_origin, relayed.bytes_to_client) == (0, 0)
        segments, asked, _, to_client, strayed = spliced(b).programs.per_cpu_sums("counts")
        assert segments == 20
        assert asked > 20 * len("GET / HTTP/1.1\r\n\r\n")
        assert b.counters().bytes == to_client
        assert strayed == 0


def await_sessions(b: Bench, count: int) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while spliced(b).relay.counters().current != count and time.monotonic() < deadline:
        time.sleep(0.005)


def test_connections_that_end_leave_the_maps(datapath: Datapath, tmp_path: Path) -> None:
    with bench(datapath, tmp_path) as b:
        for _ in range(5):
            assert b.get() == 1
        with b.connection() as established:
            assert answered(established)
            await_sessions(b, 1)  # a client sees its answer before the relay has closed the session
            assert [spliced(b).programs.empty(name) for name in ("targets", "verdict")] == [2, 2]


def test_emptied_targets_close_the_path_and_show(datapath: Datapath, tmp_path: Path) -> None:
    with bench(datapath, tmp_path) as b, b.connection() as established:
        assert answered(established)
        assert spliced(b).programs.empty("targets") == 2
        assert not answered(established, SILENCE_S)
        assert len(b.clients_seen(1)) == 1
        assert b.counters().dropped_packets > 0
        assert b.counters().leaked_packets == 0


def test_emptied_verdicts_close_the_path_and_show(datapath: Datapath, tmp_path: Path) -> None:
    with bench(datapath, tmp_path) as b, b.connection() as established:
        assert answered(established)
        before = b.counters().bytes
        assert spliced(b).programs.empty("verdict") == 2
        assert not answered(established, SILENCE_S)
        assert len(b.clients_seen(1)) == 1
        assert b.counters().bytes == before, "nothing is proven that did not happen"
        assert spliced(b).relay.counters().bytes_to_origin == 0, "the relay does not step in"


def test_a_detached_program_closes_the_path_and_shows(datapath: Datapath, tmp_path: Path) -> None:
    with bench(datapath, tmp_path) as b:
        assert b.get() == 1
        detach_verdict(Target(b.lab, (spliced(b).programs,)))
        assert b.get(timeout_s=0.3) == 0
        assert len(b.clients_seen(1)) == 1
        with pytest.raises(DatapathError, match="detached"):
            b.counters()
