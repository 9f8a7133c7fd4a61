"""Origins of known behaviour: one of known capacity, and one that answers after a known delay."""

from collections.abc import Mapping
from statistics import fmean

from coordinator.analysis.inference.statistics import interval
from domain.campaigns.campaign import read_campaign
from domain.loads.load import OpenLoad
from domain.loads.metric import Metric
from domain.trials.trial import Reason
from tests.bench.stage import awake, one_cpu
from tests.bench.truth.blocks import Measured, OriginOf, a_block, context, run_campaign, tried
from tests.bench.truth.table import Row
from workers.datapaths.direct import Direct
from workers.lab import cpus
from workers.lab.lab import Lab
from workers.origins.own import TrafficOrigin
from workers.traffic.base import GeneratorPlan
from workers.workloads.base import Workload

OVERLOAD = "overload"
DELAY = "delay of an answer"
CAPACITY_PER_S = 1000
SHARES = {"above": 1.2, "below": 0.8}
SLICES = {0.2: 5, 1.0: 3, 5.0: 1}  # length in seconds: how many
DELAYS_US = (1_000, 5_000, 20_000)
DELAY_RATE_PER_S = 40  # its period is longer than the longest delay: no request waits for another
MAX_DELAY_ERROR_US = 20.0


class OneThread(TrafficOrigin):
    """The own origin with a single thread, which a service time or a delay occupies."""

    def start(self) -> None:
        """See TrafficOrigin."""
        with one_cpu(cpus.placement().server[-1]):
            super().start()


def of_known_capacity(requests_per_s: int) -> OriginOf:
    """An origin that answers so many requests per second, no more."""
    options = ("--service-us", str(1_000_000 // requests_per_s))
    return lambda workload, plan, lab: OneThread(lab, workload.service, options=options)


def of_known_delay(workload: Workload, plan: GeneratorPlan, lab: Lab) -> OneThread:
    """It answers after the delay in its label: ``delay_5000``, in µs."""
    delay = lab.label.removeprefix("delay_")
    return OneThread(lab, workload.service, options=() if delay == "0" else ("--delay-us", delay))


def overload(slices: Mapping[float, int], repeats: int) -> list[Row]:
    """Above and below the capacity, side by side, with slices of each length; a row for each."""
    rows = []
    with context({label: Direct() for label in SHARES}, of_known_capacity(CAPACITY_PER_S)) as host:
        for slice_s, count in slices.items():
            seen: dict[str, list[bool]] = {label: [] for label in SHARES}
            for arrival in ("poisson", "constant"):
                loads = {
                    label: OpenLoad(rate_per_s=round(share * CAPACITY_PER_S), arrival=arrival)
                    for label, share in SHARES.items()
                }
                for _ in range(repeats):
                    for trial in tried(a_block(loads, count), host, slice_s)[-1].trials:
                        if not trial.validity.environment:
                            seen[trial.datapath].append(Reason.OVERLOADED in trial.validity.reasons)
            rows += [overload_row(label, slice_s, found) for label, found in seen.items()]
    return rows


def overload_row(label: str, slice_s: float, seen: list[bool]) -> Row:
    """How many of the undisturbed trials were ``overloaded``, as a share: 1 above the capacity, 0 below."""
    known = float(label == "above")
    cause = f"{SHARES[label]:g} × the capacity, slices of {slice_s:g} s: overloaded"
    if not seen:
        return Row(OVERLOAD, cause, known, None, found=False, note="host noise in every trial")
    value = fmean(seen)
    return Row(OVERLOAD, cause, known, value, found=value == known, note=f"{sum(seen)} of {len(seen)} trials")


class Delayed(Direct):
    """``direct``, of another function than the undelayed one: the report then gives its price in µs."""

    function = "delay"
    role = ""


def delays(delays_us: tuple[int, ...], blocks: int, slices: int) -> list[Row]:
    """Answers after known delays, side by side with undelayed ones; rows for p50 and mean of each."""
    labels = {"delay_0": Direct(), **{f"delay_{us}": Delayed() for us in delays_us}}
    campaign = read_campaign(
        {
            "name": "truth-delay", "datapaths": list(labels), "blocks": blocks, "slices": slices, "open_slice_s": 1.0,
            "warm_up_s": 0.2, "seed": 1, "levels": {"level": f"open({DELAY_RATE_PER_S}, constant, in_flight<=8)"},
        }
    )  # fmt: skip
    # Without this, the generator's CPU wakes up later after a long delay than after none, and p50 has both.
    with awake(), context(labels, of_known_delay) as host:
        measured = run_campaign(campaign, host)
    return [row for us in delays_us for row in delay_rows(measured, us)]


def delay_rows(measured: Measured, delay_us: int) -> list[Row]:
    """p50 as the report prices it, and the mean of the same trials."""
    label = f"delay_{delay_us}"
    price = next((p for p in measured.report.prices if (p.datapath, p.metric) == (label, Metric.LATENCY_P50_US)), None)
    p50 = (price.us, price.low_us, price.high_us) if price else None
    pairs = [
        (slow.latency.mean_ns - fast.latency.mean_ns) / 1000
        for slow, fast in zip(measured.trials(label), measured.trials("delay_0"), strict=True)
        if slow.validity.valid and fast.validity.valid and slow.latency and fast.latency
        if slow.latency.mean_ns is not None and fast.latency.mean_ns is not None
    ]
    found = interval(pairs)
    mean = (found.mean, found.low, found.high) if found else None
    why = measured.why_invalid
    return [delay_row(delay_us, "p50", p50, why), delay_row(delay_us, "mean", mean, why)]


def delay_row(delay_us: int, figure: str, seen: tuple[float, float, float] | None, why: str = "") -> Row:
    """A figure of the latency over the undelayed one; it may differ by 20 µs from the delay."""
    cause = f"answers {delay_us / 1000:g} ms later: {figure} over no delay"
    if seen is None:
        return Row(DELAY, cause, delay_us, None, unit="µs", found=False, note=f"too few valid pairs: {why}")
    error_us = seen[0] - delay_us
    note = f"{error_us:+.1f} µs (at most ±{MAX_DELAY_ERROR_US:g})"
    return Row(DELAY, cause, delay_us, *seen, "µs", abs(error_us) <= MAX_DELAY_ERROR_US, note)
