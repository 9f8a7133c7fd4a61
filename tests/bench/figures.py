"""The arithmetic of the benches, and the output of their findings. Pure."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.special import fdtri

from coordinator.analysis.inference.statistics import CONFIDENCE, student_t


@dataclass(frozen=True)
class Ratio:
    """A ratio with its 95 % interval."""

    ratio: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.ratio:.3f} [{self.low:.3f}, {self.high:.3f}]"

    def within(self, other: "Ratio") -> bool:
        """True if the ratio lies in the other's interval."""
        return other.low <= self.ratio <= other.high


def paired(these: Sequence[float], those: Sequence[float]) -> Ratio:
    """The mean ratio of pairs: Student's t on their logarithms. Raises ``ValueError`` below two pairs."""
    if len(these) != len(those) or len(these) < 2:
        raise ValueError(f"{len(these)} and {len(those)} values are no pairs, or too few")
    estimate = student_t(np.log(np.asarray(these, dtype=np.float64) / np.asarray(those, dtype=np.float64)))
    return Ratio(*(math.exp(log) for log in (estimate.mean, estimate.low, estimate.high)))


def ratio_to(these: Sequence[float], value: float) -> Ratio:
    """The ratio of repeated measurements to a known value."""
    return paired(these, [value] * len(these))


@dataclass(frozen=True)
class Precision:
    """The precision of a measurement: the standard error of a ratio after one second of traffic."""

    log_error_of_1_s: float
    count: int

    def over(self, other: "Precision") -> Ratio:
        """The ratio of two errors; the interval is F's, because both are estimated from few pairs."""
        ratio = self.log_error_of_1_s / other.log_error_of_1_s
        freedom, other_freedom = self.count - 1, other.count - 1
        tail = (1 - CONFIDENCE) / 2
        high = float(fdtri(freedom, other_freedom, 1 - tail))
        low = float(fdtri(freedom, other_freedom, tail))
        return Ratio(ratio, ratio / math.sqrt(high), ratio / math.sqrt(low))


def precision(these: Sequence[float], those: Sequence[float], traffic_s: float) -> Precision:
    """From neighbouring slices of two equal targets, with ``traffic_s`` in total.

    The standard error of the mean log-ratio falls with the root of the traffic, hence × √traffic for one second.
    Raises ``ValueError`` below two pairs.
    """
    if len(these) != len(those) or len(these) < 2:
        raise ValueError(f"{len(these)} and {len(those)} slices are no pairs, or too few")
    logs = np.log(np.asarray(these, dtype=np.float64) / np.asarray(those, dtype=np.float64))
    error = float(logs.std(ddof=1)) / math.sqrt(logs.size)
    return Precision(error * math.sqrt(traffic_s), logs.size)


def stalled_latencies(start_ns: int, rate: int, duration_ms: int, stall_ms: int, every_ms: int) -> list[int]:
    """The expected latencies in nanoseconds, sorted, if only the origin's stalls delayed answers.

    For an open loop at a constant ``rate`` per second from ``start_ns``. The origin is frozen while CLOCK_MONOTONIC
    modulo ``every_ms`` is less than ``stall_ms``.
    """
    latencies = []
    for index in range(rate * duration_ms // 1000):
        phase = (start_ns + index * 10**9 // rate) % (every_ms * 1_000_000)
        latencies.append(max(0, stall_ms * 1_000_000 - phase))
    return sorted(latencies)


def at_percentile(ordered: Sequence[float], percentile: float) -> float:
    """The smallest value that at least ``percentile`` % of all values do not exceed."""
    return ordered[max(0, math.ceil(len(ordered) * percentile / 100) - 1)]


def share_below(percentile_of: Callable[[float], float], value: float) -> float:
    """The share of a distribution below ``value``, from its percentiles (0–100), to a thousandth of a percent."""
    low, high = 0.0, 100.0
    while high - low > 1e-3:
        middle = (low + high) / 2
        low, high = (middle, high) if percentile_of(middle) < value else (low, middle)
    return low / 100


@dataclass
class Findings:
    """The result of a bench: ratios by name, whether goals are met, and lines for people."""

    ratios: dict[str, Ratio] = field(default_factory=dict)
    goals: dict[str, bool] = field(default_factory=dict)
    facts: dict[str, float] = field(default_factory=dict)

    def report(self, name: str, ratio: Ratio, text: str, goal: bool | None = None) -> None:
        """Store a ratio, and print it with its goal, if it has one."""
        self.ratios[name] = ratio
        verdict = ""
        if goal is not None:
            self.goals[name] = goal
            verdict = "met" if goal else "NOT MET"
        print(f"  {text:<58} {ratio!s:<24} {verdict}", flush=True)

    def json(self) -> str:
        """One line: each ratio as {"ratio", "low", "high"} under its name, then goals and facts."""
        figures: dict[str, object] = {
            name: {key: float(f"{getattr(ratio, key):.5g}") for key in ("ratio", "low", "high")}
            for name, ratio in self.ratios.items()
        }
        facts = {name: float(f"{value:.5g}") for name, value in self.facts.items()}
        return json.dumps(figures | {"goals_met": self.goals, "facts": facts})


def heading(text: str) -> None:
    """Print the title of a part."""
    print(f"\n{text}", flush=True)
