"""What the analysis reads of a trial: a few hundred bytes, where the trial with its histograms has many thousand.

A digest is made once, when a result is accepted (coordinator/analysis/trials/digest.py). It has the attributes of
:class:`domain.trials.trial.TrialResult` that the analysis needs, and figures in place of histograms. Plain values.
"""

from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from domain.probes.telemetry import TelemetryAccount
from domain.probes.watched import StageRole
from domain.trials.episodes import Episodes
from domain.trials.histogram import LatencyHistogram
from domain.trials.trial import REASON_CLASSES, TRANSIENT_REASONS, Finding, Reason, ReasonClass

FIELDS = (
    "requests",
    "duration_s",
    "delivered",
    "due",
    "queued",
    "censored",
    "requests_per_s",
    "cpu_us_per_request",
    "latency_p50_us",
    "latency_p99_us",
    "latency_p999_us",
    "percent_over_1ms",
    "percent_over_5ms",
    "percent_over_20ms",
    "has_latency",
    "episodes_over_1ms",
    "episodes_over_5ms",
    "episodes_over_20ms",
    "highest_carried_per_s",
    "carried_to_its_end",
    "wall_s",
    "cpus",
    "idle_s",
    "steal_s",
    "tracked",
    "ballast_packets",
    "watched_rate_per_s",
    "is_disturbed",
    "in_flight",
    "watched_mean_us",
    "is_timed",
    "send_wait_us",
    "watched_requests",
    "unwatched_mean_ns",
)
"""The numbers of a digest, in their order; a number that a trial does not have is NaN."""
AT: Mapping[str, int] = {name: place for place, name in enumerate(FIELDS)}

_OVER = AT["percent_over_1ms"]

FIGURE, LACKS_FIGURE, COUNTED = 1, 2, 4
"""What is known of a stage: it has a figure; it had events and no figure; durations were measured."""


class _Number:
    """A number of a digest, as an attribute; ``None`` if the trial does not have it."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._at = AT[name]

    def __get__(self, digest: "TrialDigest", owner: type) -> float | None:
        value = digest.numbers[self._at]
        return value if value == value else None


class TrialWords(NamedTuple):
    """What many trials have in common."""

    datapath: str
    function: str
    role: str | None
    workload: str
    level: str
    offloads: tuple[tuple[str, bool], ...] = ()
    over: str = ""


class Stages(NamedTuple):
    """The readings of probes, without stages that do not apply, and the kernel's work.

    ``us`` is per request; ``known`` are flags, one byte for each stage.
    """

    keys: tuple[StageRole, ...]
    us: "array[float]"
    known: bytes
    kinds: tuple[str, ...]
    work: "array[float]"


class Times(NamedTuple):
    """The histograms of a trial that was not stored yet."""

    latency: LatencyHistogram | None
    service_time: LatencyHistogram | None
    lag: LatencyHistogram | None
    episodes: Episodes | None


class DeclaredKey(NamedTuple):
    """A figure that a trial's workload declares; fields of :class:`domain.trials.figures.TrialFigure`."""

    name: str
    title: str
    unit: str
    added: bool
    signed: bool = False  # digests of earlier versions end here
    most: float | None = None
    caution: str = ""


class Declared(NamedTuple):
    """The figures that a trial's workload declares, and their values."""

    keys: tuple[DeclaredKey, ...]
    values: "array[float]"


NOTHING_DECLARED = Declared((), array("d"))


class Judged(NamedTuple):
    """How a step of a search ended; fields of :class:`coordinator.scheduling.step_result.StepResult`.

    ``by_slice`` is false for results of older versions.
    """

    met: int
    missed: int
    why: str
    again: bool
    by_slice: bool


class ReasonKinds(NamedTuple):
    """What the reasons against a trial say together."""

    is_outcome: bool  # or nothing
    is_environment: bool


@lru_cache(maxsize=4096)
def kinds_of(reasons: tuple[Reason, ...]) -> ReasonKinds:
    """The classes of reasons."""
    return ReasonKinds(
        all(REASON_CLASSES[reason] is ReasonClass.OUTCOME for reason in reasons),
        any(reason in TRANSIENT_REASONS for reason in reasons),
    )


class TrialDigest:
    """One trial; ``valid`` and ``reasons`` are those of its findings."""

    __slots__ = ("declared", "findings", "judged", "numbers", "reasons", "stages", "times", "valid", "words")

    def __init__(
        self,
        words: TrialWords,
        numbers: "array[float]",
        findings: tuple[Finding, ...] = (),
        *,
        stages: Stages | None = None,
        judged: Judged | None = None,
        times: Times | None = None,
        declared: Declared = NOTHING_DECLARED,
    ) -> None:
        self.declared = declared
        self.words, self.numbers, self.findings = words, numbers, findings
        self.stages, self.judged, self.times = stages, judged, times
        self.valid = not findings
        self.reasons = tuple(dict.fromkeys(one.reason for one in findings)) if findings else ()

    requests = _Number()
    duration_s = _Number()
    delivered = _Number()
    due = _Number()
    queued = _Number()
    censored = _Number()
    requests_per_s = _Number()
    latency_p99_us = _Number()
    highest_carried_per_s = _Number()
    carried_to_its_end = _Number()
    tracked = _Number()
    ballast_packets = _Number()
    watched_rate_per_s = _Number()
    watched_mean_us = _Number()
    send_wait_us = _Number()
    unwatched_mean_ns = _Number()

    @property
    def has_latency(self) -> bool:
        """True for trials in an open loop."""
        return self.numbers[AT["has_latency"]] == 1

    @property
    def is_disturbed(self) -> bool:
        """True if the host was not left alone in a watched slice."""
        return self.numbers[AT["is_disturbed"]] == 1

    @property
    def is_timed(self) -> bool:
        """True if the mean watched request is that of the moments in which probes were attached."""
        return self.numbers[AT["is_timed"]] == 1

    @property
    def has_shares(self) -> bool:
        """As :func:`domain.trials.exceedance.has_shares`."""
        over = self.numbers[_OVER]
        return over == over and (self.valid or kinds_of(self.reasons).is_outcome)

    def value(self, name: str) -> float | None:
        """The number with that name."""
        found = self.numbers[AT[name]]
        return found if found == found else None

    @property
    def details(self) -> tuple[str, ...]:
        """The details of its findings."""
        return tuple(one.detail for one in self.findings)

    def left_out(self, why: Finding) -> "TrialDigest":
        """The trial with one more finding."""
        findings = (*self.findings, why)
        return TrialDigest(
            *(self.words, self.numbers, findings),
            stages=self.stages,
            judged=self.judged,
            times=self.times,
            declared=self.declared,
        )


@dataclass(frozen=True)
class BlockDigest:
    """One finished attempt of a block: where it ran, and its trials by label, in the order of the result.

    ``sound`` says whether the environment disturbed no trial, if that is known without them.
    """

    host: str
    wall_s: float
    fingerprint: Mapping[str, str]
    trials: Mapping[str, TrialDigest]
    telemetry: TelemetryAccount
    sound: bool | None = None

    @property
    def is_sound(self) -> bool:
        """True if the environment disturbed no trial."""
        if self.sound is not None:
            return self.sound
        return not any(kinds_of(trial.reasons).is_environment for trial in self.trials.values() if not trial.valid)
