"""The datapath ebpf_xdp on the real kernel, natively and generically, whole and broken on purpose."""

import http.client
import random
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from domain.trials.trial import Reason
from tests.host_noise import in_windows
from tests.kernel.bench import PATIENCE_S, Bench, bench, new_tag, sharing
from tests.kernel.datapaths.faults import (
    BY_DEVICES,
    DATAGRAMS_UNSTEERED,
    MAP_EMPTIED,
    NO,
    PART_GONE,
    PART_GONE_FIRST,
    STEERING_GONE,
    STEERING_GONE_FIRST,
    YES,
    Facts,
    Fault,
    Faults,
    Target,
    Traits,
    clear_config,
    detach_program,
)
from tests.kernel.datapaths.forward_checks import CHECKS, delivers_nothing_and_shows_it, misdirect
from tests.variants import DATAPATHS
from workers.datapaths.base import Datapath, DatapathError
from workers.datapaths.ebpf_xdp import EbpfXdp
from workers.datapaths.lib.xdp import Mode
from workers.lab import netns, offloads
from workers.lab.cleanup import CleanupRegister
from workers.lab.lab import Lab, built
from workers.lab.spec import LabSpec

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]


def refuse_frames(target: Target) -> None:
    """Take from the server's device the program that lets it receive redirected frames."""
    lab = target.lab
    netns.run_in(lab.server_ns, ["ip", "link", "set", "dev", lab.devices["server"], "xdpdrv", "off"])


FAULTS: Faults = {
    **BY_DEVICES,
    STEERING_GONE_FIRST: Fault(detach_program, Reason.LEAKED),
    STEERING_GONE: Fault(detach_program, Reason.LEAKED),
    PART_GONE_FIRST: Fault(refuse_frames, Reason.NO_REQUESTS),
    PART_GONE: Fault(refuse_frames, Reason.ERRORS),
    MAP_EMPTIED: Fault(clear_config, Reason.LEAKED),
    DATAGRAMS_UNSTEERED: Fault(detach_program, Reason.LEAKED),
}
FACTS = Facts(drops_bursts=True)
TRAITS: Traits = {"connection_state": NO, "fails_closed": YES, "udp": YES}


@pytest.fixture(scope="module", params=list(Mode), ids=lambda mode: mode.name.lower())
def datapath(request: pytest.FixtureRequest) -> EbpfXdp:
    return EbpfXdp(request.param)  # compiles once


@pytest.fixture(scope="module")
def chosen() -> Datapath:
    return DATAPATHS["ebpf_xdp"]


@sharing([EbpfXdp(Mode.GENERIC)])
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@in_windows
def test_it_forwards_in_generic_mode_too(shared: Bench, check: Callable[[Bench], None]) -> None:
    check(shared.begin())


def test_a_wrong_interface_index_delivers_nothing_in_either_mode(
    datapath: EbpfXdp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    misdirect(monkeypatch, 4242)
    with bench(datapath, tmp_path) as b:
        delivers_nothing_and_shows_it(b)


@in_windows  # a sender that waits for a CPU's acknowledgement sends again
def test_large_bodies_arrive_whole_in_either_mode(datapath: EbpfXdp, tmp_path: Path) -> None:
    body = random.Random(2).randbytes(3_000_000)
    with bench(datapath, tmp_path) as b:
        (b.lab.run_dir / "large").write_bytes(body)

        def fetch() -> bytes:
            with closing(http.client.HTTPConnection(b.lab.server_address, timeout=PATIENCE_S)) as connection:
                connection.request("GET", "/large")
                return connection.getresponse().read()

        assert netns.call_in(b.lab.client_ns, fetch) == body
        counters = b.counters()
        assert counters.bytes is not None
        # Generically, what was copied no longer counts as the sender's: it sends more than the backlog has room for.
        assert len(body) < counters.bytes < len(body) * 1.1
        assert (counters.leaked_packets, counters.dropped_packets) == (0, 0)


def test_an_end_that_takes_no_frames_loses_them_and_shows(chosen: Datapath, tmp_path: Path) -> None:
    """A veth without NAPI drops what is redirected into its peer."""
    with bench(chosen, tmp_path) as b:
        netns.run_in(b.lab.server_ns, ["ip", "link", "set", "dev", b.lab.devices["server"], "xdpdrv", "off"])
        assert b.get(timeout_s=0.5) == 0
        assert b.clients_seen() == []
        assert b.counters().packets == 0
        assert b.counters().dropped_packets > 0


def test_it_says_which_xdp_ran(datapath: EbpfXdp, chosen: Datapath, tmp_path: Path) -> None:
    with bench(datapath, tmp_path) as b:
        assert [("natively" in note, "generically" in note) for note in b.lab.notes] == [_mode_of(b)]
    with bench(chosen, tmp_path) as b:
        assert _mode_of(b) == (True, False)  # a veth's driver takes it
    assert b.lab.notes == []


def test_the_labs_offloads_stay_what_its_block_agreed_on(datapath: EbpfXdp, tmp_path: Path) -> None:
    wanted = offloads.DEFAULTS | {"tx_checksum": False, "tso": False}
    with built(
        LabSpec(new_tag(), "ebpf_xdp", 0, disabled_offloads=datapath.disabled_offloads), CleanupRegister(tmp_path)
    ) as lab:
        assert lab.offloads == wanted
        with datapath.attached(lab):
            assert lab.offloads == wanted
        assert lab.offloads == wanted


def test_a_lab_whose_offloads_lose_packets_is_refused(datapath: EbpfXdp, tmp_path: Path) -> None:
    with built(LabSpec(new_tag(), "ebpf_xdp", 0), CleanupRegister(tmp_path)) as lab:
        with pytest.raises(DatapathError, match="tso and tx_checksum"), datapath.attached(lab):
            pytest.fail("must not be attached")
        assert _nothing_attached(lab)


def test_a_taken_hook_leaves_nothing_attached(chosen: Datapath, tmp_path: Path) -> None:
    with built(
        LabSpec(new_tag(), "ebpf_xdp", 0, disabled_offloads=chosen.disabled_offloads), CleanupRegister(tmp_path)
    ) as lab:
        with built(replace(lab.spec, position=1), CleanupRegister(tmp_path / "other")) as other:
            with chosen.attached(lab), pytest.raises(DatapathError), chosen.attached(lab):
                pytest.fail("must not be attached twice")
            with chosen.attached(other):
                assert not _nothing_attached(other)
            assert _nothing_attached(other)
        assert _nothing_attached(lab)
        assert netns.run_in(lab.dut_ns, ["sysctl", "-n", "net.ipv4.ip_forward"]).strip() == "1"


def _mode_of(b: Bench) -> tuple[bool, bool]:
    shown = b.in_dut("ip", "link", "show", "dev", b.lab.devices["dut_client"])
    return " xdp " in shown, " xdpgeneric " in shown


def _nothing_attached(lab: Lab) -> bool:
    return not any("xdp" in netns.run_in(place, ["ip", "link", "show"]).replace("ebpf_xdp", "")
                   for place in lab.namespaces)  # fmt: skip
