"""Simulated campaigns with a known truth, for tests and benches of the whole analysis.

The design is the reference campaign's: two proxies and two forwarders, two open and three closed levels, six blocks.
The noise of each metric is that of its trials on the reference machine, as standard deviations of a trial's logarithm.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coordinator.analysis.reports.report import build_report
from coordinator.scheduling.planner import more_blocks, plan
from coordinator.scheduling.records import AttemptRecord
from domain.campaigns.campaign import Campaign, read_campaign
from domain.hosts.cpu_time import CpuTime
from domain.reports.report import CampaignReport, Family, Verdict
from domain.reports.verdict_words import VerdictWord
from domain.trials.block import PlannedBlock
from domain.trials.histogram import LatencyHistogram
from domain.trials.trial import BlockResult, TrialResult, Validity

FUNCTIONS = {"tproxy": "steer", "ebpf_sk_assign": "steer", "direct": "forward", "ebpf_redirect": "forward"}
LEVELS = {
    "quarter": "open(10000)",
    "half": "open(20000)",
    "low": "closed(8)",
    "medium": "closed(64)",
    "high": "closed(256)",
}
NOISES = ("normal", "t3", "stalls")
ALL_NOISES = (*NOISES, "drift")
DRIFTING = "drift"
"""Normal noise on a host that drifts from slice to slice, so that interleaving leaves a part of it in the ratios."""
_DRIFT = 0.15  # common to all datapaths of a block
_STEP = 0.03  # of a drifting host, from slice to slice: 17 % over the 32 slices of four blocks
Spreads = Mapping[str, tuple[float, ...]]
SPREADS: Spreads = {  # CPU, p50, p99 at open levels; rate at closed ones
    "quarter": (0.037, 0.13, 0.83),
    "half": (0.027, 0.65, 0.55),
    "low": (0.071,),
    "medium": (0.032,),
    "high": (0.048,),
}
_REQUESTS = 10_000


class Times(LatencyHistogram):
    """Percentiles that are known already: an encoded histogram would take most of the simulation's time.

    Merged ones are empty, so a simulated report has no pooled percentiles.
    """

    def __init__(self, p50_ns: int, p99_ns: int) -> None:
        super().__init__()
        self._known = {50.0: p50_ns, 99.0: p99_ns}

    def percentile_ns(self, percentile: float) -> int | None:
        return self._known.get(percentile)

    @property
    def count(self) -> int:
        return _REQUESTS


Truth = Mapping[str, float]
"""By label: the factor on its cost, its times and the inverse of its rate; 1 where it is missing."""


def a_campaign(blocks: int = 6, **more: Any) -> Campaign:
    """The reference campaign's design."""
    base = {
        "name": "simulated",
        "datapaths": list(FUNCTIONS),
        "levels": LEVELS,
        "blocks": blocks,
        "slices": 2,
        "seed": 7,
    }
    return read_campaign({**base, **more})


def draw(rng: np.random.Generator, kind: str, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Noise with variance 1: normal, heavy-tailed, or with one trial in seven stalled (three deviations worse)."""
    if kind == "t3":
        return rng.standard_t(3, shape) / math.sqrt(3)
    noise = rng.normal(0, 1, shape)
    if kind == "stalls":
        noise = (noise + 3 * (rng.random(shape) < 0.15) - 0.45) / math.sqrt(1 + 9 * 0.15 * 0.85)
    return noise


def report_of(
    campaign: Campaign,
    rng: np.random.Generator,
    kind: str,
    truth: Truth,
    spreads: Spreads = SPREADS,
    rounds: int | None = None,
) -> CampaignReport:
    """A whole campaign through the whole analysis; ``spreads`` are the noise of a trial by level.

    ``rounds`` is the number of all rounds, if it adds some to the planned ones.
    """
    host = Host(rng, kind, truth, spreads)
    return build_report(campaign, {}, [host.run(block) for block in all_blocks(campaign, rounds)])


def all_blocks(campaign: Campaign, rounds: int | None = None) -> tuple[PlannedBlock, ...]:
    """The planned blocks, and those of further rounds up to ``rounds``."""
    blocks = plan(campaign, ["one"], campaign.seed)
    if rounds is None:
        return blocks
    more = more_blocks(campaign, ["one"], campaign.seed, (campaign.blocks, rounds))
    return (*blocks, *(one.model_copy(update={"index": at}) for at, one in enumerate(more, start=len(blocks))))


@dataclass
class Host:
    """A host with its noise, and datapaths with their true differences."""

    rng: np.random.Generator
    kind: str
    truth: Truth
    spreads: Spreads = field(default_factory=lambda: SPREADS)
    drift: float = 0.0  # where a drifting host is, as a logarithm

    def run(self, block: PlannedBlock) -> AttemptRecord:
        """Measure one block."""
        level, rng = block.level, self.rng
        if self.kind == DRIFTING:
            walk = self.drift + np.cumsum(rng.normal(0, _STEP, len(block.order)))
            self.drift = float(walk[-1])
            drifts = {label: float(walk[[one == label for one in block.order]].mean()) for label in block.datapaths}
        else:
            drifts = dict.fromkeys(block.datapaths, rng.normal(0, _DRIFT))
        trials = tuple(
            _trial(label, level, draw(rng, self.kind, (len(self.spreads[level]),)) * self.spreads[level],
                   drifts[label] + math.log(self.truth.get(label, 1)))
            for label in block.datapaths
        )  # fmt: skip
        result = BlockResult(host="one", trials=trials, wall_s=1)
        return AttemptRecord(
            block.index, f"b-{block.index}", "http_keepalive", level, 1, "one", "done", "", True, result
        )


def _trial(label: str, level: str, noise: NDArray[np.float64], shift: float) -> TrialResult:
    cost, *times = np.exp(shift + noise)
    latency = None
    if times:
        latency = Times(*(round(scale * time) for scale, time in zip((100_000, 1_000_000), times, strict=True)))
    duration_s = 1.0 if times else float(cost)
    return TrialResult(
        datapath=label,
        function=FUNCTIONS[label],
        role="limit" if label == "direct" else "",
        workload="http_keepalive",
        level=level,
        duration_s=duration_s,
        requests=_REQUESTS,
        cpu=CpuTime(wall_s=duration_s, cpus=2, idle_s=max(0.0, 2 * duration_s - float(cost))),
        latency=latency,
        validity=Validity(),
    )


def words(report: CampaignReport, family: Family) -> list[Verdict]:
    """The comparisons of a family that got the word faster or slower."""
    return words_of(report.verdicts, family)


def words_of(verdicts: Sequence[Verdict], family: Family) -> list[Verdict]:
    """Those of a family with the word faster or slower."""
    decided = (VerdictWord.BETTER, VerdictWord.WORSE)
    return [verdict for verdict in verdicts if verdict.family is family and verdict.verdict in decided]
