"""Equal datapaths: simulated campaigns through the whole analysis, and a real one of each datapath beside its copy."""

import math
from collections.abc import Mapping, Sequence
from multiprocessing import get_context
from statistics import fmean

from scipy.special import betaincinv

import workers.datapaths
from coordinator.analysis.inference.statistics import CONFIDENCE
from domain.campaigns.campaign import Cell, read_campaign
from domain.loads.metric import Metric
from domain.reports.report import CampaignReport, Family
from domain.values.registry import discover
from tests.bench.truth.blocks import Measured, context, run_campaign
from tests.bench.truth.design import reference, reference_rounds, spreads_of
from tests.bench.truth.simulation import KINDS, false_words
from tests.bench.truth.table import Row
from tests.bench.words import ADAPTIVE, ALLOWED, false_words_at_looks
from tests.simulated import words
from workers.datapaths.base import Datapath

SIMULATED = "equal datapaths, simulated"
PLANNED, AT_LOOKS = "planned blocks", "at any look"
REAL = "equal datapaths on this host"
CHUNK = 25  # campaigns of one task of the pool
PROCESSES = 2
REAL_LEVELS = {"quarter": "open(5000)", "half": "open(10000)", "connections_64": "closed(64)"}
OPEN_METRICS = (Metric.CPU_US_PER_REQUEST, Metric.LATENCY_P50_US, Metric.LATENCY_P99_US)
CLOSED_METRICS = (Metric.REQUESTS_PER_S,)


def _counted(task: tuple[str, str, int, int]) -> tuple[str, str, int]:
    design, kind, seed, campaigns = task
    if design == AT_LOOKS:
        shares = false_words_at_looks(campaigns, kind, seed, ADAPTIVE["precision 3 %"])
        return design, kind, round(shares["primary"] * campaigns)
    spreads = spreads_of({}, reference())
    return design, kind, false_words(campaigns, kind, seed, reference(), spreads, reference_rounds())


def simulated(campaigns: int) -> list[Row]:
    """For each kind of noise, the share of campaigns with at least one false primary word.

    With all blocks of the reference campaign, and with blocks that are added until a precision is reached.
    """
    tasks = [
        (design, kind, 1000 * number + begin, min(CHUNK, campaigns - begin))
        for design in (PLANNED, AT_LOOKS)
        for number, kind in enumerate(KINDS)
        for begin in range(0, campaigns, CHUNK)
    ]
    counts = {(design, kind): 0 for design, kind, *_ in tasks}
    with get_context("spawn").Pool(PROCESSES) as pool:
        for design, kind, false in pool.imap_unordered(_counted, tasks):
            counts[design, kind] += false
    return [simulated_row(f"{design}, {kind} noise", false, campaigns) for (design, kind), false in counts.items()]


def simulated_row(what: str, false: int, campaigns: int) -> Row:
    """Wrong if the interval of the share lies above 5 %."""
    low, high = share_bounds(false, campaigns)
    note = f"{false} of {campaigns} campaigns; at most {ALLOWED:.0%}"
    cause = f"P(a false word), {what}"
    return Row(SIMULATED, cause, None, 100 * false / campaigns, 100 * low, 100 * high, "%", low <= ALLOWED, note)


def share_bounds(count: int, total: int) -> tuple[float, float]:
    """The exact interval of a share (Clopper and Pearson 1934)."""
    tail = (1 - CONFIDENCE) / 2
    low = float(betaincinv(count, total - count + 1, tail)) if count else 0.0
    high = float(betaincinv(count + 1, total - count, 1 - tail)) if count < total else 1.0
    return low, high


def real(labels: Sequence[str], levels: Mapping[str, str], blocks: int, slices: int) -> tuple[list[Row], Measured]:
    """Each datapath twice, in a design like the reference campaign's."""
    campaign = read_campaign(
        {
            "name": "truth-equal", "datapaths": [name for name in labels for _ in range(2)], "levels": dict(levels),
            "blocks": blocks, "slices": slices, "slice_s": 0.5, "open_slice_s": 1.0, "warm_up_s": 0.2, "seed": 1,
        }
    )  # fmt: skip
    with context(discover(workers.datapaths, Datapath)) as host:
        measured = run_campaign(campaign, host)
    return real_rows(measured.report, measured.why_invalid), measured


def real_rows(report: CampaignReport, why: str = "") -> list[Row]:
    """False words by family; the primary ones count, the exploratory ones are shown."""
    rows = []
    for family in (Family.PRIMARY, Family.EXPLORATORY):
        compared = [v for v in report.verdicts if v.family is family and v.has_enough_pairs]
        if not compared:
            rows.append(Row(REAL, f"false {family} words", 0, None, found=False, note=f"too few valid pairs: {why}"))
            continue
        false = words(report, family)
        named = "; ".join(f"{v.datapath} ÷ {v.reference}, {v.metric} at {v.level}" for v in false)
        note = f"of {len(compared)} comparisons" + f": {named}" * bool(false)
        found = not false if family is Family.PRIMARY else None
        rows.append(Row(REAL, f"false {family} words", 0, float(len(false)), found=found, note=note))
    return rows


def noise_of(measured: Measured) -> dict[str, tuple[float, ...]]:
    """By level: the noise of one trial's figures, from the ratios of datapaths to their copies.

    A ratio has the noise of two trials. A level without two pairs, or without noise, is missing.
    """
    data, copies = measured.data, [label for label in measured.campaign.labels if "#" in label]
    found = {}
    for level, load in measured.campaign.levels.items():
        metrics = CLOSED_METRICS if load.kind == "closed" else OPEN_METRICS
        spreads = tuple(
            pair_noise([data.log_ratios(_cell(copy, level), copy.partition("#")[0], metric) for copy in copies])
            for metric in metrics
        )
        if all(spread > 0 for spread in spreads):
            found[level] = spreads
    return found


def _cell(label: str, level: str) -> Cell:
    return Cell(datapath=label, workload="http_keepalive", level=level)


def pair_noise(groups: Sequence[Sequence[float]]) -> float:
    """The noise of one trial: the standard deviation within groups of log-ratios ÷ √2; 0 without any."""
    squares, freedom = 0.0, 0
    for logs in groups:
        if len(logs) > 1:
            middle = fmean(logs)
            squares += math.fsum((log - middle) ** 2 for log in logs)
            freedom += len(logs) - 1
    return math.sqrt(squares / freedom / 2) if freedom else 0.0
