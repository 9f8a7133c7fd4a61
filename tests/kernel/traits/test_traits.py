"""The traits on this kernel: the known answers of some datapaths, and that each test can answer "no"."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

import workers.traits
from domain.service.jobs import Feature, HostCapabilities
from domain.trials.traits import Answer, Finding
from domain.values.registry import discover
from tests.host_noise import in_windows
from tests.kernel.datapaths import declared
from tests.kernel.datapaths.faults import NO, YES
from tests.variants import DATAPATHS
from workers.datapaths.base import Attachment, Datapath, DatapathError
from workers.datapaths.lib import tc
from workers.lab import netns
from workers.lab.cleanup import CleanupRegister
from workers.lab.lab import Lab
from workers.traits._bench import LabBench
from workers.traits.base import Trait
from workers.traits.matrix.run import MatrixRun

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]

TRAITS: Mapping[str, Trait] = discover(workers.traits, Trait)
KNOWN = {name: answers for name, answers in declared.TRAITS.items() if answers}


def found(datapath: Datapath, directory: Path, *names: str) -> dict[str, Finding]:
    with LabBench(datapath, CleanupRegister(directory)) as bench:
        return {name: TRAITS[name].check(bench) for name in names}


def answers(findings: Mapping[str, Finding]) -> dict[str, Answer]:
    return {name: finding.answer for name, finding in findings.items()}


@pytest.mark.parametrize("name", KNOWN)
@in_windows
def test_what_is_known_is_found(name: str, tmp_path: Path) -> None:
    findings = found(DATAPATHS[name], tmp_path, *KNOWN[name])
    assert answers(findings) == KNOWN[name], findings
    assert list(tmp_path.iterdir()) == []  # the register names nothing any more


@in_windows
def test_a_filter_at_the_socket_lets_packets_in_but_no_data(tmp_path: Path) -> None:
    finding = found(DATAPATHS["ebpf_cgroup_filter"], tmp_path, "fails_closed")["fails_closed"]
    assert finding.answer is NO
    assert "packets but no data reached the origin" in finding.evidence


class Spoilt(Datapath):
    """Another datapath, with something in its lab that makes it break its promise."""

    name = "spoilt"
    function = "forward"
    summary = "A datapath that breaks a promise."
    requires = ()

    def __init__(self, datapath: Datapath, spoil: Callable[[Lab], object]) -> None:
        self._datapath, self._spoil = datapath, spoil

    def attach(self, lab: Lab, stack: ExitStack) -> Attachment:
        attachment = stack.enter_context(self._datapath.attached(lab))
        self._spoil(lab)
        return attachment


def rules(hook: str, *statements: str) -> Callable[[Lab], object]:
    """nftables rules in the DUT; ``CLIENT`` is its device on the client's side."""
    chain = "\n".join([f"type {hook}; policy accept;", *statements])

    def put(lab: Lab) -> None:
        text = f"table ip spoilt {{\nchain spoil {{\n{chain}\n}}\n}}\n"
        text = text.replace("CLIENT", f'iifname "{lab.devices["dut_client"]}"')
        netns.run_in(lab.dut_ns, ["nft", "-f", "-"], stdin=text)

    return put


def forward_after_all(lab: Lab) -> None:
    netns.call_in(lab.dut_ns, lambda: netns.write_sysctls({"net/ipv4/ip_forward": "1"}))


@in_windows
def test_a_datapath_that_fails_open_gets_a_no(tmp_path: Path) -> None:
    finding = found(Spoilt(DATAPATHS["tproxy"], forward_after_all), tmp_path, "fails_closed")["fails_closed"]
    assert finding.answer is NO
    assert "without the nftables rules the data of 4 reached the origin" in finding.evidence


@in_windows
def test_one_packet_past_the_proxy_is_enough(tmp_path: Path) -> None:
    def spoil(lab: Lab) -> None:
        forward_after_all(lab)
        rules("filter hook forward priority 0", f'iifname "{lab.devices["dut_server"]}" drop')(lab)

    finding = found(Spoilt(DATAPATHS["tproxy"], spoil), tmp_path, "fails_closed")["fails_closed"]
    assert finding.answer is NO
    assert "packets but no data reached the origin" in finding.evidence


@in_windows
def test_a_hidden_client_address_gets_a_no(tmp_path: Path) -> None:
    masquerade = rules("nat hook postrouting priority srcnat", "masquerade")
    findings = found(Spoilt(DATAPATHS["direct"], masquerade), tmp_path, "client_address", "connection_state")
    assert answers(findings) == {"client_address": NO, "connection_state": YES}
    assert "the origin saw 198.19.0.1" in findings["client_address"].evidence


@in_windows
def test_ends_and_bodies_that_do_not_arrive_get_a_no(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.traits.half_close.WAIT_S", 0.3)
    monkeypatch.setattr("workers.traits._rig.CONVERSATION_S", 0.5)
    cut = rules(
        "filter hook forward priority 0", "CLIENT tcp flags & fin == fin drop", "CLIENT quota over 1 mbytes drop"
    )
    findings = found(Spoilt(DATAPATHS["direct"], cut), tmp_path, "half_close", "large_bodies")
    assert answers(findings) == {"half_close": NO, "large_bodies": NO}, findings


@in_windows
def test_programs_that_are_filters_are_taken_away_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tc, "has_tcx", lambda: False)
    finding = found(DATAPATHS["ebpf_redirect"], tmp_path, "fails_closed")["fails_closed"]
    assert finding == Finding(
        answer=YES, evidence="Without the tc filters no packet reached the origin, of 4 new connections."
    )


@in_windows
def test_a_datapath_that_cannot_be_attached_is_an_error_and_the_next_one_is_tested(tmp_path: Path) -> None:
    def no_luck(_lab: Lab) -> None:
        raise DatapathError("no luck")

    broken = Spoilt(DATAPATHS["direct"], no_luck)
    few = {name: TRAITS[name] for name in ("client_address", "l7_visible")}
    collecting = MatrixRun(
        {"broken": broken, "direct": DATAPATHS["direct"]},
        few,
        lambda datapath: LabBench(datapath, CleanupRegister(tmp_path)),
    )
    features = tuple(Feature(name=name, present=True) for name in ("root", "netns", "netns.sysctl", "veth"))
    rows = {row.datapath: row.findings for row in collecting.run(HostCapabilities(host="h1", features=features)).rows}
    assert answers(rows["direct"]) == {"client_address": YES, "l7_visible": NO}
    assert [finding.answer for finding in rows["broken"].values()] == [Answer.ERROR, Answer.ERROR]
    assert all("no luck" in finding.evidence for finding in rows["broken"].values())
