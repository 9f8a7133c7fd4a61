"""A datapath that adds something to another is priced over that one, and over the limit if there is one."""

import io

import numpy as np
import pytest
from rich.console import Console

from coordinator.analysis.reports.report import build_report
from coordinator.analysis.trials.digest import trial_digest
from coordinator.analysis.trials.digest_codec import decode, encode
from coordinator.scheduling.records import AttemptRecord
from deploy.cli.shown.verdicts import print_verdicts
from domain.loads.metric import Metric
from domain.reports.report import CampaignReport
from domain.trials.trial import BlockResult
from tests.unit.coordinator.analysis.results import a_campaign, a_trial

PLAIN_PER_S = {"tproxy": 50_000, "ebpf_sk_assign": 50_000, "direct": 100_000}
TLS = {"tproxy_tls": "tproxy", "ebpf_sk_assign_tls": "ebpf_sk_assign"}


def reported(*labels: str) -> CampaignReport:
    rng, attempts = np.random.default_rng(7), []
    for index in range(8):
        drift = float(rng.uniform(0.8, 1.2))
        trials = []
        for label in labels:
            over = TLS.get(label, "")
            rate = drift * PLAIN_PER_S.get(label, 40_000) * float(rng.uniform(0.99, 1.01))
            trial = a_trial(label, rate).model_copy(update={"over": over})
            trials.append(trial.model_copy(update={"function": "terminate"}) if over else trial)
        result = BlockResult(host="one", trials=tuple(trials), wall_s=1)
        attempts.append(AttemptRecord(index, f"c-{index}", "http_keepalive", "low", 1, "one", "done", "", True, result))
    return build_report(a_campaign(*labels), {"id": "c"}, attempts)


def pairs(report: CampaignReport) -> set[tuple[str, str]]:
    return {(one.datapath, one.over) for one in report.prices if one.metric is Metric.CPU_US_PER_REQUEST}


def test_each_is_priced_over_its_own() -> None:
    report = reported("tproxy", "tproxy_tls", "ebpf_sk_assign", "ebpf_sk_assign_tls")
    assert pairs(report) == set(TLS.items())
    price = next(one for one in report.prices if one.datapath == "tproxy_tls")
    # Both CPUs are busy: 2 s a second ÷ 40,000/s - 2 s ÷ 50,000/s = 10 µs.
    assert price.us == pytest.approx(10, rel=0.3)
    assert price.sentence.startswith("TLS termination (tproxy_tls) costs ")
    assert "of CPU per request over tproxy " in price.sentence
    assert report.answer is not None
    assert "TLS termination (tproxy_tls) costs" in str(report.answer.model_dump())


def test_the_limit_is_the_other_base() -> None:
    assert pairs(reported("direct", "tproxy", "tproxy_tls")) == {
        ("tproxy_tls", "tproxy"), ("tproxy_tls", "direct"), ("tproxy", "direct"),
    }  # fmt: skip


def test_each_printed_price_names_what_it_is_over() -> None:
    text = io.StringIO()
    print_verdicts(reported("direct", "tproxy", "tproxy_tls"), Console(file=text, width=120))
    rows = [line for line in text.getvalue().splitlines() if line.startswith("  low, tproxy_tls ")]
    assert [row.split()[1:4] for row in rows] == [["tproxy_tls", "over", "tproxy"], ["tproxy_tls", "over", "direct"]]


def test_a_base_that_the_campaign_lacks_is_none() -> None:
    assert pairs(reported("tproxy", "ebpf_sk_assign_tls")) == {("ebpf_sk_assign_tls", "tproxy")}


def test_digests_keep_it_and_those_of_earlier_versions_have_none() -> None:
    trial = a_trial("tproxy_tls", 40_000).model_copy(update={"over": "tproxy"})
    numbers, words = encode({"tproxy_tls": trial_digest(trial)})
    assert decode(numbers, words)["tproxy_tls"].words.over == "tproxy"
    older = words.replace(',"tproxy"],', "],", 1)
    assert older != words
    assert decode(numbers, older)["tproxy_tls"].words.over == ""
