"""Figures of traffic that many client addresses share: the rate of each, its fairness, its bursts, and its cost. Pure.

A slice's first part is not settled: buckets are full and windows small. Rates are of the rest of the slice, and what
the first part carried beyond that rate is the burst.
"""

from collections.abc import Iterator, Sequence

from domain.trials.evenness import jain
from domain.trials.figures import TrialFigure, TrialFigures, TrialSeries, series_of
from workers.traffic.base import Received, SliceTraffic
from workers.workloads.base import Observed

STEP_S = 0.1
SETTLE_S = 0.5  # … but at most half of the slice

_MBIT = 1e6 / 8


def figures_of(observed: Observed) -> TrialFigures:
    """The figures of a trial, if its generator reports what each address received."""
    slices = [one for one in observed.slices if one.received is not None and one.received.by_source]
    if not slices:
        return TrialFigures()
    rates = _means([_settled_mbit(one) for one in slices])
    shapes = observed.counters.offered_packets is not None  # the routed path keeps no rate, and has no bucket
    asked_mbit = observed.condition.client_rate_mbit if shapes else None
    found = [*_rates(rates, asked_mbit), *_costs(observed, slices)]
    if asked_mbit:
        found.append(_burst(slices, asked_mbit))
    return TrialFigures(figures=tuple(found), series=(_total(slices, observed.began_s),))


def _rates(rates: Sequence[float], asked_mbit: int | None) -> Iterator[TrialFigure]:
    mean = sum(rates) / len(rates)
    yield TrialFigure(name="client_rate_mbit", title="rate per client", unit="Mbit/s", value=mean)
    if asked_mbit:
        shares = [rate / asked_mbit for rate in rates]
        yield TrialFigure(name="achieved_share", title="achieved ÷ asked rate", value=mean / asked_mbit)
        yield TrialFigure(name="achieved_lowest", title="achieved ÷ asked, lowest client", value=min(shares))
        yield TrialFigure(name="achieved_highest", title="achieved ÷ asked, highest client", value=max(shares))
    if (fairness := jain(rates)) is not None:
        yield TrialFigure(name="jain", title="fairness (Jain)", most=1.0, value=fairness)


def _costs(observed: Observed, slices: Sequence[SliceTraffic]) -> Iterator[TrialFigure]:
    gigabits = sum(one.bytes_received for one in slices) * 8 / 1e9
    if gigabits:
        cpu_s = observed.cpu_s / gigabits
        yield TrialFigure(name="cpu_s_per_gbit", title="CPU per gigabit", unit="s", signed=True, value=cpu_s)
    counters = observed.counters
    shares = (("denied_share", "denied packets", counters.denied_packets, 1.0),
              ("delayed_share", "delayed packets", counters.delayed_packets, None))  # fmt: skip
    for name, title, packets, most in shares:
        if packets is not None and counters.offered_packets:
            value = packets / counters.offered_packets
            yield TrialFigure(name=name, title=f"{title} ÷ offered ones", most=most, value=value)


def _burst(slices: Sequence[SliceTraffic], asked_mbit: int) -> TrialFigure:
    """How long the asked rate takes for what the first part carried beyond the settled rate."""
    beyond = [(_mean(_first_mbit(one)) - _mean(_settled_mbit(one))) * _settle_s(one) for one in slices]
    return TrialFigure(name="burst_ms", title="burst, as time of the asked rate", unit="ms", signed=True,
                       value=_mean(beyond) / asked_mbit * 1e3)  # fmt: skip


def _total(slices: Sequence[SliceTraffic], began_s: float) -> TrialSeries:
    at_s, values = [], []
    for one in slices:
        for step, mbit in enumerate(_steps_mbit(one)):
            at_s.append(one.started_s - began_s + (step + 1) * _of(one).step_s)
            values.append(mbit)
    return series_of("rate_mbit", "rate of all clients", "Mbit/s", at_s, values)


def _steps_mbit(one: SliceTraffic) -> list[float]:
    received = _of(one)
    whole = int(one.duration_s / received.step_s + 1e-6)  # the last step may be shorter
    sums = [sum(steps) for steps in zip(*received.by_source, strict=True)]
    return [total / received.step_s / _MBIT for total in sums[:whole]]


def _settled_mbit(one: SliceTraffic) -> list[float]:
    at, seconds = _settle_steps(one), one.duration_s - _settle_s(one)
    return [sum(steps[at:]) / seconds / _MBIT for steps in _of(one).by_source]


def _first_mbit(one: SliceTraffic) -> list[float]:
    at, seconds = _settle_steps(one), _settle_s(one)
    return [sum(steps[:at]) / seconds / _MBIT for steps in _of(one).by_source]


def _settle_steps(one: SliceTraffic) -> int:
    return max(1, round(min(SETTLE_S, one.duration_s / 2) / _of(one).step_s))


def _settle_s(one: SliceTraffic) -> float:
    return _settle_steps(one) * _of(one).step_s


def _of(one: SliceTraffic) -> Received:
    if one.received is None:
        raise ValueError("the slice does not say what each address received")
    return one.received


def _means(rows: Sequence[Sequence[float]]) -> list[float]:
    return [_mean(column) for column in zip(*rows, strict=True)]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
