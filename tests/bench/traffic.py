"""``make bench-traffic``: our generator compared with wrk and h2load, in labs, interleaved, as ratios.

It takes about five minutes on two CPUs. The last line is one JSON object. ``--quick`` makes every part tiny, as a smoke
test without meaningful figures. Other load on the host spoils it; each part says what it needs.
"""

import argparse
import sys
from collections.abc import Mapping
from statistics import median

from domain.trials.histogram import LatencyHistogram
from tests.bench.agreement import DATAPATHS, agreement
from tests.bench.figures import Findings, heading, paired, ratio_to, share_below
from tests.bench.honesty import FREEZES, Freeze, honesty
from tests.bench.http2 import http2
from tests.bench.plans import closed, opened
from tests.bench.stage import Measured, labs, one_cpu, run
from tests.orderly import ends_in_order
from workers.lab.lab import Lab

CONNECTIONS = 64
SPEED_GOAL = 1.2
LAG_GOAL_NS = 100_000
BUNCHED_GOAL = 0.05  # share of sends that may follow their predecessor by less than half of the gap


def speed(findings: Findings, lab: Lab, pairs: int, seconds: float) -> float:
    """One thread of ours compared with one of wrk, on the first CPU; the origin has all CPUs. Returns ours."""
    heading(f"Closed loop, keep-alive, one thread, {CONNECTIONS} connections, {pairs} pairs")
    found: dict[str, list[Measured]] = {"ours": [], "wrk": []}
    with one_cpu():
        for index in range(pairs):
            for generator in ("ours", "wrk") if index % 2 else ("wrk", "ours"):
                found[generator].append(run(generator, lab, closed(generator, CONNECTIONS), seconds))
    rate = paired(*([one.requests_per_s for one in found[name]] for name in ("ours", "wrk")))
    cost = paired(*([one.own_cpu_us for one in found[name]] for name in ("ours", "wrk")))
    findings.report("closed_loop_requests_per_s", rate, "requests/s of ours ÷ wrk (≥ 1.2)", rate.ratio >= SPEED_GOAL)
    findings.report("closed_loop_cpu_per_request", cost, "CPU per request of ours ÷ wrk (≤ 1)", cost.ratio <= 1)
    for name, runs in found.items():
        findings.facts[f"{name}_requests_per_s"] = median(one.requests_per_s for one in runs)
        findings.facts[f"{name}_cpu_us_per_request"] = median(one.own_cpu_us for one in runs)
    return findings.facts["ours_requests_per_s"]


def schedule(findings: Findings, lab: Lab, capacity_per_s: float, repeats: int, seconds: float) -> None:
    """One thread at a constant rate: how late sends leave at half of its capacity, and whether they bunch.

    At half of its capacity, bunching would be a choice. Each request takes half of the gap, so a thread that was late
    once is busy without a pause until it has caught up.
    """
    half, tenth = max(1, round(capacity_per_s / 2)), max(1, round(capacity_per_s / 10))
    heading(f"Open loop, one thread, constant rate; {repeats} runs at {half} and at {tenth} requests/s")
    with one_cpu():
        runs = {rate: [_timings(lab, rate, seconds) for _ in range(repeats)] for rate in (half, tenth)}
    for percentile in (50, 99):
        lags = [float(timings["schedule_lag"].percentile_ns(percentile) or 1) for timings in runs[half]]
        lag = ratio_to(lags, LAG_GOAL_NS)
        text = f"schedule lag p{percentile} at {half}/s ÷ 100 µs" + (" (≤ 1)" if percentile == 99 else "")
        met = lag.ratio <= 1 if percentile == 99 else None
        findings.report(f"schedule_lag_p{percentile}_over_100us", lag, text, met)
    for name, rate in (("half", half), ("tenth", tenth)):
        share = median(_bunched(timings["send_gap"], rate) for timings in runs[rate])
        findings.facts[f"sends_within_half_a_gap_at_a_{name}_of_capacity"] = share
        print(f"  sends that follow within half of the gap at {rate}/s: {share:.2%}")
    findings.goals["sends_do_not_bunch"] = share <= BUNCHED_GOAL


def _timings(lab: Lab, rate: int, seconds: float) -> Mapping[str, LatencyHistogram]:
    return run("ours", lab, opened(rate, 256), seconds).traffic.timings


def _bunched(gaps: LatencyHistogram, rate: int) -> float:
    return share_below(lambda percentile: float(gaps.percentile_ns(percentile) or 0), 0.5e9 / rate)


def main(arguments: list[str]) -> int:
    """Run every part; see the module."""
    parser = argparse.ArgumentParser(prog="make bench-traffic", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="tiny, to see that it runs")
    quick = parser.parse_args(arguments).quick
    findings = Findings()
    with labs(["direct"]) as running_labs:
        lab = running_labs["direct"]
        capacity = speed(findings, lab, 2 if quick else 15, 0.2 if quick else 1.0)
        schedule(findings, lab, capacity, 2 if quick else 5, 0.2 if quick else 1.5)
    http2(findings, 2 if quick else 12, 0.6 if quick else 1.5)
    honesty(findings, (Freeze(100, 500),) if quick else FREEZES, 2 if quick else 4)
    agreement(findings, ("direct", "tproxy") if quick else DATAPATHS, 2 if quick else 10, 0.2 if quick else 0.6)
    print()
    print(findings.json())
    return 0


if __name__ == "__main__":
    ends_in_order()
    sys.exit(main(sys.argv[1:]))
