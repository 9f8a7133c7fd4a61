"""A campaign through the whole stack: submitted over REST, run on real datapaths, reported with proof."""

import csv
import io
import json
import os
import re
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest

from dashboards import generate
from deploy.cli.rest.client import Coordinator
from deploy.stack.stack import PrivateStack
from domain.reports.report import CampaignReport
from domain.trials.trial import TRANSIENT_REASONS
from tests import confinement
from tests.audit import unaccounted
from tests.e2e.conftest import TOLERANT, Running
from tests.grafana import rows, substituted, templates
from tests.host_noise import windows
from tests.leftovers import OWN
from tests.servers import own_environment
from workers.lab import netns
from workers.lab.spec import lab_tag

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("kernel")]

DATAPATHS = ["direct", "tproxy", "ebpf_sk_assign", "ebpf_redirect"]
SHORT = f"""
name = "short"
datapaths = {json.dumps(DATAPATHS)}
reference = "tproxy"
blocks = 1
slices = 1
slice_s = 0.5
warm_up_s = 0.1
probes = ["run_queue", "rx_steering", "forward", "net_rx_softirq"]
seed = 7
[levels]
low = "closed(8)"
"""
LONG = """
name = "long"
datapaths = ["direct", "tproxy"]
blocks = 1
slices = {slices}
slice_s = 0.5
warm_up_s = 0.0
[levels]
low = "closed(4)"
"""


SEARCH = """
name = "search"
datapaths = ["tproxy"]
blocks = 1
slices = 2
slice_s = 0.2
warm_up_s = 0.0
[levels]
slo = "capacity(p99<=20ms, steps<=5)"
"""


@pytest.fixture(scope="module")
def short(running: Running) -> str:
    """The id of a short campaign that has ended."""
    return running.run(SHORT)


def get(running: Running, path: str) -> httpx.Response:
    """An answer of the REST interface."""
    headers = {"Authorization": f"Bearer {running.stack.token}"}
    answer = httpx.get(f"{running.stack.url}/api/v1/{path}", headers=headers, trust_env=False, timeout=30)
    answer.raise_for_status()
    return answer


def labs_left(block_id: str, attempt: int = 1) -> list[str]:
    """The namespaces of an attempt."""
    return netns.names(f"sd-{lab_tag(block_id, attempt)}")


def trials_of(running: Running, campaign_id: str) -> list[dict[str, Any]]:
    """The trials of the campaign's last attempts."""
    trials: list[dict[str, Any]] = get(running, f"campaigns/{campaign_id}/trials").json()["trials"]
    return trials


def test_every_trial_has_its_proof(running: Running, short: str) -> None:
    trials = trials_of(running, short)
    assert {trial["datapath"] for trial in trials} == set(DATAPATHS)
    for trial in trials:
        assert set(trial["validity"]["reasons"]) <= TRANSIENT_REASONS, trial["validity"]
        assert trial["proof"]["accounted"] >= 0.99
        assert trial["proof"]["origin_requests"] > 0
        if trial["validity"]["valid"]:
            assert trial["requests_per_s"] > 0
            assert trial["cpu_us_per_request"] > 0
        else:
            assert trial["requests_per_s"] is None, "an invalid trial has no figure"


def test_the_report_is_one_object_with_every_cell(running: Running, short: str) -> None:
    report = CampaignReport.model_validate(get(running, f"campaigns/{short}/report").json())
    assert [cell.datapath for cell in report.results] == DATAPATHS
    for cell in report.results:
        assert cell.valid_trials + cell.invalid_trials == 1
    assert {verdict.datapath for verdict in report.verdicts} == set(DATAPATHS) - {"tproxy"}
    for verdict in report.verdicts:
        assert verdict.verdict in ("too_few_pairs", "none"), "one block is no evidence"
        assert verdict.ratio is verdict.low is None
    assert unaccounted(report.telemetry) == 0
    assert report.telemetry.delivered > 0
    assert report.telemetry.missing == ""


def test_results_and_verdicts_come_as_csv_too(running: Running, short: str) -> None:
    results = list(csv.DictReader(io.StringIO(get(running, f"campaigns/{short}/results.csv").text)))
    assert [row["datapath"] for row in results] == DATAPATHS
    verdicts = list(csv.DictReader(io.StringIO(get(running, f"campaigns/{short}/verdicts.csv").text)))
    assert {row["metric"] for row in verdicts} == {"requests_per_s", "cpu_us_per_request"}


