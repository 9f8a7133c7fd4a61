"""Read the last line of showdown-traffic: the results per target, and which target failed. Pure.

workers/traffic/README.md describes the line.
"""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from domain.hosts.cpu_time import CpuTime
from domain.trials.histogram import LatencyHistogram
from domain.values.texts import error_text
from workers.lab.host_cpu import host_ticks
from workers.traffic.base import Negotiated, Received, SliceTraffic, TargetTraffic
from workers.traffic.event import Failed
from workers.traffic.timeline import Timeline

OF_A_CLIENT = re.compile(r"^client \d+ of \d+\b")
"""A failure of one of several clients, reported by any of them."""

DATAGRAM_COUNTS = ("datagrams_sent", "datagrams_back", "datagrams_reordered")

_LIMITS = ("open files", "source port", "descriptors", "ports", "Cannot assign requested address")
_BLAMED = re.compile(r"^target (t\d+)\b")


def read_final(final: Mapping[str, Any], labels: Mapping[str, str]) -> dict[str, TargetTraffic]:
    """The results in the last line, by label. An invalid line is a failed generator, never a result of 0.

    ``labels`` is by the names that the generator uses. If a target prevented the run, it is the only result.
    """
    try:
        failure = _named(final["failure"], labels)
        blamed = labels.get(match[1]) if (match := _BLAMED.match(final["failure"])) else None
        if final["failure"] and not final.get("slices"):
            nothing = TargetTraffic(failure=failure, limit=failure if _is_limit(failure) else "")
            return dict.fromkeys([blamed] if blamed else labels.values(), nothing)
        if OF_A_CLIENT.match(final["failure"]):
            return {label: TargetTraffic(failure=final["failure"]) for label in labels.values()}
        if final["interrupted"]:
            return {label: TargetTraffic(failure="interrupted") for label in labels.values()}
        shares = [thread["share"] for thread in final["threads"]]
        results = {}
        for name, label in labels.items():
            result = _target(final, name, shares)
            met = _is_limit(failure) and blamed in (None, label)
            results[label] = replace(result, limit=failure if met else "")
        return results
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        failure = f"showdown-traffic printed garbage ({error_text(error)})"
        return {label: TargetTraffic(failure=failure) for label in labels.values()}


def _target(final: Mapping[str, Any], name: str, shares: Sequence[float]) -> TargetTraffic:
    total = final["targets"][name]
    errors = {cause: int(count) for cause, count in total["errors"].items()}
    if total["in_flight"]:
        errors["unanswered"] = int(total["in_flight"])
    closed, mine = final["loop"] == "closed", (s for s in final["slices"] if s["target"] == name)
    return TargetTraffic(
        slices=tuple(_slice(line, closed, len(shares)) for line in mine if line["drained_ns"]),
        connections=int(total["connections"]),
        errors=errors,
        unsent=int(total["unsent"]),
        censored=int(total["censored"]),
        timings={timing: LatencyHistogram.decode(one["hdr"]) for timing, one in total["histograms"].items()},
        busiest_thread_share=max(shares, default=0.0),
        real_time=None if closed else all(thread["real_time"] for thread in final["threads"]),
        tls=_negotiated(total["tls"]) if "tls" in total else None,
        named={str(one): int(count) for one, count in total.get("named", {}).items()},
    )


def _negotiated(line: Mapping[str, Any]) -> Negotiated:
    return Negotiated({name: int(count) for name, count in line["handshakes"].items()}, int(line["verified"]))


def _slice(line: Mapping[str, Any], closed: bool, threads: int) -> SliceTraffic:
    return SliceTraffic(
        started_s=line["start_ns"] / 1e9,
        duration_s=line["length_ns"] / 1e9,
        requests=line["requests"],
        delivered=line["delivered"],
        due=None if closed else line["sent"] + line["unsent"],
        queued=None if closed else line["queued"],
        pending_middle=line["pending_middle"],
        pending_end=line["pending_end"],
        bytes_received=line["bytes_received"],
        bytes_sent=line["bytes_sent"],
        errors={"any": line["errors"]} if line["errors"] else {},
        cpu=cpu_of(line),
        warm_up=line["warm_up"],
        stalled_s=line["stalled_ns"] / 1e9 / threads,
        begun_s=line["begun_ns"] / 1e9 if line["begun_ns"] else None,
        timeline=_timeline(line["timeline"]) if "timeline" in line else None,
        slow=line.get("slow"),
        counts={name: int(line[name]) for name in DATAGRAM_COUNTS if line.get(name)},
        latency_p99_ns=None if closed else line.get("latency", {}).get("p99_ns"),
        received=_received(line["received"]) if "received" in line else None,
        failed=_failed(line["failed"]) if "failed" in line else None,
    )


def _received(columns: Mapping[str, Any]) -> Received:
    return Received(columns["step_ns"] / 1e9, tuple(tuple(steps) for steps in columns["bytes"]))


def _failed(columns: Mapping[str, Any]) -> Failed:
    return Failed(columns["step_ns"] / 1e9, tuple(columns["lost"]), tuple(columns["errors"]))


def _timeline(columns: Mapping[str, Any]) -> Timeline:
    times = (tuple(columns.get(name, ())) for name in ("requests", "service_time_ns", "latency_ns"))
    return Timeline(columns["step_ns"] / 1e9, *times)


def cpu_of(line: Mapping[str, Any]) -> CpuTime:
    """The host's CPU time of a slice's line, from its start until it had drained."""
    ticks = line["host_cpu_ticks"]
    per_s = float(os.sysconf("SC_CLK_TCK"))
    return CpuTime(
        wall_s=max(0, line["drained_ns"] - line["start_ns"]) / 1e9,
        cpus=host_ticks().cpus,
        user_s=(ticks["user"] + ticks["nice"]) / per_s,
        system_s=ticks["system"] / per_s,
        irq_s=ticks["irq"] / per_s,
        softirq_s=ticks["softirq"] / per_s,
        steal_s=ticks["steal"] / per_s,
        idle_s=(ticks["idle"] + ticks["iowait"]) / per_s,
    )


def _named(failure: str, labels: Mapping[str, str]) -> str:
    return _BLAMED.sub(lambda match: f"target {labels.get(match[1], match[1])}", failure)


def _is_limit(failure: str) -> bool:
    return any(words in failure for words in _LIMITS)
