"""Several sides against one baseline: each as if it were alone, except its words, which hold for all together."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from scipy.stats import binom

from coordinator.analysis.inference.statistics import Estimate
from coordinator.analysis.runs.change_words import judged_together
from coordinator.analysis.runs.comparison import Measured, compare
from domain.loads.metric import Metric
from domain.reports.verdict_words import VerdictWord
from domain.runs.comparison import Basis, Compared, Comparison
from domain.runs.comparison_table import rows_of, setting_rows, tag_of
from tests.unit.coordinator.analysis.runs.test_comparison import a_run

SIMULATED = 600
ERROR = 0.008  # of a ratio's logarithm
CERTAIN = 0.999  # so often a method that keeps to 5 % passes
SIDES, CAMPAIGNS, BLOCKS = 4, 3, 6
_DIFFERENT = {VerdictWord.BETTER, VerdictWord.WORSE}


def cells(found: Comparison) -> tuple[Compared, ...]:
    return (*found.figures, *found.ratios)


def words(found: Comparison) -> list[VerdictWord]:
    return [one.change for one in cells(found)]


def of_side(found: Comparison, number: int, datapath: str = "tproxy") -> Compared:
    rates = (one for one in found.figures if one.metric is Metric.REQUESTS_PER_S)
    return next(one for one in rates if (one.side, one.datapath) == (number, datapath))


def test_each_side_has_the_ratio_and_interval_that_it_has_alone() -> None:
    baseline, sides = [a_run(1)], [[a_run(2, tproxy=1.1)], [a_run(3)], [a_run(4, tproxy=0.8), a_run(5, tproxy=0.81)]]
    found = compare(baseline, *sides)
    assert [(one.id, one.number) for one in (*found.baseline, *found.other)] == [
        ("run1", 0), ("run2", 1), ("run3", 2), ("run4", 3), ("run5", 3),
    ]  # fmt: skip
    for number, side in enumerate(sides, start=1):
        alone = compare(baseline, side)
        mine = [one for one in cells(found) if one.side == number]
        assert [(one.datapath, one.metric, one.ratio, one.baseline, one.other, one.counts) for one in mine] == [
            (one.datapath, one.metric, one.ratio, one.baseline, one.other, one.counts) for one in cells(alone)
        ]
    assert [of_side(found, number).change.value for number in (1, 2, 3)] == ["better", "same", "worse"]


def test_a_row_has_a_cell_for_each_side() -> None:
    found = compare([a_run(1)], [a_run(2)], [a_run(3, blocks=4)])
    rows = rows_of(found.figures)
    assert [[cell.side for cell in row] for row in rows] == [[1, 2]] * len(rows)
    assert len({(row[0].datapath, row[0].metric) for row in rows}) == len(rows)
    assert of_side(found, 2).note == "side 2 has fewer than 5 blocks with this figure"
    assert of_side(found, 1).change is VerdictWord.SAME


def test_a_figure_that_only_one_side_has_is_a_row_without_ratios() -> None:
    more = a_run(3, levels={"low": "closed(8)", "new": "closed(64)"})
    alone = replace(more, figures={**a_run(3).figures, **_at_new(a_run(3))})
    found = compare([a_run(1)], [a_run(2)], [alone])
    new = [one for one in found.figures if one.level == "new"]
    assert {(one.side, one.note, one.load) for one in new} == {
        (side, "the baseline has fewer than 5 blocks with this figure", "closed(64)") for side in (1, 2)
    }
    assert all((one.other is None) == (one.side == 1) for one in new)


def _at_new(run: Measured) -> dict[object, Sequence[float]]:
    return {key._replace(level="new"): logs for key, logs in run.figures.items()}


def test_words_take_the_cells_of_all_sides_into_account() -> None:
    baseline = [a_run(number, host=host) for number, host in enumerate((0.99, 1.0, 1.01))]
    changed = [a_run(10 + number, tproxy=1.035, host=host) for number, host in enumerate((0.995, 1.0, 1.01))]
    same = [[a_run(20 + 3 * side + n, host=host) for n, host in enumerate((0.99, 1.0, 1.01))] for side in range(6)]
    alone, among = compare(baseline, changed), compare(baseline, changed, *same)
    assert of_side(alone, 1).p < of_side(among, 1).p
    assert (of_side(alone, 1).change, of_side(among, 1).change) == (VerdictWord.BETTER, VerdictWord.UNCLEAR)


def test_settings_are_those_of_each_side_against_the_baseline() -> None:
    kernels = [
        replace(a_run(number), facts={"kernel": kernel}) for number, kernel in enumerate(("6.18", "6.18", "6.19"))
    ]
    found = compare([kernels[0]], [kernels[1]], [replace(kernels[2], campaign=a_run(2, slices=9).campaign)])
    assert [(one.name, one.side, one.other) for one in found.settings] == [
        ("campaign.slices", 2, ("9",)), ("kernel", 2, ("6.19",)),
    ]  # fmt: skip
    assert [(row.name, row.baseline, row.others) for row in setting_rows(found)][1] == (
        "kernel", ("6.18",), (None, ("6.19",)),
    )  # fmt: skip


def test_a_side_with_another_reference_has_no_ratios_and_the_others_have() -> None:
    found = compare([a_run(1)], [a_run(2, reference="tproxy")], [a_run(3)])
    assert {(one.side, one.note, one.ratio is None) for one in found.ratios} == {
        (1, "side 1 has another reference", True), (2, "", False),
    }  # fmt: skip
    assert compare([a_run(1)], *[[a_run(n, reference="tproxy")] for n in (2, 3)]).ratios == ()


def test_a_side_of_one_campaign_is_named_where_others_have_several() -> None:
    found = compare([a_run(1)], [a_run(2)], [a_run(3), a_run(4)])
    assert {(one.side, one.basis) for one in found.figures} == {(1, Basis.BLOCKS), (2, Basis.CAMPAIGNS)}
    assert found.basis is Basis.BLOCKS
    assert found.caution.startswith("Side 1: With one campaign on each side, the intervals hold for these runs.")
    assert "these 3 runs" in compare([a_run(1)], [a_run(2)], [a_run(3)]).caution
    assert "one baseline, whose error is in all of their ratios" in found.caution
    assert "one baseline" not in compare([a_run(1)], [a_run(2)]).caution


def test_a_side_is_called_by_the_labels_that_only_it_has() -> None:
    def labelled(number: int, **labels: str) -> Measured:
        run = a_run(number)
        return replace(run, side=run.side.model_copy(update={"labels": labels}))

    kernels = [labelled(1, kernel="6.18", team="edge"), labelled(2, kernel="6.18", team="edge", ci="1")]
    found = compare([labelled(0, kernel="6.12", team="edge")], kernels, [labelled(3, team="edge")])
    assert [tag_of(found, number) for number in (0, 1, 2)] == ["kernel=6.12", "kernel=6.18", "run3"]
    assert tag_of(compare([a_run(0)], [a_run(1), a_run(2)]), 1) == "2 campaigns"


def test_the_confidence_of_intervals_is_that_of_the_findings() -> None:
    """Two of four are found, so the intervals have 1 − 2 · 5 % ÷ 4; without a finding 1 − 5 % ÷ 4."""
    cell = of_side(compare([a_run(1)], [a_run(2)]), 1)
    estimates = [Estimate(mean, 1.0, 1e9, 10) for mean in (4.0, -3.0, 1.0, 0.1)]
    judged, confidence = judged_together([(cell, one) for one in estimates])
    assert confidence == pytest.approx(0.975)
    assert [one.change.value for one in judged] == ["better", "worse", "unclear", "unclear"]
    assert judged_together([(cell, one) for one in estimates[2:]])[1] == pytest.approx(0.975)
    assert judged_together([(cell, None)]) == ([cell], None)


@cache
def _shape() -> Measured:
    return a_run(0, blocks=BLOCKS)


def _drawn(rng: np.random.Generator, effect: float = 0.0) -> Measured:
    """A campaign whose boot is off by 5 %, and by 1 % more for each figure; ``effect`` is on all figures of tproxy."""
    whole, shape = rng.normal(0, 0.05), _shape()

    def logs(keys: Sequence[object], boot: float) -> dict[object, list[float]]:
        means = {key: boot + rng.normal(0, 0.01) + effect * (key.datapath == "tproxy") for key in keys}
        return {key: rng.normal(mean, 0.02, BLOCKS).tolist() for key, mean in means.items()}

    return replace(shape, figures=logs(list(shape.figures), whole), ratios=logs(list(shape.ratios), 0.0))


def _simulated(effects: Sequence[float], seed: int) -> Iterator[tuple[Comparison, list[list[Measured]]]]:
    rng = np.random.default_rng(seed)
    for _ in range(SIMULATED):
        sides = [[_drawn(rng, effect) for _ in range(CAMPAIGNS)] for effect in (0.0, *effects)]
        yield compare(*sides), sides


def _is_any_proven(found: Comparison) -> bool:
    return any(one.p <= 0.05 for one in cells(found))


def test_equal_sides_differ_in_at_most_one_of_twenty_answers() -> None:
    """Four sides without a difference: as many answers have a false difference as with one side."""
    answers = list(_simulated([0.0] * SIDES, 11))
    bound = binom.ppf(CERTAIN, SIMULATED, 0.05)
    false = sum(_is_any_proven(found) for found, _ in answers)
    by_column = sum(any(_is_any_proven(compare(sides[0], side)) for side in sides[1:]) for _, sides in answers[:200])
    print(f"a false difference in {false} of {SIMULATED} answers; with each side judged alone in {by_column} of 200")
    assert false <= bound
    assert by_column > binom.ppf(CERTAIN, 200, 0.05), "the bound can fail"


def test_the_columns_of_one_baseline_move_together() -> None:
    """With as many campaigns on each side, two columns have a correlation of a half: the baseline's share."""
    answers = (found for found, _ in _simulated([0.0, 0.0], 12))
    logs = np.array([[np.log(of_side(found, side, "direct").ratio.value) for side in (1, 2)] for found in answers])
    assert np.corrcoef(logs.T)[0, 1] == pytest.approx(0.5, abs=0.1)