def test_kernel_latency_of_a_trial_comes_from_influxdb(running: Running, short: str) -> None:
    trial = next(t for t in trials_of(running, short) if t["datapath"] == "tproxy")
    series = get(running, f"trials/{trial['id']}/kernel-latency").json()
    stages = {(stage["stage"], stage["role"]): stage for stage in series["stages"]}
    assert {("run_queue", "proxy"), ("run_queue", "origin"), ("net_rx_softirq", "")} <= set(stages)
    assert sum(sum(stage["count"]) for (name, _), stage in stages.items() if name == "rx_steering") > 0
    for reading in trial["probes"]:
        if stage := stages.get((reading["stage"], reading["role"])):
            assert sum(stage["count"]) == reading["count"], "the stream lost nothing of it"


def test_forwarding_is_seen_where_packets_are_forwarded(running: Running, short: str) -> None:
    counts: dict[str, Counter[str]] = {label: Counter() for label in DATAPATHS}
    for trial in trials_of(running, short):
        for reading in trial["probes"]:
            counts[trial["datapath"]][reading["stage"]] += reading["count"]
    assert counts["direct"]["forward"] > 0
    assert counts["tproxy"]["forward"] == 0, "a proxy ends connections; nothing is forwarded"
    assert counts["tproxy"]["run_queue"] > 0


# What a sound campaign of one closed block may lack: ratios, drops, trials that do not count, what open loops have.
MAYBE_EMPTY = {
    "showdown: Generator's lag by trial A",
    "showdown: Latency by trial A",
    "showdown: Requests that waited for a connection, by trial A",
    "showdown: Ratio to the reference: $metric A",
    "showdown: Prices, conditions and attacks A",  # a price needs five pairs
    "showdown: annotation Invalid trials",
    *("showdown: $figure A", "showdown: variable figure"),  # nothing in this campaign declares figures
    "showdown-hosts: Packets dropped by reason A",
}


def test_every_query_of_the_dashboards_finds_rows(running: Running, short: str) -> None:
    environment = running.stack.environment
    url = environment["SHOWDOWN_INFLUX_URL"].replace("://", f"://{environment['SHOWDOWN_INFLUX_TOKEN']}@")
    ended = f"SELECT * FROM campaign_event WHERE \"campaign\" = '{short}' AND \"kind\" = 'verdict'"
    deadline = time.monotonic() + 20
    while not rows(url, "showdown", ended):  # the last to come
        assert time.monotonic() < deadline, "the verdicts were not announced"
        time.sleep(0.2)
    variables = ("host", "datapath", "against", "workload", "level", "stage", "role", "metric", "work", "figure")
    values = {"campaign": short} | dict.fromkeys(variables, ".*")
    found = {
        name: rows(url, "showdown", substituted(query, values))
        for dashboard in generate.dashboards().values()
        for name, query in templates(dashboard)
    }
    valid = any(trial["validity"]["valid"] for trial in trials_of(running, short))
    figures = set() if valid else {name for name in found if "by trial" in name}  # host noise left no pair
    empty = {name for name, series in found.items() if not series}
    assert empty <= MAYBE_EMPTY | figures, empty - MAYBE_EMPTY - figures


def test_the_labs_are_gone_after_a_campaign(running: Running, short: str) -> None:
    assert {name for t in trials_of(running, short) for name in labs_left(t["block_id"])} == set()


def test_a_cancelled_campaign_leaves_no_lab_within_ten_seconds(running: Running) -> None:
    for window in windows():
        with window:
            campaign_id = str(running.coordinator.submit(LONG.format(slices=100))["id"])
            running.until(campaign_id, lambda view: (view["progress"] or {}).get("phase") == "slices")
            running.coordinator.cancel(campaign_id)
            began = time.monotonic()
            running.until(campaign_id, lambda view: view["state"] == "cancelled", 10)
            assert labs_left(f"{campaign_id}-0") == []
            assert time.monotonic() - began < 10


def test_a_killed_process_of_a_worker_costs_no_lease(running: Running) -> None:
    campaign_id = str(running.coordinator.submit(LONG.format(slices=100))["id"])
    running.until(campaign_id, lambda view: (view["progress"] or {}).get("phase") == "slices")
    worker = running.stack.pids["worker"]
    (child,) = Path(f"/proc/{worker}/task/{worker}/children").read_text().split()
    os.kill(int(child), signal.SIGKILL)
    running.coordinator.cancel(campaign_id)
    running.until(campaign_id, lambda view: view["state"] == "cancelled", 18)  # a lease is 20 s
    assert labs_left(f"{campaign_id}-0") == []


@pytest.fixture(scope="module")
def orphaned(running: Running) -> str:
    """The id of a campaign whose worker was killed in the midst of its block; the lease runs out meanwhile."""
    campaign_id = str(running.coordinator.submit(LONG.format(slices=7))["id"])
    running.until(campaign_id, lambda view: (view["progress"] or {}).get("phase") == "slices")
    assert labs_left(f"{campaign_id}-0")
    os.kill(running.stack.pids["worker"], signal.SIGKILL)
    return campaign_id


