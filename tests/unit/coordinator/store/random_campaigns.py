"""Campaigns with random results: open, closed and searched levels, retries, noise, two kernels, probes."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from coordinator.scheduling.lifecycle import accepted_attempt
from coordinator.scheduling.records import AttemptRecord, SearchStep
from domain.campaigns.campaign import Campaign, read_campaign
from domain.trials.episodes import LADDER_NS
from domain.trials.histogram import LatencyHistogram
from domain.trials.trial import BlockResult

WORKLOAD = "http_open"
LABELS = ("tproxy", "ebpf_sk_assign", "direct", "tproxy#2")
LEVELS = {
    "low": "closed(8)",
    "slow": "open(1000)",
    "half": "open(2000)",
    "busy": "open(4000)",
    "ramp": "open(1000..4000, ramp)",
    "slo": "capacity(p99<=5ms)",
}
RECORD = {
    "state": "complete",
    "calibration": {WORKLOAD: {"load": "closed(64)", "capacities_per_s": dict.fromkeys(LABELS, 9000.0)}},
}
_FINGERPRINTS = (
    {"kernel": "6.18.1", "boot_id": "a", "cpus": "2"},
    {"kernel": "6.18.1", "boot_id": "b", "cpus": "2"},
    {"kernel": "6.18.2", "boot_id": "c", "cpus": "2"},
)
_REASONS = ("bypassed", "overloaded", "errors", "drops", "steal", "interference", "probe_loss", "no_requests")
_STAGES = (("run_queue", "proxy"), ("device_hop", ""), ("notify", ""), ("proxy_residence", "to_origin"))


class Result(NamedTuple):
    """An attempt of a block, and its result; ``None`` if it was lost."""

    block: int
    level: str
    attempt: int
    search: tuple[int, int] | None
    result: BlockResult | None


def a_campaign(seed: int) -> Campaign:
    """The same design for every seed."""
    expect = {"fast": "tproxy.p99_us@half <= 5000", "alike": "ebpf_sk_assign.cpu_us_per_request <= 1.2 * tproxy"}
    shape = {"levels": LEVELS, "workloads": [WORKLOAD], "blocks": 6, "slices": 4, "open_slice_s": 1, "expect": expect}
    names = [label.partition("#")[0] for label in LABELS]
    return read_campaign({"name": "random", "datapaths": names, "probes": ["run_queue"], "seed": seed, **shape})


def results(seed: int) -> Iterator[Result]:
    """Every attempt of a campaign, by block and number."""
    rng, index = np.random.default_rng(seed), 0
    noisy = rng.choice([0.0, 0.02, 0.2])
    for level in LEVELS:
        steps = [(chain, step) for chain in range(2) for step in range(4)] if level == "slo" else [None] * 6
        for search in steps:
            for attempt in range(1, int(rng.choice([1, 1, 1, 2, 3])) + 1):
                lost = rng.random() < 0.1
                yield Result(index, level, attempt, search, None if lost else a_result(rng, level, noisy))
            index += 1


def a_result(rng: np.random.Generator, level: str, noisy: float) -> BlockResult:
    """A block of four trials."""
    place = int(rng.choice(3, p=[0.8, 0.12, 0.08]))
    trials = [_trial(rng, label, level, noisy) for label in LABELS]
    account = {"produced": int(rng.integers(100)), "lost": 1, "losses": {"queue_full": 1}}
    body = {"host": "h1", "trials": trials, "wall_s": float(rng.random()), "telemetry": account}
    return BlockResult.model_validate({**body, "fingerprint": _FINGERPRINTS[place]})


def _times(rng: np.random.Generator, count: int) -> str:
    values, counts = np.unique(rng.lognormal(12.5, 0.8, count).astype(int) // 50_000 * 50_000 + 20, return_counts=True)
    return LatencyHistogram.of(dict(zip(values.tolist(), counts.tolist(), strict=True))).encode()


def _trial(rng: np.random.Generator, label: str, level: str, noisy: float) -> dict[str, Any]:
    is_open, count = level != "low", int(rng.integers(300, 4000))
    reasons = [str(one) for one in rng.choice(_REASONS, 2) if rng.random() < noisy]
    due = {"due": count + int(rng.integers(5)), "queued": int(rng.integers(9))} if is_open else {}
    counted = {"requests": count, "delivered": count - int(rng.integers(5)), **due}
    slices = [
        {"started_s": 1.0 * number, "duration_s": 1.0, "connections": 8, "bytes_received": 1, **counted,
         "carried": bool(rng.random() < 0.8) if is_open else None, "latency_p99_ns": int(rng.integers(10_000_000)),
         "probed": number == 3, "steal_s": float(rng.random() < 0.1)}
        for number in range(4)
    ]  # fmt: skip
    trial = {
        "datapath": label, "function": "forward" if label == "direct" else "steer", "workload": WORKLOAD,
        "role": "limit" if label == "direct" else "", "level": level, "slices": slices, "duration_s": 3.0, **counted,
        "cpu": {"wall_s": 3.0, "cpus": 2, "idle_s": float(3 * rng.random()), "steal_s": float(rng.random() / 9)},
        "service_time": _times(rng, count), "watched_latency": _times(rng, count), "idle_cpu_s_per_s": 0.01,
        "validity": {"findings": [{"reason": one, "detail": f"{one} of {label}"} for one in dict.fromkeys(reasons)]},
        "probes": [_reading(rng, *stage) for stage in _STAGES if rng.random() < 0.9],
        "work": {"packets": float(rng.integers(9999)), "switches": float(rng.integers(9999))},
        "offloads": {"gro": bool(rng.random() < 0.9), "tso": True},
        "surroundings": {"conntrack_entries": int(rng.integers(3)), "ballast_packets": int(rng.integers(9))},
    }  # fmt: skip
    if is_open and rng.random() < 0.95:
        counts = sorted((int(n) for n in rng.integers(0, 60, len(LADDER_NS))), reverse=True)
        trial |= {"latency": _times(rng, count), "timings": {"schedule_lag": _times(rng, 200)}, "censored": 3}
        trial |= {"episodes": {"counts": counts}} if rng.random() < 0.97 else {}
        trial |= {"window_times": {"requests": 50, "service_time_ns": 5_000_000, "latency_ns": 6_000_000}}
    return trial


def _reading(rng: np.random.Generator, stage: str, role: str) -> dict[str, Any]:
    count = int(rng.integers(3)) * 100
    return {
        "stage": stage, "role": role, "count": count, "events": 10.0 * count, "sum_ns": count * int(rng.integers(9999)),
        "matched": float(rng.choice([0.3, 1.0])) if count else None, "applies": bool(rng.random() < 0.95),
    }  # fmt: skip


def records(seed: int) -> list[AttemptRecord]:
    """The attempts with their whole results, as the analysis takes them from memory."""
    every = list(results(seed))
    chosen = {
        index: accepted_attempt(
            (one.attempt, None if one.result is None else not one.result.environment)
            for one in every
            if one.block == index
        )
        for index in {one.block for one in every}
    }
    return [
        AttemptRecord(
            block_index=one.block, block_id=f"k3f9x2ab-{one.block}", workload=WORKLOAD, level=one.level,
            attempt=one.attempt, host="h1", state="done" if one.result else "lost",
            reason="" if one.result else "the worker on h1 stopped reporting",
            accepted=one.attempt == chosen[one.block], result=one.result, search=step_of(one),
        )
        for one in every
    ]  # fmt: skip


def step_of(one: Result) -> SearchStep | None:
    """The place of an attempt in its search."""
    if one.search is None:
        return None
    return SearchStep(*one.search, dict.fromkeys(LABELS, 1000 * (one.search[1] + 1)), ended=True)
