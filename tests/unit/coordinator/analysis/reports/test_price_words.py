"""What a price says: no more than its interval, and no less than the ratio of the same pairs."""

import pytest

from coordinator.analysis.reports.prices import cost_words, us_text
from coordinator.analysis.reports.report import build_report
from coordinator.scheduling.records import AttemptRecord
from domain.loads.metric import Metric
from domain.reports.report import CampaignReport, Price
from domain.trials.episodes import LADDER_NS, Episodes
from domain.trials.histogram import LatencyHistogram
from domain.trials.trial import BlockResult
from tests.unit.coordinator.analysis.results import a_campaign, a_trial

PRICE = Price(
    datapath="tproxy", over="direct", workload="http_keepalive", level="busy", pairs=5, metric=Metric.LATENCY_P50_US,
    datapath_us=3_900, over_us=250, us=21.63, low_us=20.91, high_us=22.34, sentence="",
)  # fmt: skip


def words(us: float, low_us: float, high_us: float, *, sign_known: bool | None = None) -> str:
    price = PRICE.model_copy(update={"us": us, "low_us": low_us, "high_us": high_us, "sign_known": sign_known})
    return " ".join(cost_words(price, "CPU"))


@pytest.mark.parametrize(
    ("price", "said"),
    [
        ((21.63, 20.91, 22.34), "costs 21.6 µs [20.9, 22.3] of CPU"),
        ((-6.1, -9.2, -3.0), "saves 6 µs [3, 9] of CPU"),
        ((-0.2, -5.1, 4.6), "costs anything from −5 to 5 µs of CPU"),
        ((4.2, 0.4, 8.0), "costs 4.2 µs [0.4, 8.0] of CPU"),
    ],
)
def test_a_price_says_what_its_interval_says(price: tuple[float, float, float], said: str) -> None:
    assert words(*price) == said


def test_a_sign_that_only_the_ratio_knows_has_no_best_estimate() -> None:
    assert words(3_679, -566, 7_924, sign_known=True) == "costs up to 7,900 µs of CPU"
    assert words(-3_679, -7_924, 566, sign_known=True) == "saves up to 7,900 µs of CPU"
    assert words(3_679, -566, 7_924, sign_known=False) == "costs anything from −600 to 7,900 µs of CPU"
    assert us_text(PRICE) == "21.6 µs [20.9, 22.3]"


def reported(p50s_us: list[tuple[int, int]], episodes: Episodes | None = None) -> CampaignReport:
    """One block for each pair of latencies, of tproxy and of direct; ``episodes`` in each trial."""
    attempts = []
    for index, latencies in enumerate(p50s_us):
        trials = [
            a_trial(label, 20_000.0, "busy").model_copy(
                update={
                    "latency": LatencyHistogram.of({us * 1000: 1000}),
                    "role": "limit" if label == "direct" else "",
                    "episodes": episodes,
                }
            )
            for label, us in zip(("tproxy", "direct"), latencies, strict=True)
        ]
        result = BlockResult(host="one", trials=tuple(trials), wall_s=1)
        attempts.append(AttemptRecord(index, f"c-{index}", "http_keepalive", "busy", 1, "a", "done", "", True, result))
    return build_report(a_campaign("tproxy", "direct", levels={"busy": "open(20000)"}), {"id": "c"}, attempts)


def price_of(report: CampaignReport) -> Price:
    return next(one for one in report.prices if one.metric is Metric.LATENCY_P50_US)


def test_a_latency_that_is_far_higher_in_every_block_is_not_said_to_cost_nothing() -> None:
    """One saturated block decides the mean of the differences; the ratio of the same pairs is certain."""
    found = price_of(reported([(700, 200), (900, 210), (1_500, 190), (12_000, 220), (800, 205)]))
    assert found.low_us < 0 < found.high_us
    assert not found.may_be_nothing
    assert "costs up to " in found.sentence
    assert found.sentence.endswith("that it is not nothing follows from the ratio of these pairs.")
    equal = price_of(reported([(200, 210), (210, 200), (205, 190), (190, 220), (220, 205)]))
    assert equal.may_be_nothing
    assert "costs anything from −" in equal.sentence
    assert equal.sentence.endswith("; it may be nothing.")


@pytest.mark.parametrize(("each", "priced"), [(1, False), (40, True)])
def test_a_p99_has_a_price_where_it_rests_on_ten_episodes(each: int, priced: bool) -> None:
    """The price of p50 needs none."""
    report = reported(
        [(700, 200), (710, 205), (690, 195), (705, 200), (695, 202)], Episodes(counts=tuple(each for _ in LADDER_NS))
    )
    metrics = {one.metric for one in report.prices}
    assert Metric.LATENCY_P50_US in metrics
    assert (Metric.LATENCY_P99_US in metrics) == priced
