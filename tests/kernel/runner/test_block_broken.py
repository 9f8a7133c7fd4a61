"""Every datapath broken on purpose, in each way that its own test file declares: an invalid trial, for that reason.

All datapaths that declare a case are in one block, each broken in its own lab, beside one that is whole. Each fault
names the one reason that must be among its trial's, so that the test fails without the proof behind that reason. The
last tests take the proofs out.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path

import pytest

from domain.trials.counters import Counters
from domain.trials.trial import Reason
from tests.host_noise import in_windows, windows
from tests.kernel.datapaths.declared import of_case
from tests.kernel.datapaths.faults import (
    BEFORE,
    IN_BLOCKS,
    LEFT_OPEN,
    LISTENER_FULL,
    PROXY_KILLED,
    STEERING_GONE,
    WRONG_DEVICES,
    Break,
    Case,
)
from tests.kernel.runner.breaking import Breaker, Broken, breaker, on_the_wrong_devices
from tests.kernel.runner.test_block import reasons
from workers.datapaths.lib import haproxy, nginx_stream, relay
from workers.lab import netns, sysctls
from workers.lab.lab import Lab
from workers.origins import base as origins
from workers.runner import runner, trial_run, validity

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]


@contextmanager
def wrong_devices() -> Iterator[None]:
    """The first request is not answered, so the traffic does not even begin: do not wait long for it."""
    ask = origins.ask
    with on_the_wrong_devices(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(runner, "PREFLIGHT_S", 0.1)
        patch.setattr(origins, "ask", lambda client, path: ask(client, path, 0.3))
        yield


@contextmanager
def few_connections() -> Iterator[None]:
    """Proxies accept three connections, where the generator opens eight."""
    with pytest.MonkeyPatch.context() as patch:
        for proxy in (haproxy, nginx_stream, relay):
            patch.setattr(proxy, "MAX_CONNECTIONS", 3)
        yield


def small_backlog(lab: Lab) -> None:
    netns.run_in(lab.dut_ns, ["sysctl", "-qw", "net.core.somaxconn=1"])


def selected(items: Iterable[pytest.Item]) -> set[tuple[Case, str]]:
    """What this run of pytest tests: with ``-k``, a block has only the datapaths that are asked for."""
    params = [item.callspec.params for item in items if isinstance(item, pytest.Function) and hasattr(item, "callspec")]
    return {(one["case"], one["name"]) for one in params if {"case", "name"} <= set(one)}


def broken_block(b: Breaker, case: Case, names: Set[str]) -> Broken:
    """The block of a case, for those of ``names`` that declare it."""
    breaks = {name: fault.breaks for name, fault in of_case(case).items() if name in names}
    with ExitStack() as stack:
        if case is WRONG_DEVICES:
            stack.enter_context(wrong_devices())
        if case is LISTENER_FULL:
            stack.enter_context(few_connections())
            return b.block(breaks, prepare=small_backlog)
        return b.block(breaks, at=case.at, workload=case.workload)


@pytest.fixture(scope="module")
def block_of(
    kernel: None, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[Case], Broken]:
    """The block of a case, measured once."""
    wanted = selected(request.session.items)

    @cache
    def block(case: Case) -> Broken:
        names = {name for one, name in wanted if one == case}
        broken: Broken | None = None
        for window in windows():
            broken = None
            try:
                with window, breaker(tmp_path_factory.mktemp("broken")) as b:
                    broken = broken_block(b, case, names)
                    for name in names:
                        broken.closed_and_reported(name, of_case(case)[name].reason)
            except AssertionError:
                if broken is None:
                    raise
                break  # the host was quiet; the test of each datapath reports its part
        assert broken is not None
        return broken

    return block


@pytest.mark.parametrize(
    ("case", "name"),
    [pytest.param(case, name, id=f"{case.title}-{name}") for case in IN_BLOCKS for name in sorted(of_case(case))],
)
def test_a_broken_datapath_is_an_invalid_trial_and_a_closed_path(
    block_of: Callable[[Case], Broken], case: Case, name: str
) -> None:
    block_of(case).closed_and_reported(name, of_case(case)[name].reason)


def leave_it_open(patch: pytest.MonkeyPatch) -> None:
    """The DUT goes on forwarding what a datapath misses."""
    set_forwarding = sysctls.set_forwarding
    patch.setattr(sysctls, "set_forwarding", lambda *, on: set_forwarding(on=True))


def ask_for_no_share(patch: pytest.MonkeyPatch) -> None:
    """The datapath's own counters prove nothing."""
    patch.setattr(validity, "MIN_ACCOUNTED", 0.0)


def count_no_leak(patch: pytest.MonkeyPatch) -> None:
    """Packets on another path are not counted, by whatever they are counted."""
    counted = trial_run.TrialRun.counters

    def counters(self: trial_run.TrialRun) -> Counters:
        return counted(self).model_copy(update={"leaked_packets": 0})

    patch.setattr(trial_run.TrialRun, "counters", counters)


def overlook_failures(patch: pytest.MonkeyPatch) -> None:
    """A datapath that is gone is not reported."""
    patch.setattr(trial_run.TrialRun, "fail", lambda self, error: None)


Mutation = Callable[[pytest.MonkeyPatch], None]


def mutated(directory: Path, mutations: tuple[Mutation, ...], breaks: Mapping[str, Break], at: int) -> Broken:
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        for mutation in mutations:
            mutation(patch)
        return stack.enter_context(breaker(directory)).block(breaks, at=at)


@pytest.mark.parametrize(
    ("mutation", "case", "reason"),
    [
        pytest.param(count_no_leak, STEERING_GONE, Reason.LEAKED, id="leaks not counted"),
        pytest.param(overlook_failures, PROXY_KILLED, Reason.DATAPATH_FAILED, id="failures overlooked"),
    ],
)
@in_windows
def test_without_its_proof_a_case_fails(tmp_path: Path, mutation: Mutation, case: Case, reason: Reason) -> None:
    breaks = {name: fault.breaks for name, fault in of_case(case).items() if fault.reason is reason}
    broken = mutated(tmp_path, (mutation,), breaks, case.at)
    for name in breaks:
        with pytest.raises(AssertionError, match=name):
            broken.closed_and_reported(name, reason)


@in_windows
def test_on_an_open_path_only_the_datapaths_own_counters_show_the_fault(tmp_path: Path) -> None:
    """All requests are answered, fast and right, and not one packet took the datapath."""
    faults = of_case(LEFT_OPEN)
    breaks = {name: fault.breaks for name, fault in faults.items()}
    open_path = mutated(tmp_path / "open", (leave_it_open,), breaks, BEFORE)
    for name, fault in faults.items():
        assert reasons(open_path.trials[name]) == {fault.reason}
        assert open_path.strays[name] > open_path.trials[name].requests > 100
        with pytest.raises(AssertionError, match=name):
            open_path.closed_and_reported(name, fault.reason)
    unproven = mutated(tmp_path / "unproven", (leave_it_open, ask_for_no_share), breaks, BEFORE)
    assert {name: reasons(unproven.trials[name]) for name in faults} == {name: set() for name in faults}
