"""``make bench-probes``: the cost of watching.

It uses ``direct``, where a request costs least and probes therefore most. It compares throughput and CPU time per
request of watched slices with those of unwatched slices. It does so at saturation with all probes and with each alone,
and with all at half the saturation rate. It also reports the cost of each program per event, as the kernel accounts it.

Slices alternate within one lab, with the length and warm-up of a campaign's watched slices. Longer slices show the cost
of continuous watching. It takes about five minutes; the last line is one JSON object. ``--write-docs`` writes the table
into docs/probes/index.md; ``--quick`` makes it tiny.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import probes.catalog
from domain.loads.duration import WATCHED_SLICE_S, WATCHED_WARM_UP_S
from domain.probes.sample import TrialTags
from domain.values.registry import discover
from probes.base import Probe
from probes.session import ProbeSession
from tests.bench.figures import Ratio, heading
from tests.bench.overhead import Cost, Slices, cost_of, table
from tests.bench.plans import closed, opened
from tests.bench.published import with_text
from tests.bench.stage import Measured, labs, run
from tests.orderly import ends_in_order
from workers.lab.lab import Lab

CONNECTIONS = 64
LONG = 10  # times as long as a campaign's watched slice, for the cost of continuous watching
GOAL = 0.03
DOCUMENT = Path(__file__).parents[2] / "docs" / "probes" / "index.md"
TAGS = TrialTags("bench", "bench", "bench", "direct", "http_keepalive", "high")


class Bench:
    """One lab, and slices on it with and without probes."""

    def __init__(self, lab: Lab, catalog: Mapping[str, Probe], slice_s: float) -> None:
        self.lab, self.catalog, self.slice_s = lab, catalog, slice_s
        self.session = ProbeSession(catalog, None, "bench")

    def slice(self, rate_per_s: int = 0, slice_s: float | None = None, *, watched: bool) -> Measured:
        """One slice, saturated or at a rate, with the session's probes or without any."""
        slice_s = slice_s or self.slice_s
        plan = opened(rate_per_s, CONNECTIONS) if rate_per_s else closed("ours", CONNECTIONS)
        if not watched:
            return run("ours", self.lab, plan, slice_s, WATCHED_WARM_UP_S)
        self.session.begin_slice(self.lab.view(), TAGS, WATCHED_WARM_UP_S)
        try:
            return run("ours", self.lab, plan, slice_s, WATCHED_WARM_UP_S, timeline=True)
        finally:
            self.session.end_slice()

    def pairs(self, names: Sequence[str], count: int, rate_per_s: int = 0, slice_s: float | None = None) -> Slices:
        """Slices with these probes and as many without, in alternating order."""
        if failed := self.session.start(names):
            raise SystemExit(f"probes failed: {failed}")
        found = Slices()
        for index in range(count):
            order = (True, False) if index % 2 == 0 else (False, True)
            both = {watched: self.slice(rate_per_s, slice_s, watched=watched) for watched in order}
            found.watched.append(both[True])
            found.alone.append(both[False])
        if self.session.failed:
            raise SystemExit(f"probes failed: {self.session.failed}")
        return found

    def per_event(self, name: str, seconds: float) -> Cost:
        """The cost of one probe's programs per event, attached all the time at saturation."""
        self.session.start([])
        probe = self.catalog[name]
        probe.start()
        try:
            return cost_of(probe, self.lab.view(), lambda: run("ours", self.lab, closed("ours", CONNECTIONS), seconds))
        finally:
            probe.stop()


def ratios(text: str, slices: Slices) -> tuple[Ratio, Ratio]:
    """Print and return throughput and CPU time per request, watched ÷ alone."""
    rate, cpu = slices.throughput(), slices.cpu_per_request()
    print(f"  {text:<26} requests/s × {rate!s:<24} CPU per request × {cpu!s}", flush=True)
    return rate, cpu


