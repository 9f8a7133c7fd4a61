"""Every datapath broken on purpose, in each way that it can be: an invalid trial, for the reason that is to be told.

All datapaths that one fault applies to stand in one block, each with the fault in its own lab, and beside them one
that is well. Each case names the one reason that must be among the trial's, so that it fails when the proof behind
that reason is taken out; the last tests take it out.
"""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import pytest

from domain.trial import Reason
from tests.kernel.bench import detach_ingress
from tests.kernel.runner.breaking import (
    Breaker,
    Broken,
    Fault,
    breaker,
    detach_link,
    detach_tc,
    detach_xdp,
    flush_nft,
    kill_proxy,
    nothing,
    on_the_wrong_devices,
    refuse_frames,
    stop_routing,
)
from tests.kernel.runner.test_block import reasons
from tests.variants import DATAPATHS
from workers.datapaths.lib import haproxy, relay
from workers.lab import dut, netns, sysctls
from workers.lab.lab import Lab
from workers.origins import base as origins
from workers.runner import runner, trial_run, validity

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]

PROXIED = {
    "ebpf_connect", "ebpf_sk_assign", "ebpf_sk_assign_syn", "ebpf_sk_lookup", "ebpf_sockmap", "ebpf_sockops",
    "explicit_proxy", "nft_redirect", "proxy_lb", "splice_proxy", "tproxy", "tproxy_syn",
}  # fmt: skip
OF_NO_DEVICE = {"direct", "explicit_proxy", "ebpf_connect", "ebpf_sockops"}  # they name none of the DUT's
FLUSHED = {
    "nft_dnat": Reason.LEAKED, "nft_redirect": Reason.LEAKED, "proxy_lb": Reason.LEAKED, "tproxy": Reason.LEAKED,
    "splice_proxy": Reason.LEAKED, "ebpf_sockmap": Reason.LEAKED,
    "tproxy_syn": Reason.BYPASSED,  # early demultiplexing still finds the proxy's standing connections, uncounted
}  # fmt: skip
DETACHED = {
    "ebpf_lb": (detach_tc, Reason.LEAKED),
    "ebpf_redirect": (detach_tc, Reason.LEAKED),
    "ebpf_redirect_peer": (detach_tc, Reason.LEAKED),
    "ebpf_sk_assign": (detach_tc, Reason.LEAKED),
    "ebpf_sk_assign_syn": (detach_tc, Reason.BYPASSED),  # likewise
    "ebpf_xdp": (detach_xdp, Reason.LEAKED),
    "ebpf_xdp_lb": (detach_xdp, Reason.LEAKED),
    "ebpf_sk_lookup": (detach_link("link_type:\tnetns"), Reason.DATAPATH_FAILED),
    "ebpf_connect": (detach_link("attach_type:\t10\n"), Reason.DATAPATH_FAILED),
    "ebpf_sockops": (detach_link("attach_type:\t3\n"), Reason.DATAPATH_FAILED),
}
CLEARED = ("ebpf_lb", "ebpf_redirect", "ebpf_redirect_peer", "ebpf_sk_assign", "ebpf_xdp", "ebpf_xdp_lb")
BEFORE_TRAFFIC = ("tproxy", "ebpf_sk_assign", "ebpf_redirect", "ebpf_redirect_peer", "ebpf_xdp", "nft_dnat")

Case = tuple[Callable[[Breaker], Broken], Mapping[str, Reason]]


def gone(names: set[str] | tuple[str, ...]) -> dict[str, Fault]:
    """What steers is taken away: rules flushed, programs detached."""
    return {name: DETACHED[name][0] if name in DETACHED else flush_nft for name in names}


def proxy_absent(at: int) -> Case:
    told = dict.fromkeys(PROXIED, Reason.DATAPATH_FAILED)
    return lambda b: b.block(dict.fromkeys(PROXIED, kill_proxy), at=at), told


def program_gone() -> Case:
    told = FLUSHED | {name: reason for name, (_, reason) in DETACHED.items()}
    return lambda b: b.block(gone(tuple(told))), told


