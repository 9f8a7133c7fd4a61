"""Who carries an open level's load: k of n blocks per cell, and Fisher's exact test per pair of datapaths. Pure.

A block counts for a cell if its trial was carried, overloaded or had too many errors. It counts for a pair if that
holds for both. Reasons of the environment take a whole block out; reasons of the proof take it out for that datapath.
Drops and lost probe events may be the overload's effect, so they do not unmake it.

Pairs whose outcome was the same in all blocks cannot be decided, whatever the test; so they are not in Holm's family.
That depends on how many blocks were carried in all, and not on who carried them, so the error rate holds. Blocks that
disturb both datapaths alike make Fisher's test conservative.
"""

from collections.abc import Iterable, Sequence
from math import comb, isnan
from statistics import median
from typing import NamedTuple

from scipy.special import betaincinv

from coordinator.analysis.inference.stage import AT_ITS_LOOK, Stage
from coordinator.analysis.inference.statistics import CONFIDENCE, holm
from coordinator.analysis.judgement.families import compared_pairs
from coordinator.analysis.judgement.questions import SIGNIFICANCE
from coordinator.analysis.trials.campaign_results import CampaignResults
from coordinator.analysis.trials.columns import answered_within, carried_in, column, overloaded_of, sum_known
from coordinator.analysis.trials.load_shown import cpus_shown
from coordinator.analysis.trials.pool import Pool
from coordinator.scheduling.digests import TrialDigest
from domain.campaigns.cells import cell_at
from domain.loads.load import OpenLoad, ShareLoad
from domain.reports.carrying import CarriedBlocks, CarriedRates, Carrying, OverloadedTrials
from domain.reports.verdict_words import CarryingWord
from domain.values.names import datapath_of
from domain.values.texts import of_workload, p_text


class _Counts(NamedTuple):
    """One pair at one level, over the blocks that count for both."""

    workload: str
    level: str
    pair: tuple[str, str]
    carried: int
    reference_carried: int
    blocks: int

    @property
    def is_decidable(self) -> bool:
        """Whether the outcomes differ at all."""
        return 0 < self.carried + self.reference_carried < 2 * self.blocks

    @property
    def p(self) -> float:
        """Fisher's exact p."""
        missed, reference_missed = self.blocks - self.carried, self.blocks - self.reference_carried
        return fisher_p(self.carried, missed, self.reference_carried, reference_missed)


def carried_blocks(trials: Sequence[TrialDigest]) -> CarriedBlocks | None:
    """A cell's k of n blocks; ``None`` without a block that counts."""
    outcomes = [found for found in carried_in(trials) if found is not None]
    if not outcomes:
        return None
    low, high = clopper_pearson(sum(outcomes), len(outcomes))
    return CarriedBlocks(blocks=sum(outcomes), of=len(outcomes), low=low, high=high)


def overloaded_trials(trials: Sequence[TrialDigest], pool: Pool) -> OverloadedTrials | None:
    """What a cell's trials without a carried load were like; ``None`` without any. ``pool`` has their latencies."""
    found = overloaded_of(trials)
    if not found:
        return None
    seconds, due, latency = sum(column(found, "duration_s")), sum_known(column(found, "due")), pool.overloaded
    return OverloadedTrials(
        trials=len(found),
        delivered_per_s=sum(answered_within(found)) / seconds if seconds else None,
        due_per_s=due / seconds if seconds and due is not None else None,
        p50_us=latency.p50_us if latency else None,
        p99_us=latency.p99_us if latency else None,
        censored_share=min(1.0, sum(column(found, "censored")) / latency.count) if latency and latency.count else None,
        **cpus_shown(found),
    )


def carried_up_to(trials: Sequence[TrialDigest]) -> CarriedRates | None:
    """Where the rate changes: per block the highest carried rate, with all lower ones; ``None`` without such blocks."""
    columns = (column(trials, name) for name in ("highest_carried_per_s", "carried_to_its_end"))
    rates = zip(*columns, carried_in(trials), strict=True)
    counted = [
        (0.0 if isnan(rate) else rate, bool(carried and to_its_end == 1))
        for rate, to_its_end, carried in rates
        if carried is not None
    ]
    if not counted:
        return None
    found = [rate for rate, _ in counted]
    return CarriedRates(
        blocks=len(found),
        median_per_s=median(found),
        lowest_per_s=min(found),
        highest_per_s=max(found),
        whole=sum(whole for _, whole in counted),
    )


def carrying_of(data: CampaignResults, stage: Stage = AT_ITS_LOOK) -> tuple[Carrying, ...]:
    """A statement per open level and pair of datapaths, in the order of the campaign; words come at a look only."""
    found = list(_counts(data))
    decidable = [one for one in found if one.is_decidable]
    adjusted = dict(zip(decidable, holm([stage.p(one.p) for one in decidable]), strict=True))
    statements = tuple(_statement(data, one, adjusted.get(one), len(decidable)) for one in found)
    return tuple(_without_word(one, stage.no_word) for one in statements) if stage.no_word else statements


