"""``make bench-slices``: the best length of a slice.

One datapath, ``direct``, in two labs, with slices of several lengths: how exact is their ratio after the same traffic?
The lengths alternate, so that all meet the same host noise. It takes under four minutes. The last line is one JSON
object: the standard error of each length ÷ that of 1 s slices. ``--quick`` makes it tiny.
"""

import argparse
import sys
from collections.abc import Sequence

from tests.bench.figures import Findings, Precision, heading, precision
from tests.bench.plans import closed
from tests.bench.stage import GENERATORS, BenchError, labs, target
from tests.orderly import ends_in_order
from workers.lab.lab import Lab
from workers.traffic.base import Schedule, TargetTraffic

LENGTHS_S = (0.1, 0.2, 0.5, 1.0, 3.0)
CONNECTIONS = 64
LABELS = ("direct", "direct#2")


def order_of(pairs: int) -> tuple[str, ...]:
    """A B, B A, A B, …: neighbours are pairs, and a steady drift cancels over two pairs."""
    return tuple(label for index in range(pairs) for label in (LABELS if index % 2 == 0 else LABELS[::-1]))


def rates(traffic: TargetTraffic) -> list[float]:
    """Requests/s of each slice. Raises :class:`BenchError` for a failed run."""
    if traffic.failure or traffic.errors or not traffic.requests:
        raise BenchError(traffic.failure or str(traffic.errors) or "no requests")
    return [one.requests / one.duration_s for one in traffic.slices if not one.warm_up]


def one_round(running_labs: dict[str, Lab], slice_s: float, pairs: int) -> tuple[list[float], list[float]]:
    """The rates of both labs, slice by slice."""
    found = GENERATORS["ours"].run(
        closed("ours", CONNECTIONS),
        [target(running_labs[label]) for label in LABELS],
        Schedule(order_of(pairs), slice_s, 0.1),
        stop=lambda: False,
        report=lambda _: None,
    )
    return rates(found[LABELS[0]]), rates(found[LABELS[1]])


def measure(rounds: int, round_s: float, lengths_s: Sequence[float]) -> dict[float, Precision]:
    """The precision of every length; each round gives every length the same traffic."""
    seen: dict[float, tuple[list[float], list[float]]] = {length: ([], []) for length in lengths_s}
    with labs(LABELS) as running_labs:
        for index in range(rounds):
            for length in lengths_s if index % 2 == 0 else lengths_s[::-1]:
                both = one_round(running_labs, length, max(1, round(round_s / (2 * length))))
                for known, new in zip(seen[length], both, strict=True):
                    known.extend(new)
    return {length: precision(a, b, 2 * length * len(a)) for length, (a, b) in seen.items()}


def _named(seconds: float) -> str:
    return f"{seconds:g}s".replace(".", "_")


def main(arguments: list[str]) -> int:
    """Measure and report; see the module."""
    parser = argparse.ArgumentParser(prog="make bench-slices", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="tiny, to see that it runs")
    quick = parser.parse_args(arguments).quick
    lengths_s = tuple(length / 10 for length in LENGTHS_S) if quick else LENGTHS_S
    reference_s = lengths_s[LENGTHS_S.index(1.0)]
    found = measure(2 if quick else 6, 0.6 if quick else 6.0, lengths_s)
    findings = Findings()
    heading("Standard error of the ratio direct ÷ direct after one second of traffic")
    for length, one in found.items():
        name = _named(length)
        findings.facts[f"standard_error_after_1_s_of_traffic_{name}"] = one.log_error_of_1_s
        text = f"{length:g} s slices: {one.log_error_of_1_s:7.2%} ({one.count} pairs)"
        if length == reference_s:
            print(f"  {text}", flush=True)
        else:
            ratio = one.over(found[reference_s])
            findings.report(f"standard_error_{name}_over_{_named(reference_s)}", ratio, f"{text}; ÷ {reference_s:g} s")
    findings.facts["best_slice_s"] = min(found, key=lambda length: found[length].log_error_of_1_s)
    print()
    print(findings.json())
    return 0


if __name__ == "__main__":
    ends_in_order()
    sys.exit(main(sys.argv[1:]))