def test_intervals_agree_with_words() -> None:
    """They exclude 1 where a difference is proven.

    Of these at most 5 % miss the truth, whereas single 95 % intervals miss it more often.
    """
    effects, missed, alone, found_any = [0.06, 0.06, 0.1, 0.0], [], [], 0
    for found, _ in _simulated(effects, 13):
        chosen = [one for one in cells(found) if one.p <= 0.05]
        found_any += bool(chosen)
        for one in cells(found):
            assert (not one.adjusted.low <= 1 <= one.adjusted.high) == (one in chosen)
            within = one.adjusted.low >= 1 / 1.03 and one.adjusted.high <= 1.03
            assert (one.change in _DIFFERENT) == (one in chosen and not within)
            assert (one.change is VerdictWord.SAME) == within
        truths = [np.exp(effects[one.side - 1] if one.datapath == "tproxy" else 0.0) for one in chosen]
        for shares, name in ((missed, "adjusted"), (alone, "ratio")):
            intervals = [getattr(one, name) for one in chosen]
            wrong = [not each.low <= truth <= each.high for each, truth in zip(intervals, truths, strict=True)]
            shares.append(sum(wrong) / max(1, len(wrong)))
    print(f"words in {found_any} of {SIMULATED}; missed {np.mean(missed):.3f}, alone {np.mean(alone):.3f}")
    assert found_any > SIMULATED / 2
    assert np.mean(missed) <= 0.05
    assert np.mean(alone) > 0.05


