"""``make bench-scale``: the largest campaign by recorded trials, and what its blocks, its report and its pages cost.

A coordinator in a separate process takes 2,000 reports of 32 trials, as workers send them. From 90 % to 95 % a user
asks for the campaign's report all the time. Another coordinator, just started, answers for report, pages and exports.
CPU seconds and peak memory are those of that process. Trials have histograms of a thousand buckets; with ``--probes``
also readings of probes, and with ``--invalid`` each has its own finding instead. The last line is one JSON object.
``--blocks`` and ``--datapaths`` make the campaign smaller.
"""

import argparse
import json
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any, Protocol

import numpy as np

from domain.probes.place import Place
from domain.service.jobs import HostCapabilities, Variant
from domain.trials.histogram import LatencyHistogram
from tests.bench.scale_server import HOST, served
from tests.orderly import ends_in_order

WORKLOAD = "http_open"
LEVELS = 10
COPIES = 8  # of each datapath, so that comparisons include A/A
PATTERNS = 4  # different results of each level
REQUESTS = 20_000
STAGES = {f"stage_{number}": Place(order=10 * number) for number in range(1, 13)}
NEIGHBOURS = 10  # blocks whose median cost is shown: the first ones, and the last ones
BUSY = (0.90, 0.95)  # of the blocks: from there to there a user asks for the report all the time
FINGERPRINT = {"kernel": "6.18.2", "cpus": "2", "cpu_model": "a CPU", "boot_id": "1"}


def shape(blocks: int, datapaths: int, *, probes: bool, copies: int = COPIES, levels: int = LEVELS) -> dict[str, Any]:
    """A campaign of so many blocks of so many datapaths, over open levels."""
    return {
        "name": "largest",
        "datapaths": [f"dp{place // copies}" for place in range(datapaths)],
        "workloads": [WORKLOAD],
        "levels": {f"l{level}": f"open({1000 * (level + 1)})" for level in range(levels)},
        "blocks": blocks // levels,
        "slices": 1,
        "slice_s": 0.5,
        "open_slice_s": 1.0,
        "warm_up_s": 0,
        "probes": ["watcher"] if probes else [],
        "seed": 7,
    }


def a_host(datapaths: int, copies: int = COPIES) -> HostCapabilities:
    """A host that can run it."""
    names = dict.fromkeys(f"dp{place // copies}" for place in range(datapaths))
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


class Coordinator(Protocol):
    """A coordinator that is measured: its answers, and what they cost it."""

    def ask(self, method: str, path: str, body: Any = None) -> bytes:
        """The answer to a request; ``bytes`` are sent as they are."""

    def streamed_bytes(self, path: str) -> int:
        """The size of an answer that comes in parts."""

    def cpu_s(self) -> float:
        """Its CPU time so far."""

    def peak_mb(self) -> int:
        """Its largest resident memory so far."""


class Filling:
    """A campaign whose blocks are reported one after the other."""

    def __init__(
        self,
        coordinator: Coordinator,
        blocks: int,
        datapaths: int,
        *,
        probes: bool,
        invalid: bool,
        copies: int = COPIES,
        levels: int = LEVELS,
    ) -> None:
        self._coordinator, self._probes, self._invalid = coordinator, probes, invalid
        self._rng, self._recorded = np.random.default_rng(7), dict[tuple[str, int], bytes]()
        self.took: dict[str, list[float]] = {"report": [], "progress": []}
        coordinator.ask("PUT", f"worker/hosts/{HOST}", a_host(datapaths, copies).model_dump(mode="json"))
        wanted = shape(blocks, datapaths, probes=probes, copies=copies, levels=levels)
        self.campaign = json.loads(coordinator.ask("POST", "campaigns", wanted))["id"]

    def run(self, numbers: Iterable[int]) -> None:
        """Blocks as a worker runs them."""
        for number in numbers:
            self.add(number)
            self.ask_progress()

    def add(self, number: int) -> None:
        """Claim the next block and report it."""
        attempt = f"worker/blocks/{self.campaign}-{number}/attempts/1"
        job = json.loads(self._coordinator.ask("POST", f"{attempt}/claim", {"host": HOST}))
        result = self._result(job["block"]["level"], number, job["block"]["datapaths"])
        self._timed(
            "report", "PUT", f"{attempt}/report", b'{"lease":"%s","result":%s}' % (job["lease"].encode(), result)
        )

    def ask_progress(self) -> None:
        """As the worker does after each block."""
        self._timed("progress", "GET", f"worker/campaigns/{self.campaign}/progress")

    def _timed(self, name: str, method: str, path: str, body: bytes | None = None) -> None:
        began = self._coordinator.cpu_s()
        self._coordinator.ask(method, path, body)
        self.took[name].append(self._coordinator.cpu_s() - began)

    def _result(self, level: str, number: int, labels: list[str]) -> bytes:
        key = level, number // LEVELS % PATTERNS
        if key not in self._recorded or self._invalid:
            trials = [self._trial(label, level, number) for label in labels]
            result = {"host": HOST, "trials": trials, "wall_s": 3.0, "fingerprint": FINGERPRINT}
            self._recorded[key] = json.dumps(result, allow_nan=False).encode()
        return self._recorded[key]

    def _trial(self, label: str, level: str, number: int) -> dict[str, Any]:
        if not self._invalid:
            return a_trial(label, level, self._rng, probes=self._probes)
        detail = f"block {number}: the origin counted {number % 97} % of what {label} should have carried"
        return an_invalid_trial(label, level, detail)


