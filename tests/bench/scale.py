"""``make bench-scale``: the largest campaign by recorded trials, and what its blocks, its report and its pages cost.

One process takes 2,000 reports of 32 trials over the API, as workers send them. Another one, just started, answers for
the report, the pages and the exports. Trials have histograms of a thousand buckets, and readings of probes with
``--probes``. The last line is one JSON object. ``--blocks`` and ``--datapaths`` make the campaign smaller.
"""

import argparse
import json
import resource
import secrets
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from werkzeug.test import TestResponse

from coordinator.app import create_app
from coordinator.config import load_settings
from coordinator.services import EXTENSION
from coordinator.store import records
from coordinator.store.database import Store
from coordinator.store.enrolments import enrol
from domain.histogram import LatencyHistogram
from domain.host_tokens import RANDOM_BYTES, hash_of, token_of
from domain.jobs import HostCapabilities, Variant
from domain.place import Place
from tests.unit.coordinator.recording_dispatcher import RecordingDispatcher

HOST, WORKLOAD = "h1", "http_open"
LEVELS = 10
COPIES = 8  # of each datapath, so that comparisons include A/A
PATTERNS = 4  # different results of each level
REQUESTS = 20_000
STAGES = {f"stage_{number}": Place(order=10 * number) for number in range(1, 13)}
FINGERPRINT = {"kernel": "6.18.2", "cpus": "2", "cpu_model": "a CPU", "boot_id": "1"}


def shape(blocks: int, datapaths: int, *, probes: bool) -> dict[str, Any]:
    """A campaign of so many blocks of so many datapaths, over ten open levels."""
    return {
        "name": "largest",
        "datapaths": [f"dp{place // COPIES}" for place in range(datapaths)],
        "workloads": [WORKLOAD],
        "levels": {f"l{level}": f"open({1000 * (level + 1)})" for level in range(LEVELS)},
        "blocks": blocks // LEVELS,
        "slices": 1,
        "slice_s": 0.5,
        "open_slice_s": 1.0,
        "warm_up_s": 0,
        "probes": ["watcher"] if probes else [],
        "seed": 7,
    }


def a_host(datapaths: int) -> HostCapabilities:
    """A host that can run it."""
    names = dict.fromkeys(f"dp{place // COPIES}" for place in range(datapaths))
    stages = tuple(Variant(name=name, stage=name, place=place) for name, place in STAGES.items())
    return HostCapabilities(
        host=HOST,
        datapaths=tuple(Variant(name=name, function="steer", protocols=("tcp",)) for name in names),
        workloads=(Variant(name=WORKLOAD, level_kinds=("open", "closed"), protocols=("tcp",)),),
        probes=(Variant(name="watcher", stage="watcher", place=Place(order=500)), *stages),
        fingerprint=FINGERPRINT,
    )


