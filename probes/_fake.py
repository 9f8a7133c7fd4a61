"""Fakes for tests without root, BCC or InfluxDB: a scripted probe, and a sink that may fail."""

from domain.probes.sample import BUCKETS, StageHistogram, StageSample, bucket_index
from domain.service.jobs import HostCapabilities
from probes.base import LabView, Probe, ProbeError, Reading
from probes.stream.sink import SinkError


class FakeProbe(Probe):
    """Implements the contract in memory. :meth:`happen` plays the kernel: it counts only for the watched lab."""

    name = "fake"
    stage = "fake"
    summary = "A probe for tests"

    def __init__(self, name: str = "fake", *, broken: str = "") -> None:
        self.name = self.stage = name  # type: ignore[misc]  # a test may use several fakes
        self.broken = broken
        self.watched: LabView | None = None
        self.watches: list[str | None] = []
        self.starts = 0
        self.running = False
        self.every = 1
        self.work: dict[str, int] = {}
        self._total = StageHistogram()
        self._samples: list[StageSample] = []
        self._sequence = 0

    def happen(self, label: str, *values_ns: int, unmatched: int = 0, time_ns: int = 0) -> None:
        """Add durations in the lab ``label``; each of them is sampled."""
        if not self.running or self.watched is None or self.watched.label != label:
            return
        for value_ns in values_ns:
            counts = [0] * BUCKETS
            counts[bucket_index(value_ns)] = 1
            self._total = self._total.plus(StageHistogram(tuple(counts), value_ns, value_ns, 1))
            self._sequence += 1
            self._samples.append(StageSample(self.stage, value_ns, time_ns, self._sequence))
        self._total = self._total.plus(StageHistogram(started=unmatched))

    def unmet_requirements(self, capabilities: HostCapabilities) -> list[str]:
        return capabilities.lacking("bcc")

    def start(self) -> None:
        if self.broken:
            raise ProbeError(self.broken)
        self.starts += 1
        self.running = True

    def watch(self, lab: LabView | None, *, accept: bool = True) -> None:
        self._check()
        self.watched = lab
        self.watches.append(lab.label if lab else None)

    def read(self) -> Reading:
        self._check()
        samples, self._samples = self._samples, []
        return Reading({"": self._total}, work=dict(self.work), samples=tuple(samples), every=self.every)

    def stop(self) -> None:
        self.running = False
        self.watched = None

    def _check(self) -> None:
        if not self.running:
            raise ProbeError(self.broken or f"{self.name} was not started")


class FakeSink:
    """Stores what it is given; each write fails while ``fail`` is set."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.batches: list[int] = []
        self.fail: SinkError | None = None
        self.tries = 0
        self.closed = False

    def write(self, lines: str) -> None:
        self.tries += 1
        if self.fail is not None:
            raise self.fail
        batch = lines.split("\n")
        self.batches.append(len(batch))
        self.lines += batch

    def close(self) -> None:
        self.closed = True
