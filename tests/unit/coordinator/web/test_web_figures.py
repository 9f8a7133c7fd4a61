"""Figures as written and drawn on pages."""

from dataclasses import replace

import pytest

from coordinator.analysis.reports.headline import primary_verdicts
from coordinator.web import words
from coordinator.web.chart import LEFT, WIDTH, capacity_chart, latency_chart, nice_step, throughput_chart
from coordinator.web.showdown_table import Row, Square, Table, primary_waiting, statements
from domain.campaigns.campaign import read_campaign
from domain.loads.metric import Metric
from domain.reports.report import CampaignReport, CellResult, Family, Verdict, too_few
from domain.reports.verdict_words import VerdictWord


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (0, "0"),
        (734.4, "734"),
        (999.4, "999"),
        (999.6, "1.00 k"),
        (57_800, "57.8 k"),
        (2_040_000, "2.04 M"),
    ],
)
def test_rates(value: float | None, text: str) -> None:
    assert words.rate(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (1.0, "1.00"), (0.5012, "0.50"), (0.0123, "0.0123"), (123.4, "123"), (1e300, "1e+300")],
)
def test_ratios(value: float | None, text: str) -> None:
    assert words.ratio(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (0, "0 s"), (59.6, "1 min 00 s"), (200, "3 min 20 s"), (7500, "2 h 05 min"), (-3, "0 s")],
)
def test_durations(value: float | None, text: str) -> None:
    assert words.duration(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (0, "0"),
        (9.876, "9.88"),
        (1_234.5, "1,234"),
        (110_952, "110,952"),
        (-1_550, "−1,550"),
        (-0.5, "−0.50"),
    ],
)
def test_figures(value: float | None, text: str) -> None:
    assert words.figure(value) == text


def test_shares_and_times() -> None:
    assert [words.percent(v) for v in (None, 0.4567, 1.0, 0.003)] == ["–", "45.7 %", "100 %", "0.30 %"]
    assert words.moment("2026-02-03T15:05:06.789+01:00") == "2026-02-03 14:05:06"
    assert words.moment(None) == "–"


@pytest.mark.parametrize(("top", "step"), [(150_000, 50_000), (100, 20), (1, 0.2), (11, 2.5), (3e6, 1e6)])
def test_gridlines_are_at_round_numbers(top: float, step: float) -> None:
    assert nice_step(top) == pytest.approx(step)


def a_table(*figures: tuple[float, float | None, float | None] | None) -> Table:
    squares = tuple(
        Square(
            f"d{i}",
            CellResult(
                datapath=f"d{i}",
                function="steer",
                workload="w",
                level="low",
                load="closed(8)",
                requests_per_s=figure[0] if figure else None,
                requests_per_s_low=figure[1] if figure else None,
                requests_per_s_high=figure[2] if figure else None,
                valid_trials=1,
                invalid_trials=0,
            ),
        )
        for i, figure in enumerate(figures)
    )
    return Table("w", tuple(s.label for s in squares), ("steer",) * len(squares), (Row("low", "closed(8)", squares),))


def test_the_chart_places_figures_to_scale() -> None:
    chart = throughput_chart(a_table((50_000, 40_000, 60_000), (100_000, 90_000, 110_000), None))
    one, other, nothing = chart.groups[0].marks
    scale = (other.x - LEFT) / 100_000
    assert one.x - LEFT == pytest.approx(50_000 * scale, abs=0.2)
    assert (one.high - one.low) == pytest.approx(20_000 * scale, abs=0.2)
    assert nothing.x is nothing.low is None
    assert chart.ticks[0] == (0, LEFT)
    assert all(mark.y < chart.axis_y < chart.height for mark in chart.groups[0].marks)


def test_an_absurd_interval_does_not_squeeze_the_estimates() -> None:
    chart = throughput_chart(a_table((50_000, 1, 9e9), (100_000, None, None)))
    assert chart.groups[0].marks[1].x >= LEFT + (chart.right - LEFT) / 2
    assert chart.groups[0].marks[0].high <= WIDTH


