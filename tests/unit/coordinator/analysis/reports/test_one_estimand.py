"""Every surface shows the same figures: divided, those of table, page, CSV and REST give the printed ratio."""

import csv
import io
import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from flask.testing import FlaskClient
from rich.console import Console

from coordinator.analysis.reports.report import build_report
from coordinator.scheduling.records import AttemptRecord
from coordinator.web.chart import latency_chart, throughput_chart
from coordinator.web.showdown_table import tables
from deploy.cli.shown.render import print_report
from domain.campaigns.campaign import Campaign
from domain.loads.metric import SHARE_METRICS, Metric
from domain.reports.report import CampaignReport
from domain.trials.histogram import LatencyHistogram
from tests.unit.coordinator.analysis.results import a_campaign, an_attempt
from tests.unit.coordinator.coordinator_app import CoordinatorApp
from tests.unit.coordinator.pages import every_tab, sentences

FIGURES = {
    Metric.REQUESTS_PER_S: "requests_per_s",
    Metric.CPU_US_PER_REQUEST: "cpu_us_per_request",
    Metric.LATENCY_P50_US: "latency_p50_us",
    Metric.LATENCY_P99_US: "latency_p99_us",
}
LABELS = ("tproxy", "ebpf_sk_assign", "ebpf_redirect", "direct")


def measured() -> tuple[Campaign, CampaignReport]:
    """Drifting blocks with missing trials: pooled percentiles and unpaired means disagree with ratios."""
    campaign = a_campaign(*LABELS, levels={"open": "open(1000)", "closed": "closed(8)"})
    record = {"id": "k3f9x2ab", "name": "t", "state": "complete", "campaign": {"datapaths": LABELS}}
    rng = np.random.default_rng(11)
    attempts: list[AttemptRecord] = []
    for level in campaign.levels:
        for block in range(9):
            drift = math.exp(rng.normal(0, 0.8))
            rates = {label: 1e4 * drift * math.exp(rng.normal(0, 0.2)) for label in LABELS}
            missing = {1: "tproxy", 4: "direct"}.get(block)
            whole = an_attempt(len(attempts), {**rates, missing: None} if missing else rates, level=level)
            latencies = {label: 1e11 / rate * math.exp(rng.normal(0, 0.5)) for label, rate in rates.items()}
            if level == "open":
                trials = tuple(
                    trial.model_copy(update={"latency": _histogram(latencies[trial.datapath])})
                    for trial in whole.result.trials
                )
                whole = replace(whole, result=whole.result.model_copy(update={"trials": trials}))
            attempts.append(whole)
    return campaign, build_report(campaign, record, attempts)


def _histogram(p50_ns: float) -> LatencyHistogram:
    return LatencyHistogram.of({round(p50_ns): 970, round(p50_ns * 7): 30})


def test_figures_divided_are_the_ratio_for_each_pair_and_metric() -> None:
    _, report = measured()
    cells = {(cell.level, cell.datapath): cell for cell in report.results}
    compared = [v for v in report.verdicts if not v.pooled_over and v.metric.over_ms is None]
    assert {v.metric for v in compared} == set(FIGURES)
    for verdict in compared:
        one, other = (
            getattr(cells[verdict.level, label], FIGURES[verdict.metric])
            for label in (verdict.datapath, verdict.reference)
        )
        assert one / other == pytest.approx(verdict.ratio, rel=1e-9)
        assert (verdict.figure, verdict.reference_figure) == pytest.approx((one, other))
        assert verdict.pairs == cells[verdict.level, verdict.datapath].pairs == 7


def test_shares_subtracted_are_the_difference_for_each_pair() -> None:
    _, report = measured()
    cells = {cell.datapath: cell for cell in report.results if cell.level == "open"}
    compared = [v for v in report.verdicts if v.metric.over_ms is not None]
    assert {v.metric for v in compared} == set(SHARE_METRICS)
    for verdict in compared:
        one, other = (getattr(cells[label], verdict.metric).value for label in (verdict.datapath, verdict.reference))
        assert one - other == pytest.approx(verdict.difference.value, abs=1e-9)
        assert (verdict.figure, verdict.reference_figure) == pytest.approx((one, other))
        assert verdict.ratio is None
    assert any(abs(v.difference.value) > 1 for v in compared)