@pytest.mark.parametrize("different", [0, 10, 30])
def test_at_most_one_of_twenty_words_is_wrong_where_the_truth_is_at_the_margin(different: int) -> None:
    """The worst case for "same": so many of 40 cells differ clearly, ten not at all, the others by just the margin."""
    cell = of_side(compare([a_run(1)], [a_run(2)]), 1)
    truths = [1.0] * different + [0.0] * 10 + [math.log1p(cell.margin)] * (30 - different)
    rng, shares = np.random.default_rng(different), []
    for _ in range(SIMULATED):
        means = rng.normal(truths, ERROR)
        judged, _ = judged_together([(cell, Estimate(mean, ERROR, 1e9, 10)) for mean in means])
        wrong = [
            one.change is VerdictWord.SAME if truth else one.change in _DIFFERENT
            for one, truth in zip(judged, truths, strict=True)
        ]
        shares.append(sum(wrong) / max(1, sum(one.change is not VerdictWord.UNCLEAR for one in judged)))
    found_same = sum(one.change is VerdictWord.SAME for one in judged[different:][:10])
    print(f"{np.mean(shares):.4f} of the words are wrong; {found_same} of 10 equal cells are the same in the last one")
    assert found_same > 5, "the word is not for nothing"
    assert np.mean(shares) <= 0.05 + 3 * np.std(shares) / math.sqrt(SIMULATED)
