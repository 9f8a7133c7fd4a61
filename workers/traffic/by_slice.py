"""What generators share that run as a new process for every slice, one target after another."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from domain.trials.histogram import LatencyHistogram
from workers.traffic.base import Interval, Schedule, Target, TargetTraffic
from workers.traffic.merge import by_name, sums

MakeSlice = Callable[[Target, float], TargetTraffic]
"""Makes traffic on one target for a number of seconds."""


def run(
    make: MakeSlice,
    targets: Sequence[Target],
    schedule: Schedule,
    *,
    stop: Callable[[], bool],
    report: Callable[[Interval], None],
) -> dict[str, TargetTraffic]:
    """See ``Generator.run``. A target on which the generator failed gets no further slice."""
    by_label = {target.label: target for target in targets}
    results = {target.label: TargetTraffic() for target in targets}
    warm_up = tuple(by_label) if schedule.warm_up_s else ()
    for index, label in enumerate(warm_up + schedule.order):
        if results[label].failure:
            continue
        warming = index < len(warm_up)
        one = make(by_label[label], schedule.warm_up_s if warming else schedule.slice_s)
        if warming:
            one = replace(one, slices=tuple(replace(part, warm_up=True) for part in one.slices), timings={})
        results[label] = _plus(results[label], one)
        if stop():
            return {name: replace(result, failure="stopped") for name, result in results.items()}
        if one.slices and not warming:
            report(_interval(label, index + 1 - len(warm_up), one))
    return results


def _plus(total: TargetTraffic, one: TargetTraffic) -> TargetTraffic:
    return TargetTraffic(
        slices=total.slices + one.slices,
        connections=total.connections + one.connections,
        errors=sums([total.errors, one.errors]),
        timings=by_name([total.timings, one.timings], LatencyHistogram.merged),
        busiest_thread_share=max(total.busiest_thread_share, one.busiest_thread_share),
        limit=total.limit or one.limit,
        failure=one.failure,
    )


def _interval(label: str, done: int, one: TargetTraffic) -> Interval:
    traffic, times = one.slices[-1], one.timings.get("latency") or one.timings.get("service_time")
    return Interval(
        label=label,
        slices_done=done,
        time_ns=time.time_ns(),
        requests_per_s=traffic.requests / traffic.duration_s if traffic.duration_s else 0.0,
        errors=sum(traffic.errors.values()),
        p50_ns=times.percentile_ns(50) if times else None,
        p99_ns=times.percentile_ns(99) if times else None,
    )
