"""Merge the results of several clients of one lab. Pure; the order of the clients does not matter.

The merged result is the one that a single client would have recorded. Counts and errors are added up. Histograms are
merged (percentiles are never averaged). All clients must have had the same slices. The host's CPU time and the elapsed
time exist once, so they are taken once.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from statistics import median
from typing import Any, TypeVar

from domain.trials.episodes import merged_steps
from domain.trials.histogram import LatencyHistogram
from workers.traffic.base import MAX_STALL_SHARE, Negotiated, SliceTraffic, TargetTraffic
from workers.traffic.event import Failed
from workers.traffic.results import OF_A_CLIENT
from workers.traffic.timeline import Timeline

# How far apart the clients may begin a slice, as the median over slices: an absolute limit, and a share of the slice.
# Beyond both, fewer clients made a part of the traffic. Threads that share a CPU begin one after another. On a busy
# host one of many slices may begin late for one client: that is host noise, which is a separate reason.
MAX_SKEW_S = 0.005
MAX_SKEW_SHARE = 0.1
ENOUGH_FOR_ALL = 20  # mean requests per client at which a client without any request has failed

V = TypeVar("V")


def merged_targets(parts: Mapping[str, Mapping[str, TargetTraffic]]) -> dict[str, TargetTraffic]:
    """Merge the results by client and label. If a client could not reach a target, it is the only result."""
    labels = {label for part in parts.values() for label in part}
    for name, part in parts.items():
        if set(part) != labels:
            return {label: replace(one, failure=f"{name}: {one.failure}") for label, one in part.items()}
    return {label: merged({name: part[label] for name, part in parts.items()}) for label in sorted(labels)}


def merged(parts: Mapping[str, TargetTraffic]) -> TargetTraffic:
    """The traffic of one target, from that of each client by name. Failures and limits name their client."""
    named = dict(sorted(parts.items()))
    if failure := _failure(named):
        return TargetTraffic(failure=failure, limit=_joined(_limits(named)))
    if apart := _different_slices(named):
        return TargetTraffic(failure=apart)
    every = list(named.values())
    by_slice = list(zip(*(part.slices for part in every), strict=True))
    requests = {name: part.requests for name, part in named.items()}
    idle = [name for name, count in requests.items() if not count]
    if idle and sum(requests.values()) >= ENOUGH_FOR_ALL * len(requests):
        failure = f"{', '.join(idle)} completed no request, where all together completed {sum(requests.values())}"
    return TargetTraffic(
        slices=tuple(map(_slice, by_slice)),
        connections=sum(part.connections for part in every),
        errors=sums([part.errors for part in every]),
        unsent=sum(part.unsent for part in every),
        censored=sum(part.censored for part in every),
        timings=by_name([part.timings for part in every], LatencyHistogram.merged),
        busiest_thread_share=max(part.busiest_thread_share for part in every),
        limit=_joined([*_limits(named), *_stalled(named), *_skewed(named, by_slice)]),
        failure=failure,
        clients=requests,
        tls=negotiated([part.tls for part in every]),
        named=sums([part.named for part in every]),
        real_time=all_of(part.real_time for part in every),
    )


def all_of(granted: Iterable[bool | None]) -> bool | None:
    """Whether all have what they asked for; ``None`` if none asked."""
    asked = [one for one in granted if one is not None]
    return all(asked) if asked else None


def merged_line(lines: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Merge the lines of running generators about the same slice or the same second."""
    first = lines[0]
    if first["type"] == "second":
        by_target = {name: [line["targets"][name] for line in lines] for name in first["targets"]}
        return {**first, "targets": {name: _merged_counts(parts) for name, parts in by_target.items()}}
    return _merged_counts(lines)