def program_gone_before() -> Case:
    return lambda b: b.block(gone(BEFORE_TRAFFIC), at=1), dict.fromkeys(BEFORE_TRAFFIC, Reason.LEAKED)


def other_parts_gone() -> Case:
    def run(b: Breaker) -> Broken:
        faults = {"direct": stop_routing, "ebpf_sockmap": b.detach_verdict, "ebpf_xdp": refuse_frames}
        return b.block(faults, neighbour="ebpf_redirect")

    return run, {"direct": Reason.ERRORS, "ebpf_sockmap": Reason.DATAPATH_FAILED, "ebpf_xdp": Reason.ERRORS}


def other_parts_gone_before() -> Case:
    faults: dict[str, Fault] = {"direct": stop_routing, "ebpf_xdp": refuse_frames}
    return lambda b: b.block(faults, at=1, neighbour="ebpf_redirect"), dict.fromkeys(faults, Reason.NO_REQUESTS)


def map_emptied() -> Case:
    def run(b: Breaker) -> Broken:
        sockets = dict.fromkeys(("ebpf_sockmap", "ebpf_sockops"), b.empty_sockets)
        return b.block(dict.fromkeys(CLEARED, b.clear_config) | sockets)

    told = dict.fromkeys(CLEARED, Reason.LEAKED) | {"ebpf_sockops": Reason.LEAKED}
    return run, told | {"ebpf_sockmap": Reason.ERRORS}  # there the kernel has nowhere to put the bytes, and keeps them


def map_emptied_churn() -> Case:
    """Maps that are only asked for new connections: here each request is one."""

    def run(b: Breaker) -> Broken:
        faults = {"ebpf_sk_lookup": b.forget_listener, "ebpf_connect": b.clear_config}
        return b.block(faults | {"ebpf_sk_assign_syn": b.clear_config}, workload="http_churn")

    told = dict.fromkeys(("ebpf_sk_lookup", "ebpf_connect"), Reason.ERRORS)
    return run, told | {"ebpf_sk_assign_syn": Reason.LEAKED}


def wrong_interface() -> Case:
    """Nothing answers the first question, so that the traffic does not even begin."""
    names, ask = set(DATAPATHS) - OF_NO_DEVICE, origins.ask

    def run(b: Breaker) -> Broken:
        with on_the_wrong_devices(), pytest.MonkeyPatch.context() as patch:
            patch.setattr(runner, "PREFLIGHT_S", 0.1)
            patch.setattr(origins, "ask", lambda address, port, path: ask(address, port, path, 0.3))
            return b.block(dict.fromkeys(names, nothing))

    return run, dict.fromkeys(names, Reason.DATAPATH_FAILED)


def listener_full() -> Case:
    """Room for three connections and a backlog of one, where the generator opens eight."""

    def small_backlog(lab: Lab) -> None:
        netns.run_in(lab.dut_ns, ["sysctl", "-qw", "net.core.somaxconn=1"])

    def run(b: Breaker) -> Broken:
        with pytest.MonkeyPatch.context() as patch:
            for proxy in (haproxy, relay):
                patch.setattr(proxy, "MAX_CONNECTIONS", 3)
            return b.block(dict.fromkeys(PROXIED, nothing), stands=small_backlog)

    return run, dict.fromkeys(PROXIED, Reason.GENERATOR_FAILED)


CASES: dict[str, Case] = {
    "proxy absent before traffic": proxy_absent(1),
    "proxy absent mid-run": proxy_absent(2),
    "program gone before traffic": program_gone_before(),
    "program gone mid-run": program_gone(),
    "other parts gone before traffic": other_parts_gone_before(),
    "other parts gone mid-run": other_parts_gone(),
    "map emptied mid-run": map_emptied(),
    "map emptied mid-run, churn": map_emptied_churn(),
    "wrong interface": wrong_interface(),
    "listener full": listener_full(),
}


@pytest.fixture(scope="module")
def block_of(kernel: None, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Broken]:
    """The block of a case, for all its datapaths."""

    @cache
    def block(case: str) -> Broken:
        run, _ = CASES[case]
        with breaker(tmp_path_factory.mktemp("broken")) as b:
            return run(b)

    return block