def test_the_pooled_distribution_is_another_view_and_says_so() -> None:
    _, report = measured()
    cells = {cell.datapath: cell for cell in report.results if cell.level == "open"}
    ratios = {v.datapath: v.ratio for v in report.verdicts
              if v.metric is Metric.LATENCY_P99_US and v.reference == "tproxy"}  # fmt: skip
    pooled = {label: cells[label].latency_us.p99 / cells["tproxy"].latency_us.p99 for label in ratios}
    assert any(abs(math.log(pooled[label] / ratio)) > 0.05 for label, ratio in ratios.items()), "they differ here"


def test_the_printed_table_divides_to_its_printed_ratios() -> None:
    _, report = measured()
    out = io.StringIO()
    print_report(report, Console(file=out, width=160))
    rows = [line.split() for line in out.getvalue().splitlines()]
    divided = 0
    for row, ratios in pairwise(rows):
        if ratios[:2] == ["×", "tproxy"]:
            figures = [float(text.replace(",", "").rstrip("*")) for text in row[-4:]]
            for figure, text in zip(figures[1:], ratios[3:], strict=True):
                half_a_digit = 0.5 * 10.0 ** -len(text.partition(".")[2])
                assert figure / figures[0] == pytest.approx(float(text), abs=half_a_digit, rel=0.01)
                divided += 1
    assert divided == 3 * 4, "three datapaths by four metrics"
    assert sum(row[:1] == ["pairs"] for row in rows) == 2
    assert sum(row[:2] == ["pooled", "p99.9"] for row in rows) == 1


def test_the_charts_draw_the_table_s_figures() -> None:
    campaign, report = measured()
    (table,) = tables(campaign, report)
    cells = {(cell.level, cell.datapath): cell for cell in report.results}
    for chart, level, name in ((throughput_chart(table), "closed", "requests_per_s"),
                               (latency_chart(table), "open", "latency_p50_us")):  # fmt: skip
        marks = {mark.label: mark for mark in chart.groups[0].marks}
        for label in LABELS:
            cell = cells[level, label]
            assert marks[label].value == getattr(cell, name)
            assert (marks[label].value_low, marks[label].value_high) == (
                getattr(cell, f"{name}_low"),
                getattr(cell, f"{name}_high"),
            )
            assert marks[label].value_low < marks[label].value < marks[label].value_high


def test_rest_csv_and_page_say_the_same(coordinator_app: CoordinatorApp, browser: FlaskClient) -> None:
    coordinator_app.register()
    campaign_id = coordinator_app.submit(blocks=5, levels={"low": "closed(8)"})
    for _ in range(5):
        coordinator_app.run_block(rates={"tproxy": 700})
    report = coordinator_app.get(f"campaigns/{campaign_id}/report").json
    cells = {cell["datapath"]: cell for cell in report["results"]}
    ratio = cells["tproxy"]["requests_per_s"] / cells["direct"]["requests_per_s"]
    (verdict,) = [v for v in report["verdicts"] if v["metric"] == "requests_per_s"]
    assert verdict["ratio"] == pytest.approx(ratio)
    rows = list(csv.DictReader(io.StringIO(coordinator_app.get(f"campaigns/{campaign_id}/verdicts.csv").text)))
    row = next(row for row in rows if row["metric"] == "requests_per_s")
    assert float(row["figure"]) / float(row["reference_figure"]) == pytest.approx(float(row["ratio"]))
    assert {"family", "simultaneous_low", "simultaneous_high"} <= set(row)
    results = list(csv.DictReader(io.StringIO(coordinator_app.get(f"campaigns/{campaign_id}/results.csv").text)))
    assert float(results[1]["requests_per_s"]) / float(results[0]["requests_per_s"]) == pytest.approx(ratio)
    page = sentences(every_tab(browser, campaign_id))
    assert f"{ratio:.2f} ×" in page
    assert any("5 pairs" in text for text in page)