def _without_word(one: Carrying, why: str) -> Carrying:
    """The statement before its look: counts, and why they have no word."""
    if one.p is None:
        return one
    counts = f"{one.datapath} carries {one.load} in {one.carried} of {one.blocks} blocks, {one.reference} in"
    sentence = f"{counts} {one.reference_carried} of {one.blocks}: {why}."
    update = {"word": CarryingWord.UNCLEAR, "p": None, "p_alone": None, "sentence": sentence}
    return one.model_copy(update=update)


def _counts(data: CampaignResults) -> Iterable[_Counts]:
    for workload in data.campaign.workloads:
        for level, load in data.campaign.levels.items():
            if isinstance(load, (OpenLoad, ShareLoad)):
                trials = data.level(workload, level)
                for pair in compared_pairs(data):
                    ours, theirs, blocks = trials.carried_by(*pair)
                    if blocks:
                        yield _Counts(workload, level, pair, ours, theirs, blocks)


def _statement(data: CampaignResults, counts: _Counts, p: float | None, comparisons: int) -> Carrying:
    cell = cell_at(counts.pair[0], counts.workload, counts.level)
    word = CarryingWord.UNCLEAR
    if p is not None and p < SIGNIFICANCE:
        more = counts.carried > counts.reference_carried
        word = CarryingWord.CARRIES if more else CarryingWord.DOES_NOT_CARRY
    return Carrying(
        datapath=cell.datapath,
        reference=counts.pair[1],
        workload=cell.workload,
        level=cell.level,
        load=data.load(cell.workload, cell.level),
        word=word,
        carried=counts.carried,
        reference_carried=counts.reference_carried,
        blocks=counts.blocks,
        p=p,
        p_alone=counts.p if p is not None else None,
        comparisons=comparisons,
        sentence=_sentence(counts, word, _load_words(data, counts), p, comparisons),
    )


def _load_words(data: CampaignResults, counts: _Counts) -> str:
    """``20,000/s at busy``: the rate, and where it was offered."""
    rate, load = data.asked_per_s(counts.workload, counts.level), data.campaign.levels[counts.level]
    offered = data.load(counts.workload, counts.level) if rate is None else f"{rate:,}/s"
    if isinstance(load, OpenLoad) and load.profile is not None:
        offered = f"all of {load.bare}"
    return f"{offered} at {counts.level}{of_workload(counts.workload, data.campaign.workloads)}"


def _sentence(counts: _Counts, word: CarryingWord, load: str, p: float | None, comparisons: int) -> str:
    (ours, theirs), n = counts.pair, counts.blocks
    blocks = "block" if n == 1 else "blocks"
    if p is None:
        if counts.carried:
            return f"{ours} and {theirs} carry {load} in {n} of {n} {blocks}."
        return f"neither {ours} nor {theirs} carries {load} in any of {n} {blocks}."
    among = f" among {comparisons} comparisons" if comparisons > 1 else ""
    note = "; note: A/A, the same datapath twice" if datapath_of(ours) == datapath_of(theirs) else ""
    test = f"Fisher's exact test, p {_p(p)}{among}{note}"
    if word is CarryingWord.UNCLEAR:
        figures = f"{ours} carries {load} in {counts.carried} of {n} {blocks}, {theirs} in {counts.reference_carried}"
        return f"{figures} of {n}: unclear ({test})."
    sides = [(counts.carried, ours), (counts.reference_carried, theirs)]
    (fewer, weak), (more, strong) = sorted(sides)
    claim = f"{weak} does not carry {load} in {n - fewer} of {n} {blocks}; {strong} carries it in {more} of {n}"
    return f"{claim} ({test})."


def _p(p: float) -> str:
    return text if (text := p_text(p)).startswith("<") else f"= {text}"


def fisher_p(carried: int, missed: int, other_carried: int, other_missed: int) -> float:
    """Two-sided p of Fisher's exact test: the probability of all tables that are not likelier than the one found."""
    ours, theirs = carried + missed, other_carried + other_missed
    total = carried + other_carried
    ways = [comb(ours, k) * comb(theirs, total - k) for k in range(max(0, total - theirs), min(ours, total) + 1)]
    found = comb(ours, carried) * comb(theirs, other_carried)
    return sum(way for way in ways if way <= found) / sum(ways)


def clopper_pearson(successes: int, count: int) -> tuple[float, float]:
    """The exact interval of a share, at 95 %."""
    tail = (1 - CONFIDENCE) / 2
    low = float(betaincinv(successes, count - successes + 1, tail)) if successes else 0.0
    high = float(betaincinv(successes + 1, count - successes, 1 - tail)) if successes < count else 1.0
    return low, high


def overload_caveat(overloaded: OverloadedTrials | None, carried: CarriedBlocks | None) -> Sequence[str]:
    """A caveat for a cell whose figures are those of the blocks that it carried; empty if it carried all or none."""
    if overloaded is None or carried is None or not carried.blocks:
        return ()
    late = f", with a p99 of at least {overloaded.p99_us:,.0f} µs" if overloaded.p99_us is not None else ""
    where = f"{carried.of - carried.blocks} of {carried.of} blocks"
    return (f"load not carried in {where}{late}: its figures, but for the shares of slow requests, are of the others",)
