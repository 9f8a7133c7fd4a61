"""Conditions on the real kernel: rules that are walked, connections that are tracked, offloads that are off."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import pytest

from domain.loads.condition import PLAIN, Condition, parse_condition
from domain.loads.condition_terms import most
from domain.loads.load import ClosedLoad
from domain.trials.evidence import Surroundings
from domain.trials.trial import Reason, TrialResult
from tests.calm import calm_origins
from tests.host_noise import in_windows
from tests.kernel.bench import Bench, new_tag, start_origin
from tests.kernel.datapaths.declared import FACTS
from tests.kernel.runner.test_block import measure, reasons
from tests.variants import DATAPATHS, RUNNABLE
from workers.datapaths.base import Datapath, Tracking
from workers.lab import netns, nft, offloads
from workers.lab.cleanup import CleanupRegister
from workers.lab.conditions import BALLAST_TABLE, AppliedCondition, ConditionError, apply_condition, spec_fields
from workers.lab.lab import Lab, built
from workers.lab.spec import LabSpec

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]
CONNECTIONS, REQUESTS = 3, 5


@contextmanager
def bench_under(condition: Condition, datapath: Datapath, lab: Lab) -> Iterator[tuple[Bench, AppliedCondition]]:
    with apply_condition(lab, condition) as around, datapath.attached(lab) as attachment:
        yield Bench(lab, attachment), around


def around(trial: TrialResult) -> Surroundings:
    assert trial.surroundings is not None
    return trial.surroundings


CARRIED = [(name, version) for name, datapath in RUNNABLE.items() for version in sorted(datapath.ip_versions)]


@pytest.mark.parametrize(("name", "ip_version"), CARRIED, ids=[f"{name}-IPv{version}" for name, version in CARRIED])
def test_a_datapath_says_truly_whether_its_packets_meet_netfilter(name: str, ip_version: int, tmp_path: Path) -> None:
    datapath = DATAPATHS[name]
    spec = LabSpec(new_tag(), name, 1, disabled_offloads=datapath.disabled_offloads, ip_version=ip_version)
    with built(spec, CleanupRegister(tmp_path)) as lab:
        lab.client_endpoint = datapath.client_endpoint(lab)
        start_origin(lab)
        with bench_under(PLAIN, datapath, lab) as (b, shown):
            assert [b.get(REQUESTS) for _ in range(CONNECTIONS)] == [REQUESTS] * CONNECTIONS
            entries = shown.conntrack_entries() or 0
            assert entries >= CONNECTIONS if datapath.tracking is Tracking.ALWAYS else entries == 0
            assert shown.ballast_packets() is None
        with bench_under(parse_condition(f"ipv{ip_version}, ballast(50), conntrack"), datapath, lab) as (b, shown):
            # A packet of the connections before, sent again, may pass between the condition and the attachment.
            entries_before, walked_before = shown.conntrack_entries() or 0, shown.ballast_packets() or 0
            assert [b.get(REQUESTS) for _ in range(CONNECTIONS)] == [REQUESTS] * CONNECTIONS
            entries = (shown.conntrack_entries() or 0) - entries_before
            walked = (shown.ballast_packets() or 0) - walked_before
            if datapath.tracking is Tracking.NEVER:
                assert (entries, walked) == (0, 0)
            else:
                assert entries >= CONNECTIONS
                # Where messages are counted instead of packets, only the handshakes pass there.
                assert walked >= CONNECTIONS * (1 if FACTS[name].counts == "messages" else REQUESTS)
        assert netns.run_in(lab.dut_ns, ["nft", "list", "ruleset"]) == ""


@calm_origins()
@in_windows
def test_a_block_runs_under_its_condition(tmp_path: Path) -> None:
    load = ClosedLoad(connections=8, condition=parse_condition("ballast(1000), conntrack, no_gso, no_tso"))
    trials = measure(tmp_path, ("direct", "tproxy", "ebpf_redirect"), load=load)
    assert {label: reasons(trial) for label, trial in trials.items()} == {label: set() for label in trials}
    shown = {label: around(trial) for label, trial in trials.items()}
    assert all(one.condition == load.condition for one in shown.values())
    tracked = {label: one.tracked for label, one in shown.items()}
    assert tracked == {"direct": True, "tproxy": True, "ebpf_redirect": False}
    for label in ("direct", "tproxy"):
        assert (shown[label].ballast_packets or 0) >= trials[label].requests  # each is a packet at least
    assert shown["ebpf_redirect"].ballast_packets == 0
    assert all(trial.offloads["gso"] is trial.offloads["tso"] is False for trial in trials.values())


@calm_origins()
@in_windows
def test_a_block_in_ipv6_has_rules_and_tracking_of_that_version(tmp_path: Path) -> None:
    load = ClosedLoad(connections=8, condition=parse_condition("ipv6, ballast(100), conntrack"))
    trials = measure(tmp_path, ("direct", "ebpf_redirect"), load=load)
    assert {label: reasons(trial) for label, trial in trials.items()} == {label: set() for label in trials}
    assert around(trials["direct"]).tracked
    assert (around(trials["direct"]).ballast_packets or 0) >= trials["direct"].requests
    assert not around(trials["ebpf_redirect"]).tracked
    assert around(trials["ebpf_redirect"]).ballast_packets == 0


@calm_origins()
@in_windows
def test_connections_that_come_to_be_tracked_are_found_out(tmp_path: Path) -> None:
    def track(lab: Lab) -> None:
        nft.change(
            lab, "table ip stranger { chain c { type filter hook prerouting priority filter; ct state new; }; }\n"
        )

    trials = measure(tmp_path, ("direct", "ebpf_redirect"), breaks={"direct": track, "ebpf_redirect": track})
    assert reasons(trials["direct"]) == {Reason.CONNTRACK_MISMATCH}
    assert reasons(trials["ebpf_redirect"]) == set()  # its packets do not come there


@calm_origins()
@in_windows
def test_only_what_needs_tracking_is_tracked(tmp_path: Path) -> None:
    trials = measure(tmp_path, ("nft_dnat", "direct"), load=ClosedLoad(connections=8))
    assert {label: reasons(trial) for label, trial in trials.items()} == {"nft_dnat": set(), "direct": set()}
    assert around(trials["direct"]).conntrack_entries == 0
    assert (around(trials["nft_dnat"]).conntrack_entries or 0) >= 8


@pytest.mark.parametrize("clients", [1, 2])
def test_offloads_that_are_taken_are_off_on_every_device(tmp_path: Path, clients: int) -> None:
    without = parse_condition("no_gro, no_gso, no_tso").without
    with built(
        LabSpec(new_tag(), "direct", 2, clients=clients, disabled_offloads=without), CleanupRegister(tmp_path)
    ) as lab:
        found = {
            (place, device): netns.call_in(place, partial(offloads.set_offloads, device, {}))
            for place in lab.namespaces
            for _, device in netns.call_in(place, socket.if_nameindex)
            if device != "lo"
        }
        assert len(found) == (4 if clients == 1 else 4 + 2 * clients)
        for place, one in found.items():
            assert not any(one[name] for name in without), place
            assert one["tx_checksum"], place


@in_windows
def test_the_most_rules_are_added_fast_and_do_not_slow_other_counters(tmp_path: Path) -> None:
    datapath = DATAPATHS["tproxy"]
    with ExitStack() as stack:
        lab = stack.enter_context(built(LabSpec(new_tag(), datapath.name, 3), CleanupRegister(tmp_path)))
        start_origin(lab)
        began_s = time.monotonic()
        shown = stack.enter_context(apply_condition(lab, Condition(ballast_rules=most("ballast"))))
        under_rules_s = time.monotonic() - began_s
        attachment = stack.enter_context(datapath.attached(lab))
        assert Bench(lab, attachment).get(2) == 2
        began_s = time.monotonic()
        attachment.counters()
        assert time.monotonic() - began_s < 0.2  # 0.02 s; 0.5 s where nft reads all rules
        assert (shown.ballast_packets() or 0) >= 4
        assert under_rules_s < 5  # 0.8 s


def test_flushed_rules_are_no_evidence(tmp_path: Path) -> None:
    with (
        built(LabSpec(new_tag(), "direct", 4), CleanupRegister(tmp_path)) as lab,
        apply_condition(lab, Condition(ballast_rules=2)) as shown,
    ):
        assert shown.ballast_packets() == 0
        nft.change(lab, f"delete table ip {BALLAST_TABLE}\n")
        with pytest.raises(ConditionError, match="showdown_ballast"):
            shown.ballast_packets()


def test_mtu_gro_and_threads_are_those_of_the_condition(tmp_path: Path) -> None:
    condition = parse_condition("mtu(1280), gro, proxy_threads(3)")
    spec = LabSpec(new_tag(), "tproxy", 1, **spec_fields(condition))
    with built(spec, CleanupRegister(tmp_path)) as lab:
        assert lab.offloads == offloads.DEFAULTS | {"gro": True}
        start_origin(lab)
        with bench_under(condition, DATAPATHS["tproxy"], lab) as (b, _):
            assert b.get(REQUESTS) == REQUESTS
            proxies = [one for one in lab.processes if one.task_role == "proxy"]
            assert [len(one.tasks()) for one in proxies] == [3, 3]  # HAProxy, and the relay of datagrams
        netns.run_in(lab.dut_ns, ["ip", "link", "set", "dev", lab.devices["dut_server"], "mtu", "1500"])
        with pytest.raises(ConditionError, match="has an MTU of 1500, not 1280"), apply_condition(lab, condition):
            pytest.fail("must not be applied")


@calm_origins()
@in_windows
def test_frames_of_9000_bytes_are_carried_and_native_xdp_refuses_them(tmp_path: Path) -> None:
    load = ClosedLoad(connections=8, condition=parse_condition("mtu(9000)"))
    trials = measure(tmp_path, ("direct", "ebpf_xdp"), load=load)
    assert (reasons(trials["direct"]), trials["direct"].requests > 0) == (set(), True)
    assert Reason.DATAPATH_FAILED in reasons(trials["ebpf_xdp"])


def test_the_mtu_is_that_of_the_clients_behind_a_router_too(tmp_path: Path) -> None:
    with built(LabSpec(new_tag(), "direct", 1, clients=2, mtu=9000), CleanupRegister(tmp_path)) as lab:
        shown = [netns.run_in(place, ["ip", "-o", "link", "show"]) for place in lab.namespaces]
        assert "".join(shown).count("mtu 9000") == 4 + 2 * 2
