"""Made-up trials and attempts for tests of the analysis."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from coordinator.analysis.reports.report import build_report
from coordinator.scheduling.records import AttemptRecord
from domain.campaigns.campaign import Campaign, read_campaign
from domain.hosts.cpu_time import CpuTime
from domain.loads.metric import Metric
from domain.probes.telemetry import TelemetryAccount
from domain.reports.report import CampaignReport, Verdict
from domain.trials.trial import BlockResult, Finding, Reason, TrialResult, Validity

FUNCTIONS = {"direct": "forward", "tproxy": "steer", "ebpf_sk_assign": "steer", "ebpf_redirect": "forward"}
Rates = Mapping[str, float | None]  # None means an invalid trial


def a_campaign(*datapaths: str, **more: object) -> Campaign:
    return read_campaign({"name": "t", "datapaths": list(datapaths), "levels": {"low": "closed(8)"}, "seed": 7, **more})


def a_trial(label: str, rate: float | None, level: str = "low", **more: object) -> TrialResult:
    found = () if rate else (Finding(reason=Reason.BYPASSED, detail=f"{label}: counted 0 of 100"),)
    requests = round((rate or 50_000) * 100)
    return TrialResult(
        datapath=label,
        function=FUNCTIONS.get(label.partition("#")[0], "steer"),
        workload="http_keepalive",
        level=level,
        duration_s=100.0,
        requests=requests,
        # The host is fully busy on two CPUs, so CPU per request is the inverse of the rate.
        cpu=CpuTime(wall_s=100.0, cpus=2, user_s=100.0, softirq_s=100.0),
        validity=Validity(findings=found),
        **more,
    )


def an_attempt(index: int, rates: Rates, *, attempt: int = 1, accepted: bool = True, **more: object) -> AttemptRecord:
    result = BlockResult(
        host="one",
        trials=tuple(a_trial(label, rate, **more) for label, rate in rates.items()),
        telemetry=TelemetryAccount(produced=10, delivered=9, lost=1),
        wall_s=1,
    )
    level = str(more.get("level", "low"))
    return AttemptRecord(
        index, f"k3f9x2ab-{index}", "http_keepalive", level, attempt, "one", "done", "", accepted, result
    )


def ran_with(attempt: AttemptRecord, fingerprint: dict[str, str]) -> AttemptRecord:
    assert attempt.result is not None
    return replace(attempt, result=attempt.result.model_copy(update={"fingerprint": fingerprint}))


def reported(campaign: Campaign, blocks: Sequence[Rates]) -> CampaignReport:
    return build_report(campaign, {"id": "k3f9x2ab"}, [an_attempt(i, rates) for i, rates in enumerate(blocks)])


def the_verdict(report: CampaignReport, metric: Metric = Metric.REQUESTS_PER_S, datapath: str = "") -> Verdict:
    return next(v for v in report.verdicts if v.metric is metric and datapath in ("", v.datapath))


def pairs_with(ratio: float, pairs: int, noise: float = 0.01, seed: int = 1) -> list[Rates]:
    rng = np.random.default_rng(seed)
    drift = np.exp(rng.normal(0, 0.3, pairs))  # host noise, common to both trials of a block
    own = np.exp(rng.normal(0, noise, pairs))
    return [{"tproxy": 50_000 * d, "ebpf_sk_assign": 50_000 * ratio * d * o} for d, o in zip(drift, own, strict=True)]
