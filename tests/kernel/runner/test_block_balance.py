"""Blocks of load balancers with real labs, origins and traffic: whole, and when tables or origins go."""

from pathlib import Path
from typing import Any

import pytest

from domain.loads.condition import parse_condition
from domain.loads.load import ClosedLoad
from domain.trials.trial import Reason
from tests.calm import calm_origins
from tests.host_noise import in_windows
from tests.kernel.datapaths.declared import FACTS, of_function
from tests.kernel.runner.test_block import measure, reasons
from tests.variants import RUNNABLE
from workers.datapaths.lib import balancing
from workers.lab.lab import Lab

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]

MANY = ClosedLoad(connections=16, condition=parse_condition("origins(100)"))
BALANCERS = tuple(of_function("balance", RUNNABLE))


@calm_origins()
@in_windows
def test_all_balancers_side_by_side_are_valid_and_their_origins_agree(tmp_path: Path) -> None:
    trials = measure(tmp_path, BALANCERS)
    assert {label: reasons(trial) for label, trial in trials.items()} == {key: set() for key in BALANCERS}
    for trial in trials.values():
        assert trial.function == "balance"
        assert trial.requests > 100
        assert trial.proof is not None
        given, seen = trial.proof.counters.origins, trial.proof.origin_connections
        assert given is not None
        assert seen is not None
        assert len(given) == 4
        assert sum(given.values()) == trial.proof.connections
        assert all(abs(given[address] - seen.get(address, 0)) <= 1 for address in given)


@in_windows
def test_a_hundred_origins_are_proven_one_by_one_and_their_evenness_is_beside_that_of_chance(tmp_path: Path) -> None:
    trials = measure(tmp_path, BALANCERS, load=MANY, workload="http_churn", slice_s=0.5)
    assert {label: reasons(trial) for label, trial in trials.items()} == {key: set() for key in BALANCERS}
    for label, trial in trials.items():
        assert trial.proof is not None
        given, found = trial.proof.counters.origins or {}, {one.name: one.value for one in trial.figures}
        assert len(given) == 100
        assert all(given.values())
        assert found["balanced"] == sum(given.values()) == pytest.approx(trial.proof.connections, abs=1)
        excess, by_chance = found["largest_share"] - 1, found["largest_share_random"] - 1
        assert excess < by_chance / 3 if FACTS[label].origins_in_turn else by_chance / 2 < excess < by_chance * 2, (
            label,
            found,
        )
        assert found["even_jain"] > found["even_jain_random"] - 0.02, (label, found)


@in_windows
def test_a_wrong_count_of_one_origin_of_a_hundred_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a hundredth of all connections: as much as four origins may be apart."""
    counters = balancing.Balancing.counters

    def forgetful(self: balancing.Balancing) -> Any:
        seen = counters(self)
        second = list(seen.origins or {})[1]
        return seen.model_copy(update={"origins": (seen.origins or {}) | {second: (seen.origins or {})[second] // 2}})

    monkeypatch.setattr(balancing.Balancing, "counters", forgetful)
    trials = measure(tmp_path, ("ebpf_lb",), load=MANY, workload="http_churn", slice_s=0.5)
    assert reasons(trials["ebpf_lb"]) == {Reason.BYPASSED}, trials["ebpf_lb"].validity


@in_windows
def test_an_origin_that_is_left_out_is_found(tmp_path: Path, balancers: list[balancing.Balancing]) -> None:
    def leave_out(lab: Lab) -> None:
        balancers[-1].mark(lab.origin_addresses[50], balancing.State.DOWN)

    breaks = {"ebpf_lb": leave_out}
    trials = measure(tmp_path, ("ebpf_lb",), breaks, at=1, load=MANY, workload="http_churn", slice_s=0.5)
    assert reasons(trials["ebpf_lb"]) == {Reason.BYPASSED}
    assert "1 of 100 origins got none of " in trials["ebpf_lb"].validity.findings[0].detail


@pytest.fixture
def balancers(monkeypatch: pytest.MonkeyPatch) -> list[balancing.Balancing]:
    """The eBPF balancers that a test attaches, in order."""
    made: list[balancing.Balancing] = []
    init = balancing.Balancing.__init__

    def noted(self: balancing.Balancing, *arguments: Any) -> None:
        init(self, *arguments)
        made.append(self)

    monkeypatch.setattr(balancing.Balancing, "__init__", noted)
    return made


@in_windows
def test_emptying_the_table_mid_run_breaks_no_connection(tmp_path: Path, balancers: list[balancing.Balancing]) -> None:
    forgotten: list[int] = []
    trials = measure(tmp_path, ("ebpf_lb",), {"ebpf_lb": lambda _: forgotten.append(balancers[0].forget_connections())})
    assert forgotten[0] >= 8
    assert reasons(trials["ebpf_lb"]) == set()


@in_windows
def test_no_origin_up_mid_run_is_an_invalid_trial(tmp_path: Path, balancers: list[balancing.Balancing]) -> None:
    def all_gone(lab: Lab) -> None:
        for address in lab.origin_addresses:
            balancers[0].mark(address, balancing.State.GONE)

    trials = measure(tmp_path, ("ebpf_lb",), {"ebpf_lb": all_gone})
    assert Reason.DROPS in reasons(trials["ebpf_lb"]), trials["ebpf_lb"].validity


@calm_origins()
@in_windows
def test_a_wrong_count_of_an_origin_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The runner compares what the datapath counts for each origin with what the origins count."""
    counters = balancing.Balancing.counters

    def shifted(self: balancing.Balancing) -> Any:
        seen = counters(self)
        counts = list((seen.origins or {}).values())
        return seen.model_copy(update={"origins": dict(zip(seen.origins or {}, [0, 0, 0, sum(counts)], strict=True))})

    monkeypatch.setattr(balancing.Balancing, "counters", shifted)
    trials = measure(tmp_path, ("ebpf_lb",))
    assert reasons(trials["ebpf_lb"]) == {Reason.BYPASSED}
