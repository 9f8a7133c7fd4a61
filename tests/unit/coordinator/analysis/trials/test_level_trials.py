"""Columns say of trials what each trial says of itself, whether they were stored or not, and whether they count."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from coordinator.analysis.trials import columns
from coordinator.analysis.trials.block_trials import LeftOutTrials, words_of
from coordinator.analysis.trials.digest import block_digest
from coordinator.analysis.trials.digest_codec import decode, encode
from coordinator.analysis.trials.level_trials import LevelTrials
from coordinator.analysis.trials.trial_figures import figure_of_trial
from coordinator.scheduling.digests import FIELDS, TrialDigest
from domain.loads.metric import SHARE_METRICS, Metric
from domain.trials.trial import Finding, Reason
from domain.values.names import datapath_of
from tests.unit.coordinator.store import random_campaigns
from tests.unit.coordinator.store.random_campaigns import LABELS

Block = Mapping[str, TrialDigest]


def blocks_of(seed: int, *, stored: bool) -> list[Block]:
    """The blocks of open levels with random findings; every fourth does not count, and one lacks a datapath."""
    rng, campaign, found = np.random.default_rng(seed), random_campaigns.a_campaign(seed), list[Block]()
    for number in range(12):
        result = random_campaigns.a_result(rng, "half", 0.3)
        shuffled = result.model_copy(update={"trials": tuple(result.trials[place] for place in rng.permutation(4))})
        block: Block = block_digest(campaign, "half", shuffled, None).trials
        if number == 5:
            block = {label: trial for label, trial in block.items() if label != LABELS[1]}
        if stored:
            block = decode(*encode(block))
        if number % 4 == 3:
            block = LeftOutTrials(block, Finding(reason=Reason.STEAL, detail="in the same block"))
        found.append(block)
    return found


@pytest.mark.parametrize("stored", [False, True])
@pytest.mark.parametrize("label", LABELS)
def test_columns_are_what_each_trial_says(stored: bool, label: str) -> None:
    blocks = blocks_of(3, stored=stored)
    level, trials = LevelTrials(blocks, LABELS), [block[label] for block in blocks if label in block]
    cell = level.cell(label)
    assert len(cell) == len(trials)
    for name in FIELDS:
        assert same(columns.column(cell, name), columns.column(trials, name)), name
    for of in (columns.valid_of, columns.with_shares, columns.overloaded_of):
        assert len(of(trials)) < len(trials)
        assert same(columns.column(of(cell), "requests"), columns.column(of(trials), "requests"))
    assert columns.carried_in(cell) == columns.carried_in(trials)
    assert columns.reasons_of(cell) == columns.reasons_of(trials)
    assert columns.offloads_of(cell) == columns.offloads_of(trials)
    assert [trial.findings for trial in cell] == [trial.findings for trial in trials]


def same(one: Sequence[float], other: Sequence[float]) -> bool:
    """Bit for bit, and NaN is NaN."""
    return np.array_equal(np.array(one), np.array(other), equal_nan=True)


@pytest.mark.parametrize("metric", [Metric.REQUESTS_PER_S, Metric.CPU_US_PER_REQUEST, *SHARE_METRICS])
def test_figures_are_those_of_each_trial(metric: Metric) -> None:
    blocks = blocks_of(4, stored=True)
    level = LevelTrials(blocks, LABELS)
    table = level.shares(metric.value) if metric in SHARE_METRICS else level.figures(metric.value)
    for row, block in zip(table.tolist(), blocks, strict=True):
        figures = [figure_of_trial(block.get(label), metric) for label in LABELS]
        assert same(row, [math.nan if one is None else one for one in figures])


def test_a_stored_trial_is_made_as_it_was() -> None:
    for stored, whole in zip(blocks_of(5, stored=True), blocks_of(5, stored=False), strict=True):
        assert list(stored) == list(whole)
        assert words_of(stored) == {datapath_of(label): trial.words for label, trial in whole.items()}
        for label, trial in whole.items():
            made = stored[label]
            assert same(made.numbers, trial.numbers)
            assert (made.words, made.findings, made.stages) == (trial.words, trial.findings, trial.stages)
