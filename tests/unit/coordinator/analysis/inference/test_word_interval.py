"""The interval beside a word never seems to contradict it."""

import pytest

from coordinator.analysis.inference.word_interval import ratio_and_interval
from domain.loads.metric import Metric
from domain.reports.report import Family, Verdict
from domain.reports.verdict_words import VerdictWord


def verdict(word: VerdictWord, ratio: float, low: float, high: float) -> Verdict:
    return Verdict(
        datapath="explicit_tls", reference="tproxy_tls", workload="h2", level="low", metric=Metric.REQUESTS_PER_S,
        verdict=word, family=Family.PRIMARY, pairs=8, ratio=ratio, low=ratio, high=ratio, simultaneous_low=low,
        simultaneous_high=high, p=0.04, sentence="",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("word", "ends", "text"),
    [
        (VerdictWord.BETTER, (1.0025, 1.7969), ("1.342", "[1.002, 1.797]")),
        (VerdictWord.BETTER, (1.0, 1.7969), ("1.3", "[above 1, 1.8]")),
        (VerdictWord.WORSE, (0.9, 1.0), ("1.34", "[0.90, below 1]")),
        (VerdictWord.UNCLEAR, (1.0, 1.7969), ("1.3", "[1.0, 1.8]")),
        (VerdictWord.SAME, (1.342, 1.342), ("1.34", "in every pair")),
    ],
)
def test_an_end_that_excludes_1_is_not_written_as_1(
    word: VerdictWord, ends: tuple[float, float], text: tuple[str, str]
) -> None:
    assert ratio_and_interval(verdict(word, 1.342, *ends)) == text
