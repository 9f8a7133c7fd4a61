"""Every datapath that forwards past netfilter, whole and broken on purpose; a new one needs no change here."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.host_noise import in_windows
from tests.kernel.bench import Bench, bench, detach_ingress, new_tag, sharing, wrong_ifindex
from tests.kernel.datapaths.declared import of_function
from tests.kernel.datapaths.faults import detach_from_device
from tests.kernel.datapaths.forward_checks import CHECKS, delivers_nothing_and_shows_it, misdirect
from tests.variants import DATAPATHS
from workers.datapaths.base import DatapathError, Tracking
from workers.datapaths.lib import tc
from workers.lab import netns
from workers.lab.cleanup import CleanupRegister
from workers.lab.lab import built
from workers.lab.spec import LabSpec

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]
NAMES = [name for name in of_function("forward") if DATAPATHS[name].tracking is Tracking.NEVER]
EVERY = pytest.mark.parametrize("name", NAMES)
AT_TC = pytest.mark.parametrize("name", [name for name in NAMES if "tc.bpf" in DATAPATHS[name].requires])


@sharing(NAMES)
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@in_windows
def test_it_forwards(shared: Bench, check: Callable[[Bench], None]) -> None:
    check(shared.begin())


@EVERY
def test_a_wrong_interface_index_delivers_nothing_and_shows(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    misdirect(monkeypatch, 4242)
    with bench(DATAPATHS[name], tmp_path) as b:
        delivers_nothing_and_shows_it(b)


@EVERY
@pytest.mark.parametrize("role", ["dut_client", "dut_server"])
def test_a_detached_program_closes_the_path_and_shows(name: str, tmp_path: Path, role: str) -> None:
    with bench(DATAPATHS[name], tmp_path) as b:
        with b.connection() as established:
            detach_from_device(b.lab, role)
            established.sendall(b"GET / HTTP/1.1\r\nHost: origin\r\n\r\n")
            with pytest.raises(TimeoutError):
                established.recv(100)
        assert b.get(timeout_s=0.3) == 0
        assert b.counters().leaked_packets > 0
        if role == "dut_client":
            assert b.clients_seen() == []


@AT_TC
def test_half_an_attachment_leaves_nothing_attached(name: str, tmp_path: Path) -> None:
    with built(LabSpec(new_tag(), name, 0), CleanupRegister(tmp_path)) as lab:
        attached = DATAPATHS[name].attached(lab)
        with wrong_ifindex(lab, "dut_server"), pytest.raises(DatapathError, match="dut_server"), attached:
            pytest.fail("must not be attached")
        assert [detach_ingress(lab, role) for role in ("dut_client", "dut_server")] == [0, 0]
        assert netns.run_in(lab.dut_ns, ["sysctl", "-n", "net.ipv4.ip_forward"]).strip() == "1"


@AT_TC
def test_an_older_kernel_gets_filters_and_a_note(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tc, "has_tcx", lambda: False)
    with bench(DATAPATHS[name], tmp_path) as b:
        assert b.get(3) == 3
        assert [note for note in b.lab.notes if "tcx" in note]
        assert "direct-action" in b.in_dut("tc", "filter", "show", "dev", b.lab.devices["dut_client"], "ingress")
    assert b.lab.notes == []
