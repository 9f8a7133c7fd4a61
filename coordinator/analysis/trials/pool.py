"""The times of a cell: the sum of its trials' histograms, and the figures that are read from it. Pure.

Sums are of whole numbers, so they do not depend on the order in which blocks end, and a sum can grow block by block.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Self

from coordinator.scheduling.digests import Times, TrialDigest
from domain.trials.episodes import LADDER_NS, Episodes
from domain.trials.hdr import MAX_DURATIONS
from domain.trials.histogram import LatencyHistogram

POOLED = ("latency", "service_time", "lag", "overloaded")
"""The histograms of a pool; the latencies of overloaded trials are apart."""


class PoolKey(NamedTuple):
    """A cell, and the fingerprint of its blocks (pooling.lasting_id); empty for the steps of searches."""

    workload: str
    level: str
    datapath: str
    fingerprint: str


@dataclass(frozen=True)
class Read:
    """What was read from a pooled histogram; percentiles are ``None`` if it is empty."""

    count: int = 0
    p50_ns: int | None = None
    p99_ns: int | None = None
    p999_ns: int | None = None

    @classmethod
    def of(cls, histogram: LatencyHistogram | None) -> Self | None:
        """``None`` where no trial had one."""
        if histogram is None:
            return None
        return cls(histogram.count, *(histogram.percentile_ns(percentile) for percentile in (50, 99, 99.9)))

    @property
    def p50_us(self) -> float | None:
        """The median in µs."""
        return None if self.p50_ns is None else self.p50_ns / 1000

    @property
    def p99_us(self) -> float | None:
        """The 99th percentile in µs."""
        return None if self.p99_ns is None else self.p99_ns / 1000

    @property
    def p999_us(self) -> float | None:
        """The 99.9th percentile in µs."""
        return None if self.p999_ns is None else self.p999_ns / 1000


@dataclass(frozen=True)
class Counted:
    """Episodes of several trials: their sums, and how many trials counted them."""

    trials: int = 0
    sums: tuple[int, ...] = (0,) * len(LADDER_NS)

    def beyond(self, limit_ns: float) -> int:
        """As :meth:`domain.trials.episodes.Episodes.beyond`."""
        return Episodes(counts=self.sums).beyond(limit_ns)

    def plus(self, episodes: Episodes | None) -> "Counted":
        """With one more trial."""
        if episodes is None:
            return self
        return Counted(self.trials + 1, tuple(map(int.__add__, self.sums, episodes.counts)))


NONE_COUNTED = Counted()


@dataclass(frozen=True)
class Pool:
    """The figures of a cell's pooled times.

    ``episodes`` are those of all valid trials, ``timed`` those of the valid ones in an open loop.
    """

    latency: Read | None = None
    service_time: Read | None = None
    lag: Read | None = None
    overloaded: Read | None = None
    episodes: Counted = NONE_COUNTED
    timed: Counted = NONE_COUNTED


NO_POOL = Pool()


class Growing:
    """A pool that trials are added to."""

    def __init__(self, before: Pool = NO_POOL, encoded: Mapping[str, str] | None = None) -> None:
        """Continue a pool that was stored; ``encoded`` are its histograms."""
        self._histograms = {name: LatencyHistogram.decode(text) for name, text in (encoded or {}).items()}
        self._episodes, self._timed = before.episodes, before.timed

    @property
    def encoded(self) -> dict[str, str]:
        """The histograms, to be stored."""
        return {name: histogram.encode() for name, histogram in self._histograms.items()}

    def add(self, trial: TrialDigest, *, is_overloaded: bool) -> None:
        """Add one trial, if it is valid or overloaded."""
        if trial.times is None:
            raise ValueError(f"the times of {trial.words.datapath} are stored, and cannot be added again")
        if trial.valid:
            self._add_valid(trial.times)
        elif is_overloaded and trial.times.latency is not None:
            self._merge("overloaded", trial.times.latency)

    def add_lag(self, trial: TrialDigest) -> None:
        """Add only the lag of the generator, which is all that is shown of a search's trials."""
        if trial.valid and trial.times is not None and trial.times.lag is not None:
            self._merge("lag", trial.times.lag)

    def _add_valid(self, times: Times) -> None:
        for name, histogram in zip(POOLED, times[:3], strict=False):
            if histogram is not None:
                self._merge(name, histogram)
        self._episodes = self._episodes.plus(times.episodes)
        if times.latency is not None:
            self._timed = self._timed.plus(times.episodes)

    def _merge(self, name: str, histogram: LatencyHistogram) -> None:
        known = self._histograms.get(name)
        if known is None:
            known = self._histograms[name] = LatencyHistogram()
        if known.count + histogram.count <= MAX_DURATIONS:  # more cannot be read back; no host measures so many
            known.add(histogram)

    @property
    def pool(self) -> Pool:
        """The figures by now."""
        found = {name: Read.of(self._histograms.get(name)) for name in POOLED}
        return Pool(**found, episodes=self._episodes, timed=self._timed)


def pool_of(trials: Iterable[tuple[TrialDigest, bool]]) -> Pool:
    """The pool of trials, each given with whether it is overloaded."""
    growing = Growing()
    for trial, is_overloaded in trials:
        growing.add(trial, is_overloaded=is_overloaded)
    return growing.pool