def _merged_counts(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    counts = [key for key in ("requests", "sent", "delivered") if key in parts[0]]
    one = dict(parts[0]) | {key: sum(line[key] for line in parts) for key in counts}
    errors = [line["errors"] for line in parts]
    one["errors"] = sum(errors) if isinstance(errors[0], int) else sums(errors)
    for timing in {"latency", "service_time"} & set(one):
        times = LatencyHistogram.merged(LatencyHistogram.decode(line[timing]["hdr"]) for line in parts)
        one[timing] = {"p50_ns": times.percentile_ns(50), "p99_ns": times.percentile_ns(99)}
    return one


def _slice(parts: Sequence[SliceTraffic]) -> SliceTraffic:
    begun = [part.begun_s for part in parts if part.begun_s is not None]
    slow = [part.slow for part in parts if part.slow is not None]
    timelines = [part.timeline for part in parts if part.timeline is not None]
    failed = [part.failed for part in parts if part.failed is not None]
    return replace(
        parts[0],
        requests=sum(part.requests for part in parts),
        delivered=_sum_of_known(part.delivered for part in parts),
        due=_sum_of_known(part.due for part in parts),
        queued=_sum_of_known(part.queued for part in parts),
        pending_middle=sum(part.pending_middle for part in parts),
        pending_end=sum(part.pending_end for part in parts),
        bytes_received=sum(part.bytes_received for part in parts),
        bytes_sent=sum(part.bytes_sent for part in parts),
        errors=sums([part.errors for part in parts]),
        counts=sums([part.counts for part in parts]),
        # The host's CPU time, which is read once for all clients and is the same in every part.
        cpu=max((part.cpu for part in parts), key=lambda cpu: (cpu.wall_s, cpu.busy_s)),
        # While one client stalled, the load was not the planned one.
        stalled_s=max(part.stalled_s for part in parts),
        begun_s=max(begun, default=None),
        slow=merged_steps(slow) if len(slow) == len(parts) else None,
        timeline=reduce(Timeline.plus, timelines) if len(timelines) == len(parts) else None,
        received=None,  # of a single client only
        failed=reduce(Failed.plus, failed) if len(failed) == len(parts) else None,
        latency_p99_ns=max((part.latency_p99_ns for part in parts if part.latency_p99_ns is not None), default=None),
    )


def _sum_of_known(counts: Iterable[int | None]) -> int | None:
    known = list(counts)
    return None if None in known else sum(count or 0 for count in known)


def _failure(named: Mapping[str, TargetTraffic]) -> str:
    """The failures that clients report of themselves; without any, those that they report of one another."""
    own = {name: part.failure for name, part in named.items() if part.failure and not OF_A_CLIENT.match(part.failure)}
    of_others = {part.failure for part in named.values() if OF_A_CLIENT.match(part.failure)}
    return "; ".join([f"{name}: {failure}" for name, failure in own.items()] or sorted(of_others))


def _different_slices(named: Mapping[str, TargetTraffic]) -> str:
    """The first difference between the clients' slices; empty if all are the same."""
    (first, one), *others = named.items()
    for name, other in others:
        if len(one.slices) != len(other.slices):
            return f"{first} had {len(one.slices)} slices, {name} {len(other.slices)}"
        for number, (mine, its) in enumerate(zip(one.slices, other.slices, strict=True)):
            if (mine.started_s, mine.duration_s, mine.warm_up) != (its.started_s, its.duration_s, its.warm_up):
                return (
                    f"slice {number} was {mine.duration_s:.6f} s from {mine.started_s:.6f} s for {first}, "
                    f"{its.duration_s:.6f} s from {its.started_s:.6f} s for {name}"
                )
    return ""


def negotiated(parts: Sequence[Negotiated | None]) -> Negotiated | None:
    """The sum of those that are known."""
    known = [part for part in parts if part is not None]
    return reduce(Negotiated.plus, known) if known else None


def _skewed(named: Mapping[str, TargetTraffic], by_slice: Sequence[Sequence[SliceTraffic]]) -> list[str]:
    timed = [parts for parts in by_slice if not parts[0].warm_up and all(part.begun_s is not None for part in parts)]
    if not timed:
        return []
    begun = [[part.begun_s or 0.0 for part in parts] for parts in timed]
    skews = [max(instants) - min(instants) for instants in begun]
    usual, length = median(skews), sum(parts[0].duration_s for parts in timed) / len(timed)
    if usual <= max(MAX_SKEW_S, MAX_SKEW_SHARE * length):
        return []
    sums = [sum(of_one) for of_one in zip(*begun, strict=True)]
    latest = list(named)[sums.index(max(sums))]
    return [
        f"the clients began their slices {usual * 1e3:.1f} ms apart in the median, at most {max(skews) * 1e3:.1f} ms; "
        f"{latest} was the latest"
    ]


def _stalled(named: Mapping[str, TargetTraffic]) -> list[str]:
    found = []
    for name, part in named.items():
        measured = [one for one in part.slices if not one.warm_up]
        stalled_s, traffic_s = sum(one.stalled_s for one in measured), sum(one.duration_s for one in measured)
        if stalled_s > MAX_STALL_SHARE * traffic_s:
            found.append(f"{name} stalled for {stalled_s * 1e3:.0f} ms of {traffic_s:.1f} s")
    return found


def _limits(named: Mapping[str, TargetTraffic]) -> list[str]:
    return [f"{name}: {part.limit}" for name, part in named.items() if part.limit]


def _joined(limits: Sequence[str]) -> str:
    return "; ".join(limits)


def sums(counts: Sequence[Mapping[str, int]]) -> dict[str, int]:
    """Each name that any part has, with its counts added up."""
    return by_name(counts, sum)


def by_name(parts: Sequence[Mapping[str, V]], put_together: Callable[[list[V]], V]) -> dict[str, V]:
    """Each name that any part has, with ``put_together`` of all its values."""
    names = sorted({name for part in parts for name in part})
    return {name: put_together([part[name] for part in parts if name in part]) for name in names}