def test_without_figures_there_is_no_chart() -> None:
    assert throughput_chart(a_table(None, None)) is None


def test_open_levels_have_a_chart_of_latency_and_none_of_the_rate_that_was_given() -> None:
    table = a_table((50_000, 40_000, 60_000), (100_000, None, None))
    assert latency_chart(table) is None
    times = {"latency_p50_us": 400.0, "latency_p50_us_low": 380.0, "latency_p50_us_high": 420.0}
    squares = [replace(s, result=s.result.model_copy(update=times)) for s in table.rows[0].squares]
    open_row = Row("half", "open(50%) = 5,000/s", tuple(squares), open_loop=True)
    both = replace(table, rows=(*table.rows, open_row))
    assert [g.title for g in throughput_chart(both).groups] == ["low · closed(8)"]
    chart = latency_chart(both)
    assert [g.title for g in chart.groups] == ["half · open(50%) = 5,000/s"]
    mark = chart.groups[0].marks[0]
    assert (mark.value, mark.value_low, mark.value_high) == (400, 380, 420)
    assert LEFT < mark.low < mark.x < mark.high
    assert throughput_chart(replace(table, rows=(open_row,))) is None


def test_capacity_levels_have_a_chart_of_their_own() -> None:
    table = a_table((50_000, 40_000, 60_000))
    assert capacity_chart(table) is None
    result = (
        table.rows[0]
        .squares[0]
        .result.model_copy(
            update={
                "slo_capacity_per_s": 9_000.0,
                "slo_capacity_per_s_low": 8_000.0,
                "slo_capacity_per_s_high": 9_900.0,
            }
        )
    )
    searched = Row("slo", "capacity(p99<=5ms)", (Square("d0", result),), is_capacity=True)
    both = replace(table, rows=(*table.rows, searched))
    assert [g.title for g in throughput_chart(both).groups] == ["low · closed(8)"]
    [group] = capacity_chart(both).groups
    mark = group.marks[0]
    assert (group.title, mark.value, mark.value_low) == ("slo · capacity(p99<=5ms)", 9_000, 8_000)


def test_what_is_settled_comes_first_and_what_is_not_is_kept_apart() -> None:
    campaign = read_campaign({"name": "t", "datapaths": ["a", "b"], "levels": {"low": "closed(8)"}})

    def a_verdict(word: VerdictWord, pairs: int, metric: Metric = Metric.REQUESTS_PER_S) -> Verdict:
        return Verdict(datapath="b", reference="a", workload="http_keepalive", level="low", metric=metric,
                       verdict=word, pairs=pairs, sentence=f"{word} {pairs}")  # fmt: skip

    settled, open_one = a_verdict(VerdictWord.BETTER, 6), a_verdict(VerdictWord.UNCLEAR, 6)
    short = a_verdict(VerdictWord.UNCLEAR, 4), a_verdict(VerdictWord.UNCLEAR, 2, Metric.LATENCY_P99_US)
    report = CampaignReport(campaign={}, verdicts=(open_one, *short, settled))
    (found,) = statements(campaign, report)
    assert (found.decided, found.unclear) == ((settled,), (open_one,))
    assert (
        found.too_few
        == "2 comparisons have only 2 to 4 valid pairs (a percentile also needs enough requests); a verdict needs 5."
    )
    assert primary_verdicts(report) == (), "they are exploratory"
    primary = [v.model_copy(update={"family": Family.PRIMARY}) for v in report.verdicts]
    judged = CampaignReport(campaign={}, verdicts=primary)
    assert statements(campaign, judged) == ()
    assert [v.verdict for v in primary_verdicts(judged)] == [VerdictWord.BETTER, VerdictWord.UNCLEAR]
    assert primary_waiting(judged) == found.too_few
    assert too_few([settled]) == ""
    assert too_few(short[:1]) == "1 comparison has only 4 valid pairs; a verdict needs 5."