def test_a_campaign_finishes_without_influxdb_and_says_what_is_missing(orphaned: str) -> None:
    nobody = {"SHOWDOWN_INFLUX_URL": "http://127.0.0.1:9", "SHOWDOWN_INFLUX_TOKEN": "showdown:x"}
    with (
        OWN.directory("showdown-influx-") as directory,
        PrivateStack(directory, own_environment() | nobody, showdown=TOLERANT) as stack,
        Coordinator(stack.url, stack.token) as coordinator,
    ):
        alone = Running(stack, coordinator)
        campaign_id = alone.run(SHORT.replace(json.dumps(DATAPATHS), '["direct", "tproxy"]'))
        assert coordinator.campaign(campaign_id)["state"] == "complete"
        telemetry = coordinator.report(campaign_id).telemetry
        assert telemetry.spooled > 0, "it waits on the host's disk"
        assert (telemetry.lost, telemetry.delivered, unaccounted(telemetry)) == (0, 0, 0)
        assert "cannot be reached" in telemetry.missing
        trial = trials_of(alone, campaign_id)[0]
        with pytest.raises(httpx.HTTPStatusError, match="503"):
            get(alone, f"trials/{trial['id']}/kernel-latency")


def test_a_worker_killed_mid_block_still_ends_in_a_complete_campaign(running: Running, orphaned: str) -> None:
    campaign_id = orphaned
    view = running.until(campaign_id, lambda view: view["state"] in {"complete", "failed"}, 90)
    assert view["state"] == "complete"
    report = running.coordinator.report(campaign_id)
    assert report.failed_attempts[0].attempt == 1
    # Its successor reports it; by then the lease may have ended.
    assert re.search("was killed while it ran this attempt|stopped reporting", report.failed_attempts[0].reason)
    assert {trial["attempt"] for trial in trials_of(running, campaign_id)} >= {2}
    assert labs_left(f"{campaign_id}-0") == [], "what the killed worker left is swept"
    assert list(Path("/run/showdown").glob(f"{lab_tag(f'{campaign_id}-0', 1)}*")) == []


@pytest.mark.alone
@pytest.mark.timeout(600)  # host noise repeats its blocks
def test_a_search_for_a_capacity_runs_its_chain(strict: Running) -> None:
    for window in windows():
        with window:  # host noise may spoil the calibration, and with it the search
            campaign_id = strict.run(SEARCH, timeout_s=400)
            view = strict.coordinator.campaign(campaign_id)
            assert view["state"] == "complete", view["error"]
    trials = [t for t in get(strict, f"campaigns/{campaign_id}/trials").json()["trials"] if not t["calibration"]]
    asked: dict[str, list[int]] = {}
    for trial in trials:
        rate = int(trial["load"].rpartition(": ")[2][:-2].replace(",", ""))
        asked.setdefault(trial["datapath"], []).append(rate)
        if trial["validity"]["valid"]:
            # Arrivals are Poisson: over the trial's slices their count varies by its square root.
            due_per_s = trial["due"] / trial["duration_s"]
            assert due_per_s == pytest.approx(rate, rel=0.02 + 4 / (rate * trial["duration_s"]) ** 0.5)
            # What was under way at a slice's end was not delivered in it: one latency's worth of requests.
            pending = sum(part["pending_middle"] for part in trial["slices"] if not part["probed"])
            assert trial["delivered"] >= 0.98 * trial["due"] - 2 * pending - 4 * trial["due"] ** 0.5
            assert trial["requests_per_s"] == pytest.approx(trial["delivered"] / trial["duration_s"], rel=0.01)
    for rates in asked.values():
        assert 2 < len(set(rates)) <= 5  # the next rate follows from what the one before gave
    results = get(strict, f"campaigns/{campaign_id}/results").json()["results"]
    assert {result["datapath"] for result in results} == set(asked) == {"tproxy"}
    for result in results:
        figure, found = result["slo_capacity_per_s"], result["slo_search"]
        # On a machine that others use, a search may end without a figure; it then says why, and never guesses.
        assert figure is not None or result["caveats"]
        if figure is not None:
            assert found["lower_per_s"] <= figure <= found["upper_per_s"]
            # Bounds follow from all trials together, so there need not be one beyond each.
            assert 0 <= found["met"] <= found["met_of"]
            assert 0 <= found["missed"] <= found["missed_of"]


@pytest.mark.skipif(not confinement.is_possible(), reason="systemd-analyze or libseccomp is not installed")
def test_this_stack_is_confined_as_its_systemd_units_confine_it(running: Running) -> None:
    for name in ("coordinator", "ticker", "worker"):
        status = Path(f"/proc/{running.stack.pids[name]}/status").read_text()
        assert "\nNoNewPrivs:\t1\n" in status
        assert "\nSeccomp:\t2\n" in status
