"""The metrics of a worker for Prometheus, collected at each scrape from what the worker has on disk and in memory.

Series are bounded: by causes, places and endings, and by one campaign while a block of it runs.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from domain.hosts.protocol import PROTOCOL
from domain.probes.telemetry import LossCause
from domain.service.vitals import DroppedMessages
from probes.stream.counters import COUNTERS_FILE, StoredCounters, read_counters
from probes.stream.segment_files import spool_size
from workers.agent.claims import Claims, claims_dir
from workers.agent.config import WorkerSettings
from workers.agent.outbox import outbox_state
from workers.agent.tally import BlockTally

PLACES = ("produced", "delivered", "spooled", "queued", "lost")


@dataclass(frozen=True)
class Live:
    """What the worker's main process knows: functions, as each scrape asks anew.

    ``waiting`` is the number of messages in this host's queue, ``None`` while Redis does not answer. ``life_at_s`` is
    when the coordinator last took a sign of life, in seconds since the epoch; 0 if it never did.
    """

    waiting: Callable[[], int | None]
    taken: Callable[[], int]
    dropped: Callable[[], DroppedMessages]
    life_at_s: Callable[[], float]
    throttled_s: Callable[[], float]


class WorkerMetrics(Collector):
    """The families of one worker."""

    def __init__(self, settings: WorkerSettings, outbox: Path, live: Live) -> None:
        self._host = settings.host
        self._telemetry_dir, self._outbox = settings.telemetry_dir, outbox
        self._claims, self._tally = Claims(claims_dir(settings.state_dir)), BlockTally(settings.state_dir)
        self._live = live

    def collect(self) -> Iterator[Metric]:
        """Every family; one whose source cannot be read is left out."""
        about = GaugeMetricFamily(
            "showdown_worker_info",
            "The host of this worker, and the protocol that it speaks.",
            labels=["host", "protocol"],
        )
        about.add_metric([self._host, str(PROTOCOL)], 1)
        yield about
        yield from self._blocks()
        yield from self._messages()
        yield _gauge(
            "last_sign_of_life_timestamp_seconds",
            "When the coordinator last took a sign of life of this worker; 0 if it never did.",
            self._live.life_at_s(),
        )
        throttled = "CPU time that limits of the worker's cgroups held back."
        yield _counter("cpu_throttled_seconds", throttled, self._live.throttled_s())
        outbox = outbox_state(self._outbox)
        reports = {"waiting": outbox.waiting, "set_aside": len(outbox.set_aside)}
        yield _gauge("reports", "Reports on disk that the coordinator has not taken.", reports, "state")
        yield from self._telemetry()

    def _blocks(self) -> Iterator[Metric]:
        yield _counter("blocks", "Attempts at blocks that ended on this host, by how.", self._tally.counts(), "ending")
        claims = list(self._claims.open())
        yield _gauge("block_running", "1 while the worker runs a block.", int(bool(claims)))
        if claims:
            newest = max(claims, key=lambda one: one.since_s)
            campaign, _, index = newest.block_id.rpartition("-")
            number = {campaign: int(index) if index.isdigit() else 0}
            yield _gauge("current_block", "The number of the running block in its campaign.", number, "campaign")
            since = "When the running block was claimed."
            yield _gauge("current_block_start_timestamp_seconds", since, newest.since_s)

    def _messages(self) -> Iterator[Metric]:
        waiting = self._live.waiting()
        yield _gauge("broker_up", "1 if Redis answered this worker's last look.", int(waiting is not None))
        if waiting is not None:
            yield _gauge("queue_depth", "Messages that wait in this host's queue.", waiting)
        yield _counter("messages_taken", "Messages taken from the queue.", self._live.taken())
        dropped = self._live.dropped().model_dump()
        yield _counter("messages_dropped", "Messages that were dropped, by why.", dropped, "why")

    def _telemetry(self) -> Iterator[Metric]:
        try:
            stored, spool_bytes = read_counters(self._telemetry_dir / COUNTERS_FILE), spool_size(self._telemetry_dir)
        except OSError:
            return
        yield _gauge("spool_bytes", "The size of the telemetry that waits on disk for InfluxDB.", spool_bytes)
        if stored is not None:
            yield from _account(stored)


def _account(stored: StoredCounters) -> Iterator[Metric]:
    life = stored.life
    where = (
        "Telemetry points since the state directory was made, by where they are: "
        "produced = delivered + spooled + queued + lost."
    )
    yield _gauge("telemetry_points", where, {place: getattr(life, place) for place in PLACES}, "place")
    losses = {cause: life.losses.get(cause, 0) for cause in LossCause}
    yield _counter("telemetry_lost", "Lost telemetry points by cause.", losses, "cause")
    failed = "When InfluxDB or the spool last failed; 0 if never."
    yield _gauge("telemetry_error_timestamp_seconds", failed, stored.error_at_s)


def _gauge(name: str, text: str, values: float | Mapping[Any, float], label: str = "") -> Metric:
    return _filled(GaugeMetricFamily, name, text, values, label)


def _counter(name: str, text: str, values: float | Mapping[Any, float], label: str = "") -> Metric:
    return _filled(CounterMetricFamily, name, text, values, label)


def _filled(
    kind: type[GaugeMetricFamily] | type[CounterMetricFamily],
    name: str,
    text: str,
    values: float | Mapping[Any, float],
    label: str,
) -> Metric:
    """A family with one value, or one for each value of ``label``."""
    family = kind(f"showdown_worker_{name}", text, labels=[label] if label else [])
    for key, value in values.items() if isinstance(values, Mapping) else (("", values),):
        family.add_metric([str(key)] if label else [], value)
    return family
