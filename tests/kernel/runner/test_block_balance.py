"""Blocks of load balancers with real labs, origins and traffic: whole, and when tables or origins go."""

from pathlib import Path
from typing import Any

import pytest

from domain.trial import Reason
from tests.host_noise import in_windows
from tests.kernel.runner.test_block import measure, reasons
from workers.datapaths.lib import balancing
from workers.lab.lab import Lab

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]

BALANCERS = ("nft_dnat", "ebpf_lb", "ebpf_xdp_lb", "proxy_lb")


@in_windows
def test_four_balancers_side_by_side_are_valid_and_their_origins_agree(tmp_path: Path) -> None:
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
