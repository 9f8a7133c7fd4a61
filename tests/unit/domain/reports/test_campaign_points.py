"""InfluxDB points of a campaign: figures of valid trials only, progress, verdicts."""

import pytest

from domain.loads.metric import Metric
from domain.probes.sample import TrialTags
from domain.reports.campaign_points import LOAD_FIELDS, campaign_progress_point, trial_point, verdict_point
from domain.reports.report import Verdict
from domain.reports.verdict_words import VerdictWord
from domain.trials.trial import Finding, Reason
from tests.telemetry_points import trial

TAGS = TrialTags("k3f9x2ab", "k3f9x2ab-0-1-0", "h1", "tproxy", "http_open", "low")
FIGURES = {"requests_per_s", "cpu_us_per_request", "latency_p50_us", "latency_p99_us", "latency_p999_us"} | {
    "service_time_p50_us",
    "service_time_p99_us",
    "service_time_p999_us",
    "percent_over_1ms",
    "percent_over_5ms",
    "percent_over_20ms",
}


def test_a_valid_trial_has_its_figures_in_their_units() -> None:
    point = trial_point(TAGS, trial("tproxy"), 7)
    assert point.tags == TAGS.as_dict()
    assert "run" not in point.tags
    counted = {name: value for name, value in point.fields.items() if name not in {*FIGURES, *LOAD_FIELDS}}
    assert counted == {"valid": 1, "invalid": 0, "requests": 4000, "errors": 3, "reasons": "", "details": ""} | {
        "trial": TAGS.run
    }
    assert point.fields["requests_per_s"] == 2000.0
    assert point.fields["cpu_us_per_request"] == pytest.approx(0.5e6 / 4000)
    assert point.fields["latency_p50_us"] == pytest.approx(100, rel=0.01)
    assert point.fields["latency_p99_us"] == pytest.approx(900, rel=0.01)
    assert point.fields["percent_over_1ms"] == 0
    assert point.fields["service_time_p50_us"] == pytest.approx(90, rel=0.01)


def test_an_invalid_trial_has_reasons_and_no_figure() -> None:
    findings = Finding(reason=Reason.BYPASSED, detail="12 %"), Finding(reason=Reason.STEAL, detail="9 % stolen")
    fields = trial_point(TAGS, trial("tproxy", findings), 7).fields
    assert (fields["valid"], fields["invalid"], fields["reasons"]) == (0, 1, "bypassed, steal")
    assert fields["details"] == "12 %; 9 % stolen"
    assert not FIGURES & set(fields)


@pytest.mark.parametrize("findings", [(), (Finding(reason=Reason.OVERLOADED, detail="12 of 20 answered"),)])
def test_every_trial_has_its_load(findings: tuple[Finding, ...]) -> None:
    fields = trial_point(TAGS, trial("tproxy", findings), 7).fields
    assert (fields["cpus_used"], fields["queued_share"]) == (0.25, 0.015)
    assert fields["lag_p99_us"] == pytest.approx(20, rel=0.01)


def test_a_load_that_is_not_known_is_left_out() -> None:
    older = trial("tproxy").model_copy(update={"due": None, "queued": None, "timings": {}})
    assert set(LOAD_FIELDS) & set(trial_point(TAGS, older, 7).fields) == {"cpus_used"}


def test_progress_counts_blocks() -> None:
    point = campaign_progress_point("k3f9x2ab", 3, 1, 20, 7)
    assert point.line == "campaign_progress,campaign=k3f9x2ab blocks_ended=3i,blocks_failed=1i,blocks_planned=20i 7"


@pytest.mark.parametrize(("ratio", "expected"), [(1.5, {"ratio": 1.5, "low": 1.4, "high": 1.6}), (None, {})])
def test_a_verdict_without_figures_has_none(ratio: float | None, expected: dict[str, float]) -> None:
    bounds = {"low": 1.4, "high": 1.6} if ratio else {}
    verdict = Verdict(
        datapath="ebpf_redirect",
        reference="tproxy",
        workload="http_open",
        level="low",
        metric=Metric.LATENCY_P99_US,
        verdict=VerdictWord.WORSE,
        pairs=6,
        ratio=ratio,
        sentence="ebpf_redirect is slower.",
        **bounds,
    )
    point = verdict_point("k3f9x2ab", verdict, 7)
    assert dict(point.tags) == {
        "campaign": "k3f9x2ab",
        "datapath": "ebpf_redirect",
        "reference": "tproxy",
        "workload": "http_open",
        "level": "low",
        "metric": "latency_p99_us",
    }
    assert (
        point.fields == {"pairs": 6, "verdict": "exploratory: worse", "sentence": "ebpf_redirect is slower."} | expected
    )
