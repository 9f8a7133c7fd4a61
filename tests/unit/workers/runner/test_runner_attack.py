"""Blocks under an attack, with lists that change, and beyond a datapath's bound."""

from typing import Any, ClassVar

import pytest

from domain.loads.load import ClosedLoad
from domain.trials.counters import Counters
from domain.trials.evidence import Attack
from domain.trials.figures import TrialFigure
from domain.trials.trial import REASON_CLASSES, Reason, ReasonClass
from tests.unit.workers.runner import fakes
from tests.unit.workers.runner.fakes import FakeAttachment, FakeDatapath, World
from tests.unit.workers.runner.runner_rig import reasons, run
from workers.datapaths.base import Bound, DatapathError
from workers.runner import beside
from workers.runner.attack_proof import attack_figures, attack_findings


def under(condition: str) -> dict[str, Any]:
    return {"load": ClosedLoad(connections=4, condition=condition)}


def test_an_attack_is_on_one_lab_at_a_time_and_in_each_run() -> None:
    world = World()
    trials = run(world, under("attack(1000)"))
    wanted = [entry for entry in world.log if entry.startswith(("attack", "traffic"))]
    one = ["attack {}", "traffic {} 0.5", "traffic {} 1.0"]
    order = ("fake", "fake#2", "fake#2", "fake")
    assert wanted == [entry.format(label) for label in order for entry in one]
    attack = trials["fake"].proof.attack if trials["fake"].proof else None
    assert attack == Attack(sent=1000, answered=0)
    assert reasons(trials) == {"fake": set(), "fake#2": set()}


def test_without_an_attack_nothing_is_beside_the_traffic() -> None:
    world = World()
    trials = run(world, under("blocklist(10)"))
    assert not [entry for entry in world.log if entry.startswith("attack")]
    assert trials["fake"].proof
    assert trials["fake"].proof.attack is None


def test_a_sender_that_ends_makes_its_own_trial_invalid() -> None:
    trials = run(World(faults={("attack", "fake"): "the sender has ended"}), under("attack(1000)"))
    assert reasons(trials) == {"fake": {Reason.DATAPATH_FAILED, Reason.NO_REQUESTS}, "fake#2": set()}


def test_a_condition_beyond_the_bound_is_refused_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeDatapath, "bounds", {"blocklist_entries": Bound(10, "it walks all of them")})
    trials = run(World(), under("blocklist(11)"))
    (finding, *_) = trials["fake"].validity.findings
    assert finding.reason is Reason.BEYOND_BOUND
    assert finding.detail == "fake takes at most 10 blocklist entries, not 11: it walks all of them"
    assert REASON_CLASSES[Reason.BEYOND_BOUND] is ReasonClass.PROOF, "another attempt would not help"
    assert reasons(run(World(), under("blocklist(10)"))) == {"fake": set(), "fake#2": set()}


class Listed(FakeAttachment):
    """An attachment with a list."""

    refuses: ClassVar[bool] = False
    change_title = "change of one entry"

    def figures(self) -> tuple[TrialFigure, ...]:
        return (TrialFigure(name="list_load_ms", title="load", unit="ms", value=3.0),)

    def change(self) -> int:
        self.world.log.append(f"change {self.label}")
        if self.refuses:
            raise DatapathError("the set is gone")
        return 2


def test_a_list_is_changed_once_in_a_slice_that_no_figure_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fakes, "FakeAttachment", Listed)
    monkeypatch.setattr(beside, "CHANGE_AFTER_S", 0.0)
    world = World()
    trial = run(world, under("blocklist(10), attack(1000)"))["fake"]
    assert world.log.count("change fake") == 1
    assert [one.profiled for one in trial.slices] == [False, False, True]
    assert trial.requests == 2000
    assert [one.name for one in trial.figures] == ["list_load_ms", "change_ms", "attack_per_s", "let_through"]


def test_a_change_that_fails_is_a_datapath_that_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fakes, "FakeAttachment", Listed)
    monkeypatch.setattr(Listed, "refuses", True)
    monkeypatch.setattr(beside, "CHANGE_AFTER_S", 0.0)
    assert Reason.DATAPATH_FAILED in reasons(run(World(), under("blocklist(10)")))["fake"]


@pytest.mark.parametrize(
    ("attack", "blocked", "words"),
    [
        (None, None, ""),
        (Attack(sent=5, answered=5), None, ""),
        (Attack(sent=5, answered=0), 5, ""),
        (None, 0, ""),
        (None, 1, "blocked 1 packets, and the attack sent 0"),
        (Attack(sent=5, answered=0), 4, "blocked 4 packets, and the attack sent 5"),
        (Attack(sent=5, answered=0), 6, "blocked 6 packets, and the attack sent 5"),
        (Attack(sent=5, answered=1), 5, "1 packets answered the attack's"),
        (Attack(sent=0, answered=0), 0, "sent no packet"),
    ],
)
def test_every_packet_of_the_attack_must_be_blocked_and_no_other(
    attack: Attack | None, blocked: int | None, words: str
) -> None:
    found = list(attack_findings(attack, blocked))
    assert [reason for reason, _ in found] == [Reason.LET_THROUGH] * bool(words)
    assert not words or words in found[0][1]


def test_the_figures_of_an_attack_are_rates_of_its_time() -> None:
    found = {one.name: one.value for one in attack_figures(Attack(sent=100, answered=3), 98, 2.0)}
    assert found == {"attack_per_s": 50.0, "blocked_per_s": 49.0, "let_through": 3}
    assert list(attack_figures(None, 0, 2.0)) == []


class Denying(fakes.FakeAttachment):
    """It counts blocked packets, and blocks none."""

    def counters(self) -> Counters:
        return super().counters().model_copy(update={"denied_packets": 0})


@pytest.mark.parametrize("blocks", [True, False])
def test_only_a_datapath_that_says_so_must_block_an_attack(monkeypatch: pytest.MonkeyPatch, blocks: bool) -> None:
    monkeypatch.setattr(fakes, "FakeAttachment", Denying)
    monkeypatch.setattr(fakes.FakeDatapath, "blocks_attacks", blocks)
    found = reasons(run(World(), under("attack(1000)")))["fake"]
    assert (Reason.LET_THROUGH in found) is blocks
