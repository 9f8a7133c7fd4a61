"""``make bench-focus``: how long the trials of focused blocks should be.

Blocks of two datapaths at one open rate, with 1, 2 and 4 slices per trial in turns. So all lengths meet the same
host noise. Longer blocks have less noise per pair, and there are fewer of them. What counts is the standard error of
the pair's mean log-ratio of CPU per request after a second of the campaign, set-up included. It takes five minutes. The
last line is one JSON object. ``--quick`` makes it tiny, and ``--write-docs`` writes the table into docs/method.md.
"""

import argparse
import json
import math
import statistics
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import workers.datapaths
from coordinator.scheduling.planner import plan
from domain.campaigns.campaign import Campaign, Cell, read_campaign
from domain.loads.metric import Metric
from domain.values.registry import discover
from tests.bench.published import with_text
from tests.bench.truth.blocks import HOST, SEED, Measured, attempts_of, context
from tests.orderly import ends_in_order
from workers.datapaths.base import Datapath

PAIR = ("tproxy", "ebpf_sk_assign")
LENGTHS = (1, 2, 4)  # slices per trial
LEVEL, BLOCKS = "level", 200
DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "method.md"
Figures = Mapping[str, float | int | None]


def design(slices: int, rate_per_s: int) -> Campaign:
    """A campaign of the pair alone, whose blocks are like a focus's."""
    return read_campaign(
        {
            "name": "bench-focus", "datapaths": list(PAIR), "levels": {LEVEL: f"open({rate_per_s})"},
            "blocks": BLOCKS, "slices": slices, "slice_s": 0.5, "open_slice_s": 1.0, "warm_up_s": 0.1, "seed": SEED,
        }
    )  # fmt: skip


def measure(seconds: float, rate_per_s: int) -> dict[int, Measured]:
    """Blocks of each length in turns, for so long; ``wall_s`` is the time of a length's blocks."""
    found = {slices: Measured(design(slices, rate_per_s)) for slices in LENGTHS}
    blocks = {slices: iter(plan(one.campaign, [HOST], SEED)) for slices, one in found.items()}
    datapaths = discover(workers.datapaths, Datapath)
    began, turn = time.monotonic(), 0
    with context({name: datapaths[name] for name in PAIR}) as host:
        while time.monotonic() - began < seconds:
            for slices in LENGTHS if turn % 2 == 0 else LENGTHS[::-1]:
                start, one = time.monotonic(), found[slices]
                one.attempts += attempts_of(next(blocks[slices]), one.campaign, host)
                one.wall_s += time.monotonic() - start
            turn += 1
    return found


def figures(one: Measured) -> Figures:
    """The valid pairs, their spread, the seconds of a block, and the error after a second of such blocks."""
    cell = Cell(datapath=PAIR[1], workload=one.campaign.workloads[0], level=LEVEL)
    logs = one.data.log_ratios(cell, PAIR[0], Metric.CPU_US_PER_REQUEST)
    block_s = one.wall_s / max(1, len({attempt.block_index for attempt in one.attempts}))
    spread = statistics.stdev(logs) if len(logs) > 1 else None
    traffic_s = len(PAIR) * (one.campaign.slices * one.campaign.open_slice_s + one.campaign.warm_up_s)
    return {
        "pairs": len(logs),
        "ratio": math.exp(statistics.fmean(logs)) if logs else None,
        "pair_spread": spread,
        "block_s": block_s,
        "set_up_s": block_s - traffic_s,
        "error_after_1_s": None if spread is None else spread * math.sqrt(block_s),
    }


def table(found: Mapping[int, Figures], rate_per_s: int) -> str:
    """The table of docs/method.md; ``found`` by slices per trial."""
    lines = [
        f"`{PAIR[1]}` ÷ `{PAIR[0]}` in CPU per request at {rate_per_s:,}/s, blocks of each length in turns.",
        "",
        "| slices per trial | pairs | scatter of a pair | a block with its set-up | error of the mean after 100 s |",
        "|---|---|---|---|---|",
    ]
    for slices, one in found.items():
        spread, error = one["pair_spread"], one["error_after_1_s"]
        shown = [f"{spread:.1%}", f"{one['block_s']:.1f} s", f"{error / 10:.2%}"] if spread and error else ["–"] * 3
        lines.append(f"| {slices} | {one['pairs']} | {' | '.join(shown)} |".replace("%", " %"))
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    """Measure and report; see the module."""
    parser = argparse.ArgumentParser(prog="make bench-focus", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="tiny, to see that it runs")
    parser.add_argument("--rate", type=int, default=8_000, help="requests/s, about half of what both carry")
    parser.add_argument("--seconds", type=float, default=300, help="of blocks, in all")
    parser.add_argument("--write-docs", action="store_true", help="write the table into docs/method.md")
    given = parser.parse_args(arguments)
    found = {slices: figures(one) for slices, one in measure(1 if given.quick else given.seconds, given.rate).items()}
    print(f"{PAIR[1]} ÷ {PAIR[0]}, CPU per request at {given.rate:,}/s")
    for slices, one in found.items():
        shown = ", ".join(f"{name} {'none' if value is None else f'{value:.4g}'}" for name, value in one.items())
        print(f"  {slices} {'slice' if slices == 1 else 'slices'}: {shown}")
    if given.write_docs:
        DOCUMENT.write_text(with_text(DOCUMENT.read_text(), "bench-focus", table(found, given.rate)))
    print(json.dumps({f"{slices}": one for slices, one in found.items()}, allow_nan=False))
    return 0


if __name__ == "__main__":
    ends_in_order()
    sys.exit(main(sys.argv[1:]))
