"""A campaign on several hosts, host by host."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from coordinator.analysis.reports.report import build_report, results_of
from coordinator.analysis.runs.comparison import compare, measured
from coordinator.analysis.runs.host_factor import host_factor, hosts_of, of_host
from coordinator.scheduling.records import AttemptRecord
from domain.loads.metric import Metric
from domain.runs.host_factor import HostCell, HostFactor
from tests.unit.coordinator.analysis.results import a_campaign, an_attempt

CAMPAIGN = a_campaign("tproxy", "ebpf_sk_assign", blocks=12)
RECORD = {"id": "k3f9x2ab", "state": "complete"}


def on_hosts(speed: Mapping[str, float], ratio: Mapping[str, float], blocks: int = 6) -> list[AttemptRecord]:
    """Blocks in turn on each host: how fast it is, what the second datapath has over the first, its kernel."""
    rng, attempts = np.random.default_rng(1), []
    for index in range(blocks * len(speed)):
        host = list(speed)[index % len(speed)]
        noise = np.exp(rng.normal(0, 0.01, 2))
        rates = {"tproxy": 1000 * speed[host] * noise[0], "ebpf_sk_assign": 1000 * speed[host] * ratio[host] * noise[1]}
        attempt = an_attempt(index, rates)
        assert attempt.result is not None
        facts = {"kernel": f"6.{list(speed).index(host)}.0 #1", "cpus": "2"}
        result = attempt.result.model_copy(update={"host": host, "fingerprint": facts})
        attempts.append(replace(attempt, host=host, result=result))
    return attempts


def factor(attempts: list[AttemptRecord]) -> HostFactor:
    return host_factor(results_of(CAMPAIGN, RECORD, attempts, None), RECORD)


def the_cell(cells: tuple[HostCell, ...], datapath: str = "ebpf_sk_assign") -> HostCell:
    return next(one for one in cells if one.datapath == datapath and one.metric is Metric.REQUESTS_PER_S)


def test_each_host_has_its_figures_though_a_report_analyses_one_fingerprint() -> None:
    attempts = on_hosts({"a": 1.0, "b": 2.0, "c": 1.5}, {"a": 1.1, "b": 1.1, "c": 1.1})
    report = build_report(CAMPAIGN, RECORD, attempts)
    assert report.left_out, "a report leaves out the hosts of other kernels"
    found = factor(attempts)
    assert [(one.host, one.kernel, one.blocks, one.left_out) for one in found.hosts] == [
        ("a", "6.0.0", 6, 0), ("b", "6.1.0", 6, 0), ("c", "6.2.0", 6, 0),
    ]  # fmt: skip
    assert [(one.name, one.values) for one in found.facts] == [("kernel", ("6.0.0 #1", "6.1.0 #1", "6.2.0 #1"))]
    speeds = [one.value for one in the_cell(found.figures).hosts]
    assert speeds == [pytest.approx(1000 * 1.1 * speed, rel=0.02) for speed in (1.0, 2.0, 1.5)]
    figures, ratios = the_cell(found.figures).heterogeneity, the_cell(found.ratios).heterogeneity
    assert figures is not None
    assert ratios is not None
    assert figures.differs
    assert not ratios.differs, "the hosts' speed cancels in ratios within blocks"
    assert ratios.mean is not None
    assert ratios.mean.low < 1.1 < ratios.mean.high
    assert figures.i2 > 0.99
    assert "do not say which of them" in found.caution


def test_a_ratio_that_depends_on_the_host_is_found() -> None:
    found = the_cell(factor(on_hosts({"a": 1.0, "b": 1.0, "c": 1.0}, {"a": 1.0, "b": 1.2, "c": 1.4})).ratios)
    assert found.heterogeneity is not None
    assert found.heterogeneity.differs
    assert found.heterogeneity.between == pytest.approx(0.18, abs=0.05)


def test_few_hosts_and_few_blocks_say_so() -> None:
    two = factor(on_hosts({"a": 1.0, "b": 1.5}, {"a": 1.0, "b": 1.0}))
    heterogeneity = the_cell(two.figures).heterogeneity
    assert heterogeneity is not None
    assert heterogeneity.mean is None
    assert "needs 3 hosts" in two.caution
    short = the_cell(factor(on_hosts({"a": 1.0, "b": 1.5}, {"a": 1.0, "b": 1.0}, blocks=4)).figures)
    assert short.heterogeneity is None
    assert [(one.value is None, one.low, one.count) for one in short.hosts] == [(False, None, 4)] * 2
    alone = factor(on_hosts({"a": 1.0}, {"a": 1.0}))
    assert "one host" in alone.caution
    assert factor([]).hosts == ()


def test_two_hosts_of_one_campaign_are_compared_without_pairs() -> None:
    data = results_of(CAMPAIGN, RECORD, on_hosts({"a": 1.0, "b": 1.3}, {"a": 1.1, "b": 1.1}), None)
    assert hosts_of(data) == ("a", "b")
    found = compare(*([measured(of_host(data, host), RECORD, host)] for host in hosts_of(data)))
    assert [(one.name, one.baseline, one.other) for one in found.settings] == [("kernel", ("6.0.0 #1",), ("6.1.0 #1",))]
    assert "not paired" in found.caution
    (figure,) = [one for one in found.figures if one.datapath == "tproxy" and one.metric is Metric.REQUESTS_PER_S]
    assert (figure.change.value, figure.counts) == ("better", (6, 6))
    assert figure.ratio is not None
    assert figure.ratio.low < 1.3 < figure.ratio.high
    assert all(one.change.value == "same" for one in found.ratios if one.metric is Metric.REQUESTS_PER_S)
    assert [one.title for one in (*found.baseline, *found.other)] == ["k3f9x2ab:a", "k3f9x2ab:b"]