def an_invalid_trial(label: str, level: str, detail: str) -> dict[str, Any]:
    """A trial without histograms, and a finding that no other trial has."""
    return {
        "datapath": label, "function": "steer", "workload": WORKLOAD, "level": level, "slices": [], "duration_s": 1.0,
        "requests": 0, "cpu": {"wall_s": 1.0, "cpus": 2, "idle_s": 1.0},
        "validity": {"findings": [{"reason": "bypassed", "detail": detail}]},
    }  # fmt: skip


def fill(
    coordinator: Coordinator, blocks: int, datapaths: int, *, probes: bool, invalid: bool = False
) -> dict[str, Any]:
    """Submit the campaign and report every block, as a worker does."""
    filling = Filling(coordinator, blocks, datapaths, probes=probes, invalid=invalid)
    report, (begin, end) = f"campaigns/{filling.campaign}/report", (int(share * blocks) for share in BUSY)
    filling.run(range(begin))
    with busy(coordinator, report) as asked:
        filling.run(range(begin, end))
    filling.run(range(end, blocks - 1))
    coordinator.ask("GET", report)
    filling.add(blocks - 1)
    warm = _asked(coordinator, "report_warm", report)
    filling.ask_progress()
    took = filling.took
    return {
        "campaign": filling.campaign,
        "accept_cpu_s": round(median(took["report"]), 4),
        "accept_first_cpu_s": round(median(took["report"][1 : NEIGHBOURS + 1]), 4),
        "accept_last_cpu_s": round(median(took["report"][-NEIGHBOURS:]), 4),
        "progress_cpu_s": round(median(took["progress"]), 4),
        "progress_mean_cpu_s": round(sum(took["progress"]) / blocks, 4),
        **warm,
        "reports_while_accepting": asked[0],
        "peak_while_accepting_mb": coordinator.peak_mb(),
    }


@contextmanager
def busy(coordinator: Coordinator, report: str) -> Iterator[list[int]]:
    """A user who asks for the report again and again; yields how often."""
    done, asked = threading.Event(), [0]

    def ask() -> None:
        while not done.is_set():
            coordinator.ask("GET", report)
            asked[0] += 1

    thread = threading.Thread(target=ask)
    thread.start()
    yield asked
    done.set()
    thread.join()


def read(coordinator: Coordinator, campaign_id: str) -> dict[str, Any]:
    """Ask for the report twice, for a page of trials, and for every trial."""
    base = f"campaigns/{campaign_id}"
    found: dict[str, Any] = {"peak_before_mb": coordinator.peak_mb()}
    for name, path in (
        ("report_cold", f"{base}/report"),
        ("report_again", f"{base}/report"),
        ("results_csv", f"{base}/results.csv"),
        ("trials_page", f"{base}/trials?limit=100"),
    ):
        found |= _asked(coordinator, name, path)
    found["peak_mb"] = coordinator.peak_mb()
    began = time.perf_counter()
    found["every_trial_mb"] = coordinator.streamed_bytes(f"{base}/trials") >> 20
    found["every_trial_s"] = round(time.perf_counter() - began, 1)
    return found | {"peak_with_export_mb": coordinator.peak_mb()}


def _asked(coordinator: Coordinator, name: str, path: str) -> dict[str, Any]:
    """Seconds of wall clock and of the coordinator's CPU time; on a busy machine they differ."""
    began, began_cpu = time.perf_counter(), coordinator.cpu_s()
    coordinator.ask("GET", path)
    seconds = {"s": time.perf_counter() - began, "cpu_s": coordinator.cpu_s() - began_cpu}
    return {f"{name}_{unit}": round(value, 3) for unit, value in seconds.items()}


def measured(blocks: int, datapaths: int, *, probes: bool, invalid: bool) -> dict[str, Any]:
    """Both processes, one after the other."""
    with tempfile.TemporaryDirectory() as name:
        with served(Path(name)) as coordinator:
            filled = fill(coordinator, blocks, datapaths, probes=probes, invalid=invalid)
        with served(Path(name)) as coordinator:
            found = read(coordinator, filled["campaign"])
    return {"blocks": blocks, "trials": blocks * datapaths, "probes": probes, "invalid": invalid, **filled, **found}


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--blocks", type=int, default=2000)
    parser.add_argument("--datapaths", type=int, default=32)
    parser.add_argument("--probes", action="store_true")
    parser.add_argument("--invalid", action="store_true")
    chosen = parser.parse_args()
    began = time.perf_counter()
    found = measured(chosen.blocks, chosen.datapaths, probes=chosen.probes, invalid=chosen.invalid)
    print(json.dumps({**found, "seconds": round(time.perf_counter() - began)}))


if __name__ == "__main__":
    ends_in_order()
    main()
