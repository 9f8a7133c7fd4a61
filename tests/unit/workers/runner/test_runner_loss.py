"""Blocks under loss: what the network loses is counted, compared with what was asked for, and shown."""

from dataclasses import replace

import pytest

from domain.loads.condition import parse_condition
from domain.loads.load import ClosedLoad
from domain.trials.evidence import Loss
from domain.trials.trial import REASON_CLASSES, Reason, ReasonClass
from tests.unit.workers.runner.fakes import World
from tests.unit.workers.runner.runner_rig import reasons, run
from workers.runner.evidence import Evidence
from workers.runner.loss_proof import loss_findings

LOSSY = ClosedLoad(connections=4, condition=parse_condition("loss(1)"))
SOUND = Loss(sent=100_000, lost=1_000, left=99_000)


def test_the_lost_share_is_a_figure_and_the_counts_are_proof() -> None:
    trial = run(World(), {"load": LOSSY})["fake"]
    assert trial.validity.valid
    assert {one.name: one.value for one in trial.figures} == {"lost_client": 1.0, "lost_server": 1.0}
    assert trial.proof
    assert trial.proof.losses == {"client": SOUND, "server": SOUND}


def test_a_trial_that_lost_too_little_is_invalid_and_no_other() -> None:
    world = World(faults={("losses", "fake"): {"server": Loss(sent=100_000, lost=0, left=100_000)}})
    trials = run(world, {"load": LOSSY})
    assert reasons(trials) == {"fake": {Reason.LOSS_MISMATCH}, "fake#2": set()}
    detail = "0 of 100,000 packets of the server were lost, not 1,000 ± 157"
    assert trials["fake"].validity.findings[0].detail == detail
    assert REASON_CLASSES[Reason.LOSS_MISMATCH] is ReasonClass.PROOF


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        (SOUND, ""),
        (Loss(sent=100_000, lost=1_157, left=98_843), ""),
        (Loss(sent=100_000, lost=1_160, left=98_840), "1,160 of 100,000 packets of the client were lost"),
        (
            Loss(sent=1_900, lost=19, left=1_881),
            "1,900 packets of the client passed the program that loses them, for 2,000",
        ),
        (Loss(sent=100_000, lost=1_000, left=98_880), "98,880 packets left the client, and it did not lose 99,000"),
        (Loss(sent=100_000, lost=1_000, left=98_892), ""),
        (Loss(sent=0, lost=0, left=0), "0 packets of the client passed"),
    ],
)
def test_the_counts_must_agree(loss: Loss, words: str) -> None:
    evidence = Evidence(condition=LOSSY.condition, generated_requests=2_000, losses={"client": loss})
    assert [words in detail for detail in loss_findings(evidence)] == [True] * bool(words)


def test_loss_that_nothing_counted_is_no_loss() -> None:
    evidence = Evidence(condition=LOSSY.condition, generated_requests=2_000)
    assert list(loss_findings(evidence)) == ["nothing counted what was lost"]
    assert list(loss_findings(replace(evidence, condition=parse_condition("")))) == []