@pytest.mark.parametrize(("case", "name"), [(case, name) for case, (_, told) in CASES.items() for name in sorted(told)])
def test_a_broken_datapath_is_an_invalid_trial_and_a_closed_path(
    block_of: Callable[[str], Broken], case: str, name: str
) -> None:
    _, told = CASES[case]
    block_of(case).closed_and_told(name, told[name])


def test_each_datapath_is_broken_in_each_way_that_it_can_be() -> None:
    def names(part: str) -> set[str]:
        return {name for case, (_, told) in CASES.items() if case.startswith(part) for name in told}

    assert names("proxy absent") == names("listener full") == PROXIED
    assert names("program gone") | names("other parts") == set(DATAPATHS) - {"explicit_proxy"}  # which steers nothing
    assert names("map emptied") == {name for name in DATAPATHS if name.startswith("ebpf_")}
    assert names("wrong interface") == set(DATAPATHS) - OF_NO_DEVICE


def detach_both(lab: Lab) -> None:
    """Both tc programs."""
    assert [detach_ingress(lab, role) for role in ("dut_client", "dut_server")] == [1, 1]


STANDING = {"tproxy", "ebpf_sk_assign", "ebpf_redirect", "ebpf_redirect_peer"}


def leave_it_open(patch: pytest.MonkeyPatch) -> None:
    """The DUT goes on forwarding what a datapath misses."""
    set_forwarding = sysctls.set_forwarding
    patch.setattr(sysctls, "set_forwarding", lambda *, on: set_forwarding(on=True))


def ask_for_no_share(patch: pytest.MonkeyPatch) -> None:
    """The datapath's own counters prove nothing."""
    patch.setattr(validity, "MIN_ACCOUNTED", 0.0)


def count_no_leak(patch: pytest.MonkeyPatch) -> None:
    """What knocks at the closed path is not counted."""
    patch.setattr(dut.ClosedPath, "leaked_packets", lambda self: 0)


def overlook_failures(patch: pytest.MonkeyPatch) -> None:
    """A datapath that is no longer there is not told as such."""
    patch.setattr(trial_run.TrialRun, "fail", lambda self, error: None)


Mutation = Callable[[pytest.MonkeyPatch], None]


def mutated(directory: Path, mutations: tuple[Mutation, ...], faults: Mapping[str, Fault], at: int) -> Broken:
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        for mutation in mutations:
            mutation(patch)
        return stack.enter_context(breaker(directory)).block(faults, at=at)


@pytest.mark.parametrize(
    ("mutation", "faults", "reason"),
    [
        (count_no_leak, gone(STANDING), Reason.LEAKED),
        (
            overlook_failures,
            dict.fromkeys(("tproxy", "splice_proxy"), kill_proxy),
            Reason.DATAPATH_FAILED,
        ),
    ],
    ids=["leaks not counted", "failures overlooked"],
)
def test_without_its_proof_a_case_fails(
    tmp_path: Path, mutation: Mutation, faults: dict[str, Fault], reason: Reason
) -> None:
    broken = mutated(tmp_path, (mutation,), faults, 2)
    for name in faults:
        with pytest.raises(AssertionError, match=name):
            broken.closed_and_told(name, reason)


def test_on_a_path_that_was_left_open_only_the_datapaths_own_counters_tell(tmp_path: Path) -> None:
    """All requests are answered, fast and right, and not one packet took the datapath."""
    faults = {name: flush_nft if name == "tproxy" else detach_both for name in STANDING}
    open_path = mutated(tmp_path / "open", (leave_it_open,), faults, 1)
    for name in STANDING:
        assert reasons(open_path.trials[name]) == {Reason.BYPASSED}
        assert open_path.strays[name] > open_path.trials[name].requests > 100
        with pytest.raises(AssertionError, match=name):
            open_path.closed_and_told(name, Reason.BYPASSED)
    unproven = mutated(tmp_path / "unproven", (leave_it_open, ask_for_no_share), faults, 1)
    assert {name: reasons(unproven.trials[name]) for name in STANDING} == {name: set() for name in STANDING}
