"""Loss, delay and VLANs on the real kernel."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pyroute2.netlink.exceptions import NetlinkError

from domain.loads.condition import parse_condition
from domain.loads.load import ClosedLoad
from tests.host_noise import in_windows
from tests.kernel.bench import new_tag
from tests.kernel.runner.test_block import measure, reasons
from workers.inventory.features import TRIES
from workers.lab import netns, vlans
from workers.lab.cleanup import CleanupRegister
from workers.lab.conditions import AppliedCondition, ConditionError, apply_condition, spec_fields
from workers.lab.lab import Lab, LabError, built
from workers.lab.loss import HOSTS
from workers.lab.spec import LabSpec
from workers.runner.evidence import Evidence
from workers.runner.loss_proof import loss_findings

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]
DATAGRAMS = 4_000
LOSSY = parse_condition("loss(2.5)")


def tried(feature: str) -> bool:
    """Whether this kernel has a feature."""
    (one,) = (one for one in TRIES if one.name == feature)
    try:
        netns.call_in_new(one.attempt)
    except (OSError, NetlinkError, subprocess.SubprocessError):
        return False
    return True


@contextmanager
def lab_under(text: str, directory: Path, position: int = 1) -> Iterator[tuple[Lab, AppliedCondition]]:
    condition = parse_condition(text)
    with (
        built(LabSpec(new_tag(), "direct", position, **spec_fields(condition)), CleanupRegister(directory)) as lab,
        apply_condition(lab, condition) as applied,
    ):
        yield lab, applied


def send_from(lab: Lab, host: str) -> None:
    """Datagrams from one CPU, to a port where nobody listens."""
    to = {"client": lab.server_address, "server": lab.client_address}[host]

    def send() -> None:
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # of this thread, which ends
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
            for _ in range(DATAGRAMS):
                one.sendto(b"x", (to, 9))  # the loss is silent: no ENOBUFS

    netns.call_in(lab.netns_of(host), send)


def test_the_asked_share_is_lost_silently_and_alike_in_every_lab(tmp_path: Path) -> None:
    found = []
    for position in (1, 2):
        with lab_under(str(LOSSY), tmp_path, position) as (lab, applied):
            for host in HOSTS:
                send_from(lab, host)
            losses = applied.losses()
            assert losses is not None
            evidence = Evidence(condition=LOSSY, generated_requests=DATAGRAMS, losses=losses)
            assert list(loss_findings(evidence)) == []
            assert all(one.left == one.sent - one.lost for one in losses.values())
            found.append({host: one.lost for host, one in losses.items()})
            if position == 2:
                netns.run_in(lab.client_ns, ["tc", "qdisc", "del", "dev", lab.devices["client"], "clsact"])
                send_from(lab, "client")
                late = Evidence(condition=LOSSY, generated_requests=2 * DATAGRAMS, losses=applied.losses())
                assert any("packets of the client passed the program" in one for one in loss_findings(late))
    # A few answers (ICMP) beside the datagrams, whose number is limited by time, shift the numbers of packets.
    assert all(abs(found[0][host] - found[1][host]) <= 20 for host in HOSTS), found
    assert found[0]["client"] != found[0]["server"]


@in_windows
def test_a_block_runs_under_loss_and_a_client_on_the_dut_cannot(tmp_path: Path) -> None:
    load = ClosedLoad(connections=8, condition=parse_condition("loss(1)"))
    trials = measure(tmp_path, ("direct", "tproxy", "ebpf_redirect", "ebpf_connect"), load=load)
    refused = trials.pop("ebpf_connect")
    assert {label: reasons(trial) for label, trial in trials.items()} == {label: set() for label in trials}
    assert all({"lost_client", "lost_server"} <= {one.name for one in trial.figures} for trial in trials.values())
    assert refused.validity.findings[0].detail.endswith("its client runs on the DUT, and crosses no network")


def test_delay_is_netem_or_refused_with_the_reason(tmp_path: Path) -> None:
    if not tried("qdisc.netem"):
        with pytest.raises(ConditionError, match=r"delay\(20000\): tc: "), lab_under("delay(20000)", tmp_path):
            pytest.fail("must not be applied")
        return
    with lab_under("delay(20000)", tmp_path) as (lab, _):
        began_s = time.monotonic()
        with pytest.raises(ConnectionRefusedError):
            netns.call_in(lab.client_ns, lambda: socket.create_connection((lab.server_address, 9)))
        assert time.monotonic() - began_s >= 0.04


def test_vlans_are_tags_on_the_links_or_refused_with_the_reason(tmp_path: Path) -> None:
    if not tried("vlan"):
        with pytest.raises(LabError, match=r"this kernel may lack 802\.1Q"), lab_under("vlan", tmp_path):
            pytest.fail("must not be built")
        return
    with lab_under("vlan", tmp_path) as (lab, _):
        wire = lab.spec.wire(lab.devices["dut_client"])

        def listen() -> socket.socket:
            heard = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
            heard.setsockopt(263, 8, 1)  # SOL_PACKET, PACKET_AUXDATA: the tag is beside the frame
            heard.bind((wire, 0))
            heard.settimeout(5)
            return heard

        with netns.call_in(lab.dut_ns, listen) as heard:
            send_from(lab, "client")
            _, notes, _, _ = heard.recvmsg(2000, 200)
        (auxiliary,) = [data for level, kind, data in notes if (level, kind) == (263, 8)]
        assert int.from_bytes(auxiliary[16:18], sys.byteorder) == vlans.VLAN_ID  # tp_vlan_tci of tpacket_auxdata


def test_a_device_that_is_on_no_vlan_is_found(tmp_path: Path) -> None:
    with (
        built(LabSpec(new_tag(), "direct", 1), CleanupRegister(tmp_path)) as lab,
        pytest.raises(ConditionError, match=f"is no device of VLAN {vlans.VLAN_ID}"),
        apply_condition(lab, parse_condition("vlan")),
    ):
        pytest.fail("must not be applied")