def a_trial(label: str, level: str, rng: np.random.Generator, *, probes: bool) -> dict[str, Any]:
    """A recorded trial."""
    times_ns = (200_000 * np.exp(rng.normal(0, 0.5, REQUESTS))).astype(int)
    values, counts = np.unique(times_ns // 500 * 500 + 100, return_counts=True)
    latency = LatencyHistogram.of(dict(zip(values.tolist(), counts.tolist(), strict=True))).encode()
    lag = LatencyHistogram.of({2_000 + 10 * step: 100 for step in range(200)}).encode()
    counted = {"requests": REQUESTS, "due": REQUESTS, "delivered": REQUESTS, "queued": 0}
    one = {"started_s": 1.0, "duration_s": 1.0, "connections": 8, "bytes_received": 160_000, **counted}
    busy_s = 1.0 + 0.05 * float(rng.normal())
    trial = {
        "datapath": label, "function": "steer", "workload": WORKLOAD, "level": level, "slices": [one] * 4,
        "duration_s": 1.0, "cpu": {"wall_s": 1.0, "cpus": 2, "idle_s": 2 - busy_s}, "latency": latency,
        "service_time": latency, "timings": {"schedule_lag": lag}, "validity": {"findings": []}, **counted,
    }  # fmt: skip
    return trial | (_watched(latency, one, rng) if probes else {})


def _watched(latency: str, one: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    readings = [
        {"stage": stage, "role": role, "count": 1000, "events": 20_000.0, "matched": 1.0,
         "sum_ns": int(1_000_000 * (1 + 0.1 * rng.random()))}
        for stage in STAGES for role in ("client", "dut", "server")
    ]  # fmt: skip
    return {
        "slices": [one, one, one, one | {"probed": True}],
        "probes": readings,
        "work": {f"kind_{number}": 1000.0 * number for number in range(10)},
        "watched_latency": latency,
    }


class Showdown:
    """A coordinator in this process, and its callers."""

    def __init__(self, directory: Path) -> None:
        self.settings = load_settings({"SHOWDOWN_STATE_DIR": str(directory)})
        self.store, self.dispatcher = Store(self.settings.database_url), RecordingDispatcher()
        self.store.migrate()
        self.app = create_app(self.settings, store=self.store, dispatcher=self.dispatcher)
        self.client = self.app.test_client()
        self._host_token = token_of(secrets.token_bytes(RANDOM_BYTES))
        with self.store.write() as session:
            enrol(session, HOST, hash_of(self._host_token), time.time(), replace=True)

    def ask(self, method: str, path: str, body: Any = None) -> TestResponse:
        """As a worker below /worker, else as a user; anything but success is an error."""
        token = self._host_token if path.startswith("worker") else self.settings.token
        headers = {"Authorization": f"Bearer {token}"}
        answer = self.client.open(f"/api/v1/{path}", method=method, json=body, headers=headers, buffered=False)
        if answer.status_code >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {answer.text}")
        return answer


def fill(directory: Path, blocks: int, datapaths: int, *, probes: bool) -> dict[str, Any]:
    """Submit the campaign and report every block, as a worker does."""
    showdown, rng = Showdown(directory), np.random.default_rng(7)
    showdown.ask("PUT", f"worker/hosts/{HOST}", a_host(datapaths).model_dump(mode="json"))
    campaign_id = json.loads(showdown.ask("POST", "campaigns", shape(blocks, datapaths, probes=probes)).text)["id"]
    recorded: dict[tuple[str, int], list[dict[str, Any]]] = {}
    took: dict[str, list[float]] = {"report": [], "progress": []}
    for number in range(blocks):
        message = showdown.dispatcher.sent[-1][1]
        attempt = f"worker/blocks/{message.block_id}/attempts/{message.attempt}"
        job = json.loads(showdown.ask("POST", f"{attempt}/claim", {"host": HOST}).text)
        key = job["block"]["level"], number // LEVELS % PATTERNS
        if key not in recorded:
            recorded[key] = [a_trial(label, key[0], rng, probes=probes) for label in job["block"]["datapaths"]]
        result = {"host": HOST, "trials": recorded[key], "wall_s": 3.0, "fingerprint": FINGERPRINT}
        for name, call in (
            ("report", ("PUT", f"{attempt}/report", {"lease": job["lease"], "result": result})),
            ("progress", ("GET", f"worker/campaigns/{campaign_id}/progress", None)),
        ):
            began = time.process_time()
            showdown.ask(*call).get_data()
            took[name].append(time.process_time() - began)
    return {
        "campaign": campaign_id,
        "accept_cpu_s": round(median(took["report"]), 4),
        "accept_last_cpu_s": round(median(took["report"][-20:]), 4),
        "progress_cpu_s": round(median(took["progress"]), 4),
        "progress_mean_cpu_s": round(sum(took["progress"]) / blocks, 4),
        "peak_while_accepting_mb": _peak_mb(),
    }


def read(directory: Path, campaign_id: str) -> dict[str, Any]:
    """Ask for the report twice, for a page of trials, and for every trial."""
    showdown, base = Showdown(directory), f"campaigns/{campaign_id}"
    found: dict[str, Any] = {"peak_before_mb": _peak_mb()}
    for name, path in (
        ("report_cold", f"{base}/report"),
        ("report_again", f"{base}/report"),
        ("results_csv", f"{base}/results.csv"),
        ("trials_page", f"{base}/trials?limit=100"),
    ):
        found |= _asked(showdown, name, path)
    found |= _warm(showdown, campaign_id)
    found["peak_mb"] = _peak_mb()
    began, size = time.perf_counter(), 0
    for part in showdown.ask("GET", f"{base}/trials").iter_encoded():
        size += len(part)
    found["every_trial_s"], found["every_trial_mb"] = round(time.perf_counter() - began, 1), size >> 20
    return found | {"peak_with_export_mb": _peak_mb()}


def _warm(showdown: Showdown, campaign_id: str) -> dict[str, Any]:
    """A report after one more block, whose digest alone is read."""

    with showdown.store.read() as session:
        known = records.cache_of(session)
    newest = sorted(known.of(campaign_id))[-1]
    known.drop(campaign_id, newest)
    showdown.app.extensions[EXTENSION].reports.clear()
    return _asked(showdown, "report_warm", f"campaigns/{campaign_id}/report")


def _asked(showdown: Showdown, name: str, path: str) -> dict[str, Any]:
    """Seconds of wall clock and of this process's CPU time; on a busy machine they differ."""
    began, began_cpu = time.perf_counter(), time.process_time()
    showdown.ask("GET", path).get_data()
    seconds = {"s": time.perf_counter() - began, "cpu_s": time.process_time() - began_cpu}
    return {f"{name}_{unit}": round(value, 3) for unit, value in seconds.items()}


def _peak_mb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


def measured(blocks: int, datapaths: int, *, probes: bool) -> dict[str, Any]:
    """Both processes, one after the other."""
    with tempfile.TemporaryDirectory() as directory:
        size = ["--blocks", str(blocks), "--datapaths", str(datapaths), *(["--probes"] if probes else [])]
        filled = _child("--fill", directory, *size)
        found = _child("--read", directory, "--campaign", filled["campaign"])
    return {"blocks": blocks, "trials": blocks * datapaths, "probes": probes, **filled, **found}


def _child(*arguments: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.bench.scale", *arguments]
    ended = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    found: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--blocks", type=int, default=2000)
    parser.add_argument("--datapaths", type=int, default=32)
    parser.add_argument("--probes", action="store_true")
    parser.add_argument("--campaign", default="")
    for part in ("--fill", "--read"):
        parser.add_argument(part, type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.fill:
        found = fill(chosen.fill, chosen.blocks, chosen.datapaths, probes=chosen.probes)
    elif chosen.read:
        found = read(chosen.read, chosen.campaign)
    else:
        found = measured(chosen.blocks, chosen.datapaths, probes=chosen.probes)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
