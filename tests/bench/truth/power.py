"""The difference that the reference campaign's design finds in four of five campaigns, with a host's own noise."""

from collections.abc import Mapping, Sequence
from multiprocessing import get_context

from tests.bench.truth.design import reference, reference_rounds
from tests.bench.truth.simulation import METRICS, power
from tests.bench.truth.table import Row
from tests.simulated import Spreads

PART = "difference found in 80 %"
WANTED = 0.8
DIFFERENCES = (0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.07, 0.1, 0.15, 0.2)
PROCESSES = 2


def _found(task: tuple[float, int, Spreads]) -> tuple[float, dict[str, float]]:
    difference, campaigns, spreads = task
    return difference, power(campaigns, 1 - difference, 40, reference(), spreads, reference_rounds())


def powers(campaigns: int, differences: Sequence[float], spreads: Spreads, whose: str) -> list[Row]:
    """A row for each metric: where the share of campaigns that find the difference reaches 80 %.

    ``whose`` says where the noise is from.
    """
    tasks = [(difference, campaigns, spreads) for difference in differences]
    with get_context("spawn").Pool(min(PROCESSES, len(tasks))) as pool:
        shares = dict(pool.imap_unordered(_found, tasks))
    note = f"{whose} noise, {reference_rounds()} blocks; {campaigns} campaigns each"
    return [power_row(metric, {d: shares[d][metric] for d in differences}, note) for metric in METRICS]


def power_row(metric: str, shares: Mapping[float, float], note: str = "") -> Row:
    """The smallest difference of one metric that is found in 80 % of campaigns."""
    found, cause = found_at(shares, WANTED), f"{metric}, ebpf_sk_assign ÷ tproxy"
    if found is None:
        return Row(PART, cause, None, None, note=note, instead=f"more than {100 * max(shares):g} %")
    return Row(PART, cause, None, 100 * found, unit="%", note=note)


def found_at(shares: Mapping[float, float], wanted: float) -> float | None:
    """Between the tried differences, by straight lines, where the share first reaches ``wanted``; none if it does not.

    Shares are made to rise with the difference, because their noise would otherwise find a too small one.
    """
    ordered = sorted(shares)
    rising = [min(shares[later] for later in ordered[index:]) for index in range(len(ordered))]
    before, share_before = 0.0, 0.0
    for difference, share in zip(ordered, rising, strict=True):
        if share >= wanted:
            return before + (difference - before) * (wanted - share_before) / (share - share_before)
        before, share_before = difference, share
    return None