def measure(
    bench: Bench, names: Sequence[str], pairs: int, most_alone: int | None = None
) -> tuple[dict[str, Any], dict[str, Cost]]:
    """All measurements; ``pairs`` are those of all probes at saturation, and the others get parts of them.

    ``most_alone`` limits the probes that are measured alone.
    """
    heading(f"Saturated: closed({CONNECTIONS}) on direct, slices of {bench.slice_s:g} s, watched ÷ alone")
    everything = bench.pairs(names, pairs)
    all_rate, all_cpu = ratios(f"all {len(names)} probes", everything)
    steady = bench.pairs(names, max(2, pairs // 15), slice_s=bench.slice_s * LONG)
    steady_rate, _ = ratios(f"all, slices of {bench.slice_s * LONG:g} s", steady)
    rate_per_s = max(100, round(everything.rate_per_s() / 2))
    heading(f"At a fixed rate: {rate_per_s} requests/s")
    _, fixed_cpu = ratios(f"all {len(names)} probes", bench.pairs(names, max(2, pairs // 5), rate_per_s))
    heading("Each probe alone, saturated")
    # A probe of a stage that direct lacks is not attached.
    applying = [name for name in names if bench.catalog[name].applies(bench.lab.view())]
    alone = {name: ratios(name, bench.pairs([name], max(2, pairs // 30))) for name in applying[:most_alone]}
    heading("Per event, attached all the time at saturation")
    costs = {name: bench.per_event(name, bench.slice_s * 3) for name in names}
    print(table(costs), flush=True)
    tax = {"tax_all_probes": 1 - all_rate.ratio, "low": 1 - all_rate.high, "high": 1 - all_rate.low}
    return {
        **tax,
        "long_slices": {"slice_s": bench.slice_s * LONG, "requests_per_s": _rounded(steady_rate)},
        "goal": GOAL,
        "goal_met": tax["tax_all_probes"] <= GOAL,
        "pairs": pairs,
        "requests_per_s": everything.rate_per_s(),
        "cpu_us_per_request": everything.cpu_us(),
        "cpu_all_probes": _rounded(all_cpu),
        "fixed_rate_per_s": rate_per_s,
        "fixed_rate_cpu_all_probes": _rounded(fixed_cpu),
        "ns_per_event": {name: cost.ns_per_event for name, cost in costs.items()},
        "events_per_request": {name: cost.events_per_request for name, cost in costs.items()},
        "alone": {
            name: {"requests_per_s": _rounded(rate), "cpu": _rounded(cpu)} for name, (rate, cpu) in alone.items()
        },
    }, costs


def _rounded(ratio: Ratio) -> dict[str, float]:
    return {"ratio": ratio.ratio, "low": ratio.low, "high": ratio.high}


def summary(found: Mapping[str, Any]) -> str:
    """The result of :func:`measure` as a sentence."""
    long = found["long_slices"]
    low, high = (round(found[end], 3) + 0.0 for end in ("low", "high"))  # no "-0.0 %"
    saturated = f"{found['tax_all_probes']:.1%} [{low:.1%}, {high:.1%}] of throughput at saturation"
    lasting = _share(long["requests_per_s"], sign=-1)
    rate = f"{found['requests_per_s']:,.0f} requests/s on `direct`"
    fixed = _share(found["fixed_rate_cpu_all_probes"])
    return (
        f"All probes together cost {saturated} ({rate}, in slices as campaigns\n"
        f"have them), {lasting} in slices of {long['slice_s']:g} s, and {fixed} more CPU per\n"
        "request at half of that rate."
    )


def _share(ratio: Mapping[str, float], sign: int = 1) -> str:
    """The distance of a ratio from 1, upwards or (-1) downwards."""
    low, high = sorted(sign * (ratio[key] - 1) for key in ("low", "high"))
    return f"{sign * (ratio['ratio'] - 1):.1%} [{low:.1%}, {high:.1%}]"


def main(arguments: list[str]) -> int:
    """Measure and report; see the module."""
    parser = argparse.ArgumentParser(prog="make bench-probes", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="tiny, to see that it runs")
    parser.add_argument("--write-docs", action="store_true", help="write the table into docs/probes/index.md")
    options = parser.parse_args(arguments)
    catalog = discover(probes.catalog, Probe)
    with labs(["direct"]) as running_labs:
        bench = Bench(running_labs["direct"], catalog, 0.1 if options.quick else WATCHED_SLICE_S)
        bench.slice(watched=False)
        try:
            found, costs = measure(bench, sorted(catalog), *((2, 2) if options.quick else (150,)))
        finally:
            bench.session.close()
    print(f"\n{summary(found)}\nThe goal is {GOAL:.0%}: {'met' if found['goal_met'] else 'NOT MET'}")
    if options.write_docs:
        text = f"{summary(found)}\n\n{table(costs)}"
        DOCUMENT.write_text(with_text(DOCUMENT.read_text(), "bench-probes", text))
    print(json.dumps(found, default=float))
    return 0


if __name__ == "__main__":
    ends_in_order()
    sys.exit(main(sys.argv[1:]))
