"""From this kernel to the chart: real probes over slices of two labs, through a real InfluxDB."""

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

import probes.catalog
from coordinator.telemetry import kernel_latency
from domain.registry import discover
from domain.sample import StageHistogram, TrialTags
from probes.base import LabView, Probe
from probes.session import ProbeSession
from probes.stream import Stream
from tests.grafana import rows
from tests.kernel.probe_lab import ASK, ECHO, SERVER, ProbeLab, probe_lab
from tests.servers import private_influxd

pytestmark = [pytest.mark.e2e, pytest.mark.kernel, pytest.mark.usefixtures("kernel")]

SLICES = 3
QUESTIONS = 400


@dataclass(frozen=True)
class Influx:
    url: str
    token: str = ""
    org: str = ""
    bucket: str = "showdown"


def tags(run: str) -> TrialTags:
    return TrialTags("k3f9x2ab", run, "h1", "direct", "http_keepalive", "low")


def measured(
    session: ProbeSession, lab: ProbeLab, views: dict[str, LabView], idle: str
) -> dict[str, dict[str, StageHistogram]]:
    """Slices in turn on two runs: traffic in one, silence in the other."""
    sums: dict[str, dict[str, StageHistogram]] = {run: {} for run in views}
    for _ in range(SLICES):
        for run, view in views.items():
            session.begin_slice(view, tags(run))
            if run != idle:
                lab.run("client", ASK, SERVER, QUESTIONS)
            for (stage, _), growth in session.end_slice().stages.items():
                sums[run][stage] = sums[run].get(stage, StageHistogram()).plus(growth)
    return sums


def test_what_the_kernel_did_is_what_the_chart_shows(tmp_path: Path) -> None:
    catalog = discover(probes.catalog, Probe)
    with private_influxd(tmp_path) as url, probe_lab(os.getpid()) as lab, probe_lab(os.getpid()) as silent:
        stream = Stream.to_influx(url)
        session = ProbeSession(catalog, stream, "h1", interval_s=0.01, windowed=False)
        try:
            assert session.start(catalog) == {}
            with lab.running("server", ECHO) as origin:
                views = {"b1-1-0": lab.view(origin=(origin.pid,)), "b1-1-1": silent.view()}
                sums = measured(session, lab, views, idle="b1-1-1")
        finally:
            session.close()
            account = stream.close()
        assert session.failed == {}
        assert (account.delivered, account.lost, account.missing) == (account.produced, 0, "")
        influx = Influx(url)
        shown = {stage["stage"]: stage for stage in kernel_latency(influx, "k3f9x2ab", "b1-1-0")["stages"]}
        silence = {stage["stage"] for stage in kernel_latency(influx, "k3f9x2ab", "b1-1-1")["stages"]}
        events = rows(url, "showdown", "SELECT count(value_ns) FROM kernel_event")
    assert set(shown) == set(catalog)
    for name, stage in shown.items():
        assert sum(stage["count"]) == sums["b1-1-0"][name].count > 0, name
        assert sum(sum(bucket["counts"]) for bucket in stage["buckets"]) == sum(stage["count"]), name
        assert len(stage["times"]) > SLICES, "read within the slices, too"
    # One question and one answer cross the DUT; watching begins and ends a moment before and after the traffic.
    assert sums["b1-1-0"]["forward"].count == SLICES * QUESTIONS * 2
    assert sums["b1-1-0"]["run_queue"].count >= SLICES * QUESTIONS * 0.5
    assert silence <= {"net_rx_softirq"}, "the other lab's slices saw none of it"
    assert events[0]["values"][0][1] > 0
