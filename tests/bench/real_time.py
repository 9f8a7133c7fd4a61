"""``make bench-real-time``: what the generator's real-time priority does to the comparison.

In an open loop the generator asks for SCHED_RR, so that a due send does not wait for what it measures. On shared CPUs
it then runs before proxy and origin. Here each datapath gets the same open load with and without it, in turns, so that
both meet the same host noise. It takes about five minutes. The last line is one JSON object: for each datapath, latency
and CPU per request with ÷ without real-time priority, and datapath ÷ ``direct`` with it and without. ``--turns`` sets
the number of pairs, ``--quick`` makes it tiny, and ``--write-docs`` writes the table into docs/traffic.md.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from domain.loads.load import OpenLoad
from tests.bench.figures import Findings, heading, paired
from tests.bench.plans import OWN
from tests.bench.published import with_text
from tests.bench.stage import GENERATORS, BenchError, labs, target
from tests.orderly import ends_in_order
from workers.lab.lab import Lab
from workers.traffic.base import GeneratorPlan, Schedule, TargetTraffic

LABELS = ("direct", "tproxy", "ebpf_sk_assign", "ebpf_redirect")
BASE = LABELS[0]
RATE_PER_S = 6_000  # about a quarter of what the slowest one carries on two CPUs
CONNECTIONS = 512
TURNS = 12
DOCUMENT = Path(__file__).parents[2] / "docs" / "traffic.md"
PRIORITIES = {"with": True, "without": False}


@dataclass(frozen=True)
class Seen:
    """The figures of one turn of one datapath."""

    p50_us: float
    p99_us: float
    cpu_us_per_request: float
    lag_p99_us: float


FIGURES = ("p50_us", "p99_us", "cpu_us_per_request")
Turns = Mapping[tuple[str, str], Sequence[Seen]]
"""By datapath and by ``with`` or ``without``; equal indexes are neighbours in time."""


def seen(traffic: TargetTraffic) -> Seen:
    """The figures of a turn. Raises :class:`BenchError` for a failed one."""
    latency, lag = traffic.timings.get("latency"), traffic.timings.get("schedule_lag")
    measured = [one for one in traffic.slices if not one.warm_up]
    requests = sum(one.requests for one in measured)
    if traffic.failure or latency is None or lag is None or not requests:
        raise BenchError(traffic.failure or "no requests")
    p50_ns, p99_ns, lag_ns = (value or 0 for value in (*map(latency.percentile_ns, (50, 99)), lag.percentile_ns(99)))
    cpu_us = sum(one.cpu.busy_s for one in measured) * 1e6 / requests
    return Seen(p50_ns / 1e3, p99_ns / 1e3, cpu_us, lag_ns / 1e3)


def turn(running_labs: Mapping[str, Lab], plan: GeneratorPlan, slice_s: float) -> dict[str, Seen]:
    """One slice on every datapath. Raises :class:`BenchError`."""
    schedule = Schedule(tuple(running_labs), slice_s, 0.2)
    targets = [target(lab) for lab in running_labs.values()]
    found = GENERATORS["ours"].run(plan, targets, schedule, stop=lambda: False, report=lambda _: None)
    return {label: seen(traffic) for label, traffic in found.items()}


def measure(labels: Sequence[str], rate_per_s: int, turns: int, slice_s: float) -> Turns:
    """With and without, in turns; the first of a pair alternates, and each pair has its own arrivals."""
    found: dict[tuple[str, str], list[Seen]] = {(label, name): [] for label in labels for name in PRIORITIES}
    plan = GeneratorPlan("showdown-traffic", OpenLoad(rate_per_s=rate_per_s), CONNECTIONS, options=OWN)
    with labs(labels) as running_labs:
        for index in range(turns):
            for name in list(PRIORITIES)[:: 1 if index % 2 == 0 else -1]:
                one = replace(plan, seed=index, real_time=PRIORITIES[name])
                for label, figures in turn(running_labs, one, slice_s).items():
                    found[label, name].append(figures)
    return found


def report(findings: Findings, found: Turns, labels: Sequence[str]) -> None:
    """The ratios of neighbours in time, and the generator's own lateness."""
    for figure in FIGURES:
        heading(f"{figure}: with ÷ without real-time priority, and datapath ÷ {BASE} either way")
        values = {key: [getattr(one, figure) for one in turns] for key, turns in found.items()}
        for label in labels:
            ratio = paired(values[label, "with"], values[label, "without"])
            findings.report(f"real_time_{figure}_{label}", ratio, f"{label}: with ÷ without")
        for label in labels[1:]:
            for name in PRIORITIES:
                ratio = paired(values[label, name], values[BASE, name])
                findings.report(f"{figure}_{label}_over_{BASE}_{name}", ratio, f"{label} ÷ {BASE}, {name}")
    for (label, name), turns in found.items():
        lags = sorted(one.lag_p99_us for one in turns)
        findings.facts[f"lag_p99_us_{label}_{name}"] = lags[len(lags) // 2]


def table(findings: Findings, labels: Sequence[str], rate_per_s: int, turns: int) -> str:
    """The table of docs/traffic.md."""
    head = (
        f"Poisson arrivals at {rate_per_s:,}/s on shared CPUs, {turns} pairs of turns. *With ÷ without* is what the "
        "priority does\nto a datapath; the last two columns are what it does to a comparison of p99."
    )
    lines = [
        "| datapath | p50, with ÷ without | p99, with ÷ without | CPU per request, with ÷ without "
        f"| p99 ÷ `{BASE}`, with | p99 ÷ `{BASE}`, without |",
        "|---|---|---|---|---|---|",
    ]
    for label in labels:
        names = [f"real_time_{figure}_{label}" for figure in FIGURES]
        names += [f"p99_us_{label}_over_{BASE}_{name}" for name in PRIORITIES]
        cells = [str(findings.ratios.get(name, "–")) for name in names]
        lines.append(f"| `{label}` | {' | '.join(cells)} |")
    return "\n".join([head, "", *lines])


def main(arguments: list[str]) -> int:
    """Measure and report; see the module."""
    parser = argparse.ArgumentParser(prog="make bench-real-time", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="tiny, to see that it runs")
    parser.add_argument("--rate", type=int, default=RATE_PER_S, help="requests per second of each datapath")
    parser.add_argument("--turns", type=int, default=TURNS, help="pairs of turns with and without")
    parser.add_argument("--write-docs", action="store_true", help="write the table into docs/traffic.md")
    options = parser.parse_args(arguments)
    labels = LABELS[:2] if options.quick else LABELS
    rate_per_s, turns, slice_s = (500, 2, 0.3) if options.quick else (options.rate, options.turns, 2.0)
    found = measure(labels, rate_per_s, turns, slice_s)
    findings = Findings()
    report(findings, found, labels)
    if options.write_docs:
        text = table(findings, labels, rate_per_s, turns)
        DOCUMENT.write_text(with_text(DOCUMENT.read_text(), "bench-real-time", text))
    print()
    print(findings.json())
    return 0


if __name__ == "__main__":
    ends_in_order()
    sys.exit(main(sys.argv[1:]))
