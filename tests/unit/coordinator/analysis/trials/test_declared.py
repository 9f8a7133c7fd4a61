"""Declared figures: what their intervals may say, and what they look like."""

import io

import pytest
from rich.console import Console

from coordinator.analysis.reports.report import build_report
from coordinator.analysis.trials.digest import trial_digest
from coordinator.analysis.trials.digest_codec import decode, encode
from coordinator.scheduling.digests import DeclaredKey
from coordinator.scheduling.records import AttemptRecord
from deploy.cli.shown.declared import print_declared
from domain.loads.metric import Metric
from domain.reports.figure_tables import figure_text
from domain.reports.report import CampaignReport
from domain.reports.report_markdown import markdown_of
from domain.trials.figures import CellFigure, TrialFigure
from domain.trials.histogram import LatencyHistogram
from domain.trials.trial import BlockResult
from tests.unit.coordinator.analysis.results import a_campaign, a_trial

LABELS = ("direct", "tproxy")
TIMES = (41_549.8, 207_126.5, 52_000.0, 3_000.0, 390_000.0, 61_000.0)


def reported(values: tuple[float, ...], **more: object) -> CampaignReport:
    """``direct`` has the values, and ``tproxy`` 100 more."""
    attempts = []
    for index, value in enumerate(values):
        trials = []
        for label, extra in zip(LABELS, (0.0, 100.0), strict=True):
            figure = TrialFigure(name="wait", title="wait", unit="µs", value=value + extra, added=True, **more)  # type: ignore[arg-type]
            role = "limit" if label == "direct" else ""
            trials.append(a_trial(label, 50_000.0).model_copy(update={"figures": (figure,), "role": role}))
        result = BlockResult(host="one", trials=tuple(trials), wall_s=1)
        attempts.append(AttemptRecord(index, f"c-{index}", "http_keepalive", "low", 1, "one", "done", "", True, result))
    return build_report(a_campaign(*LABELS), {"id": "k3f9x2ab"}, attempts)


def figure(values: tuple[float, ...], **more: object) -> CellFigure:
    return next(one for one in reported(values, **more).figures if one.datapath == "direct")


@pytest.mark.parametrize("trials", [1, 2, 4])
def test_fewer_than_five_trials_have_no_interval_and_say_how_many_they_are(trials: int) -> None:
    found = figure(TIMES[:trials])
    assert (found.low, found.high, found.trials) == (None, None, trials)
    assert figure_text(found).bounds == f"from {trials} trial{'s' * (trials > 1)}"
    report = reported(TIMES[:trials])
    (tproxy,) = [one for one in report.figures if one.datapath == "tproxy"]
    assert (tproxy.added, tproxy.added_low, tproxy.added_high) == (pytest.approx(100), None, None)
    assert figure_text(tproxy).added == "+100"


def test_a_time_is_not_negative() -> None:
    found = figure(TIMES)
    assert found.low == 0, "Student's t alone says less than nothing"
    assert found.high is not None
    assert found.high > found.value
    assert figure(TIMES, signed=True).low < 0  # type: ignore[operator]


def test_a_share_does_not_exceed_the_whole() -> None:
    shares = (0.999, 1.0, 0.93, 1.0, 1.0)
    assert figure(shares, most=1.0).high == 1
    assert figure(shares).high > 1  # type: ignore[operator]
    assert figure((*shares, 1.2), most=1.0).high > 1, "values that contradict what is declared count for more"  # type: ignore[operator]
    assert figure((-1.0, 3.0, 2.0, 5.0, 1.0)).low < 0  # type: ignore[operator]


def test_figures_without_scatter_have_no_interval() -> None:
    found = figure((4_026.367,) * 5)
    assert (found.low, found.high) == (None, None)
    assert figure_text(found)[:2] == ("4,030", "")


def test_a_kept_report_of_an_earlier_version_shows_no_interval_of_two_trials() -> None:
    found = figure(TIMES[:2]).model_copy(update={"low": -884_977.7, "high": 1_299_230.7})
    assert figure_text(found)[:2] == ("124,000", "from 2 trials")
    none_by_scatter = figure(TIMES).model_copy(update={"value": 242.0, "low": 242.0, "high": 242.0})
    assert figure_text(none_by_scatter)[:2] == ("242", "")


def test_it_is_said_in_the_report_and_in_markdown() -> None:
    report, text = reported(TIMES[:2]), io.StringIO()
    print_declared(report, Console(file=text, width=200))
    assert text.getvalue().count("from 2 trials") == 2
    assert "e+" not in text.getvalue()
    assert markdown_of(report).count("from 2 trials") == 2


def test_digests_keep_the_limits_and_those_of_earlier_versions_have_none() -> None:
    declared = TrialFigure(name="jain", title="fairness", value=0.9, most=1.0, signed=True, caution="mind")
    trial = a_trial("tproxy", 40_000.0).model_copy(update={"figures": (declared,)})
    numbers, words = encode({"tproxy": trial_digest(trial)})
    key = DeclaredKey("jain", "fairness", "", added=False, signed=True, most=1.0, caution="mind")
    assert decode(numbers, words)["tproxy"].declared.keys == (key,)
    older = words.replace(',false,true,1.0,"mind"]', ",false]")
    assert older != words
    assert decode(numbers, older)["tproxy"].declared.keys == (key._replace(signed=False, most=None, caution=""),)


CAUTION = "of its requests were limited"


@pytest.mark.parametrize(("percent", "noted"), [(17.2, True), (0.4, False)])
def test_latencies_of_refusals_have_a_note_and_no_price(percent: float, noted: bool) -> None:
    """A gateway that refuses some requests at once has the lower p50, and saves nobody any time."""
    attempts = []
    for index in range(6):
        trials = []
        for label, latency_us in (("direct", 137_000 + index), ("gateway_tproxy", 123_000 + 2 * index)):
            figure = TrialFigure(name="limited", title="limited", unit="%", caution=CAUTION, value=percent)
            is_limit = label == "direct"
            update = {
                "figures": () if is_limit else (figure,),
                "function": "forward" if is_limit else "gateway",
                "role": "limit" if is_limit else "",
                "latency": LatencyHistogram.of({latency_us * 1000: 1000}),
            }
            trials.append(a_trial(label, 300.0, "steady").model_copy(update=update))
        result = BlockResult(host="one", trials=tuple(trials), wall_s=1)
        attempts.append(
            AttemptRecord(index, f"c-{index}", "http_keepalive", "steady", 1, "a", "done", "", True, result)
        )
    campaign = a_campaign("direct", "gateway_tproxy", levels={"steady": "open(300)"})
    report = build_report(campaign, {"id": "k3f9x2ab"}, attempts)
    caveats = next(cell.caveats for cell in report.results if cell.datapath == "gateway_tproxy")
    assert (f"17 % {CAUTION}" in caveats) is noted
    assert any(price.metric is Metric.LATENCY_P50_US for price in report.prices) is not noted
    assert any(price.metric is Metric.CPU_US_PER_REQUEST for price in report.prices)
