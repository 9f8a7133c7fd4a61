"""Blocks in which an origin dies: whole, with a checker that marks nothing, and with an origin that does not die."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from domain.loads.condition import Condition, parse_condition
from domain.loads.load import OpenLoad
from domain.trials.trial import Reason, TrialResult
from tests.host_noise import in_windows
from tests.kernel.datapaths.declared import of_function, proxied
from tests.kernel.runner.test_block import reasons
from tests.kernel.traffic.test_workload_traffic import measure
from tests.variants import RUNNABLE
from workers.lab.health import OriginHealth
from workers.origins.separate import SeparateOrigins

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]

BALANCERS = tuple(of_function("balance", RUNNABLE))
QUICK = {"dies_ms": 200, "down_ms": 400, "check_ms": 40}
SLICE_S = 1.9
RATE_PER_S, CONNECTIONS = 400, 60


def run(directory: Path, workload: str, labels: tuple[str, ...]) -> dict[str, TrialResult]:
    """One slice on each datapath."""
    load = OpenLoad(rate_per_s=RATE_PER_S, in_flight=CONNECTIONS)
    return measure(directory, workload, load, labels, slice_s=SLICE_S, parameters=QUICK, twice=False)


def figures(trial: TrialResult) -> dict[str, float]:
    return {one.name: one.value for one in trial.figures}


@in_windows
def test_each_balancer_survives_the_death_of_an_origin(tmp_path: Path) -> None:
    for label, trial in run(tmp_path, "failover_churn", BALANCERS).items():
        found = figures(trial)
        assert reasons(trial) == set(), (label, trial.validity, found)
        assert 0 < found["down_ms"] < 400, (label, found)
        assert found["up_ms"] > 0, (label, found)
        assert found["even_before"] > 0.8, (label, found)
        assert found["lost_until_ms"] < 400, (label, found)
        assert found["lost"] < RATE_PER_S * 0.4 / 4 or label in proxied(), (label, found)
        (errors,) = trial.series
        assert sum(errors.values) >= found["lost"]
        assert trial.notes == () or "health" not in " ".join(trial.notes)


@in_windows
def test_connections_of_living_origins_stay(tmp_path: Path) -> None:
    for label, trial in run(tmp_path, "failover_keepalive", ("ebpf_lb", "proxy_lb")).items():
        found = figures(trial)
        assert reasons(trial) == set(), (label, trial.validity, found)
        assert (found["moved_at_death"], found["moved_at_return"]) == (0, 0), (label, found)


@in_windows
def test_without_its_table_a_balancer_moves_what_hashing_moves(tmp_path: Path) -> None:
    for label, trial in run(tmp_path, "failover_join", ("nft_dnat", "ebpf_xdp_lb")).items():
        found = figures(trial)
        assert reasons(trial) == set(), (label, trial.validity, found)
        if label == "nft_dnat":
            assert found["moved_percent"] == 0, "conntrack is not lost"
            assert "hash_moves_percent" not in found
        else:
            assert found["hash_moves_percent"] == pytest.approx(25, abs=3)
            assert found["moved_percent"] == pytest.approx(found["hash_moves_percent"], abs=22), (
                "four deviations of a draw"
            )


@in_windows
def test_one_origin_joins_ninety_nine(tmp_path: Path) -> None:
    load = OpenLoad(rate_per_s=1_200, in_flight=180, condition=parse_condition("origins(100)"))
    labels = ("ebpf_lb", "proxy_lb")
    parameters = QUICK | {"check_ms": 100}  # a hundred checks at once, ten times a second
    trials = measure(tmp_path, "failover_join", load, labels, slice_s=2.2, parameters=parameters, twice=False)
    for label, trial in trials.items():
        found = figures(trial)
        assert reasons(trial) == set(), (label, trial.validity, found)
        assert found["wrong_marks"] == 0, (label, found)
        if label == "proxy_lb":
            assert found["moved_percent"] == 0, "it has no table to lose"
        else:
            assert 1 <= found["hash_moves_percent"] < 3
            assert found["moved_percent"] < 8, "four deviations of a draw"


@in_windows
def test_a_checker_that_never_marks_shows_in_the_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OriginHealth, "saw", lambda self, *, answered: False)
    (trial,) = run(tmp_path, "failover_churn", ("ebpf_lb",)).values()
    found = figures(trial)
    assert reasons(trial) == set(), trial.validity
    assert "down_ms" not in found
    assert found["lost_until_ms"] > 300, "a quarter of the requests fails until the return"


@in_windows
def test_an_origin_that_does_not_die_makes_the_trial_invalid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def immortal(self: SeparateOrigins, address: str, *, silent: bool) -> Iterator[float]:
        yield time.monotonic()

    monkeypatch.setattr(SeparateOrigins, "dead", immortal)
    (trial,) = run(tmp_path, "failover_churn", ("ebpf_lb",)).values()
    assert reasons(trial) == {Reason.EVENT_MISSING}, trial.validity
    assert figures(trial) == {}


@in_windows
def test_a_silent_origin_with_ipv6_and_a_path_without_a_balancer(tmp_path: Path) -> None:
    parameters = QUICK | {"silent": 1}
    labels = ("direct", "nft_dnat")
    load = OpenLoad(rate_per_s=100, condition=Condition(ip_version=6))
    trials = measure(tmp_path, "failover_churn", load, labels, slice_s=3.8, parameters=parameters, twice=False)
    assert {label: reasons(trial) for label, trial in trials.items()} == {label: set() for label in labels}
    assert figures(trials["nft_dnat"])["down_ms"] > 40, "a check without an answer waits for its time-out"
    assert "down_ms" not in figures(trials["direct"])
    assert [note for note in trials["direct"].notes if "no health check" in note]
