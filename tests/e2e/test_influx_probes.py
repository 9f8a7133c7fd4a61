"""From this kernel to the chart: real probes over slices of two labs, through a real InfluxDB."""

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

import probes.catalog
from coordinator.telemetry.reader import kernel_latency
from domain.probes.sample import StageHistogram, TrialTags
from domain.probes.watched import StageRole
from domain.values.registry import discover
from probes.base import LabView, Probe
from probes.session import ProbeSession
from probes.stream.stream import Stream
from tests.grafana import rows
from tests.kernel.probes.probe_lab import ASK, ECHO, SERVER, ProbeLab, probe_lab
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
) -> dict[str, dict[StageRole, StageHistogram]]:
    """Slices in turn on two runs: traffic in one, silence in the other."""
    sums: dict[str, dict[StageRole, StageHistogram]] = {run: {} for run in views}
    for _ in range(SLICES):
        for run, view in views.items():
            session.begin_slice(view, tags(run))
            if run != idle:
                lab.run("client", ASK, SERVER, QUESTIONS)
            for key, growth in session.end_slice().stages.items():
                sums[run][key] = sums[run].get(key, StageHistogram()).plus(growth)
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
        shown = {
            StageRole(stage["stage"], stage["role"]): stage
            for stage in kernel_latency(influx, "k3f9x2ab", "b1-1-0")["stages"]
        }
        silence = {stage["stage"] for stage in kernel_latency(influx, "k3f9x2ab", "b1-1-1")["stages"]}
        events = rows(url, "showdown", "SELECT count(value_ns) FROM kernel_event")
    # Without a proxy there is no time in it, and nothing is spliced; work is counted and not timed.
    assert {key.stage for key in shown} == set(catalog) - {"proxy_residence", "splice_work", "work"}
    for key, stage in shown.items():
        assert sum(stage["count"]) == sums["b1-1-0"][key].count > 0, key
        assert sum(sum(bucket["counts"]) for bucket in stage["buckets"]) == sum(stage["count"]), key
        # There is one connect in each slice, and the kernel's own tasks may have nothing to do; all else goes on.
        assert len(stage["times"]) > SLICES or key.stage in ("connect", "run_queue"), "read within the slices, too"
    # One question and one answer cross the DUT; watching begins and ends a moment before and after the traffic.
    assert sums["b1-1-0"][StageRole("forward")].count == SLICES * QUESTIONS * 2
    assert sums["b1-1-0"][StageRole("run_queue", "origin")].count >= SLICES * QUESTIONS * 0.5
    # Softirqs, kworkers and ksoftirqd are the host's: they are seen whatever lab is watched.
    assert silence <= {"net_rx_softirq", "run_queue"}, "the other lab's slices saw none of it"
    assert events[0]["values"][0][1] > 0
