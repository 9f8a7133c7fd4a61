"""The coordinator's metrics for Prometheus. Each scrape reads them from the database, so nothing is counted twice.

Series are bounded: by hosts, states and kinds, and by the primary comparisons of one campaign.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from apiflask import APIBlueprint
from flask import Response
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from coordinator.api.campaigns import brief_report
from coordinator.services import services
from coordinator.store.hosts import gauges
from domain.reports.report import CampaignReport, Family
from domain.service.trouble import Part, Readiness

blueprint = APIBlueprint("metrics", __name__, enable_openapi=False)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_VERDICT_LABELS = ("campaign", "name", "datapath", "reference", "workload", "level", "metric")
_CHECK_LABELS = ("campaign", "name", "expectation", "datapath", "workload", "level")


@blueprint.get("/metrics")
def get_metrics() -> Response:
    """The metrics, as text that Prometheus scrapes with the users' token."""
    known = services()
    with known.store.read() as session:
        now = known.clock()
        counted: list[GaugeMetricFamily] = [
            *_campaigns(gauges.campaigns_by_state(session), gauges.open_blocks(session)),
            *_hosts(gauges.hosts(session, now)),
            _family("telemetry_points_last_day", "Telemetry points of attempts that ended within a day, by where they "
                    "are.", ("host", "place"), gauges.telemetry(session, now)),
            _family("quarantined", "What is set aside, by kind.", ("kind",), gauges.quarantined(session)),
        ]  # fmt: skip
        newest = gauges.newest_complete(session)
    counted += _readiness(known.watch.current())
    if newest is not None:
        counted += _verdicts(brief_report(newest))
    registry = CollectorRegistry()
    registry.register(_Collected(counted))
    return Response(generate_latest(registry), content_type=CONTENT_TYPE)


class _Collected(Collector):
    """Families that are complete already."""

    def __init__(self, families: Iterable[GaugeMetricFamily]) -> None:
        self._families = list(families)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        yield from self._families


def _family(name: str, help_text: str, labels: tuple[str, ...], values: Mapping[Any, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"showdown_{name}", help_text, labels=labels)
    for key, value in values.items():
        texts = key if isinstance(key, tuple) else (key,)
        family.add_metric([str(text) for text in texts], value)
    return family


def _campaigns(campaigns: Mapping[str, int], blocks: Mapping[tuple[str, str], int]) -> Iterator[GaugeMetricFamily]:
    yield _family("campaigns", "Campaigns by state.", ("state",), campaigns)
    yield _family("blocks", "Blocks of campaigns that have not ended.", ("host", "state"), blocks)
    depth = {
        host: sum(count for (of_host, state), count in blocks.items() if of_host == host and state in _QUEUED)
        for host, _ in blocks
    }
    yield _family("queue_depth", "Blocks that wait for a host: held, waiting or dispatched.", ("host",), depth)


_QUEUED = ("held", "waiting", "dispatched")


def _hosts(found: Iterable[gauges.HostGauges]) -> Iterator[GaugeMetricFamily]:
    found = list(found)
    yield _family("host_last_seen_timestamp_seconds", "When the host's worker reported last.", ("host",),
                  {one.name: one.seen_at for one in found})  # fmt: skip
    yield _family("host_online", "1 if the host reports.", ("host",), {one.name: int(one.online) for one in found})
    yield _family("host_deaf", "1 if an online host takes no messages.", ("host",),
                  {one.name: int(one.deaf) for one in found})  # fmt: skip
    skews = {one.name: one.clock_skew_s for one in found if one.clock_skew_s is not None}
    yield _family(
        "host_clock_skew_seconds", "How far the host's clock is ahead of the coordinator's.", ("host",), skews
    )


def _readiness(readiness: Readiness) -> Iterator[GaugeMetricFamily]:
    parts = {part.value: 0 for part in Part} | {one.part.value: 1 for one in readiness.troubles}
    yield _family("trouble", "1 if a part that the coordinator needs does not work.", ("part",), parts)
    yield _family("ready", "1 if campaigns make progress.", (), {(): int(readiness.ready)})


def _verdicts(report: CampaignReport) -> Iterator[GaugeMetricFamily]:
    """The primary comparisons and the expectations of one campaign."""
    of = (report.campaign["id"], report.campaign["name"])
    primary = {
        (*of, one.datapath, one.reference, one.workload, one.level, one.metric.value): one
        for one in report.verdicts
        if one.family is Family.PRIMARY and one.ratio is not None
    }
    for name, words in (("ratio", "Datapath divided by reference"), ("low", "Low end"), ("high", "High end")):
        values = {key: value for key, one in primary.items() if (value := getattr(one, name)) is not None}
        text = f"{words} of the last complete campaign's primary comparisons{'' if name == 'ratio' else ', 95 %'}."
        yield _family(f"verdict_{name}", text, _VERDICT_LABELS, values)
    worded = {(*key, one.verdict.value): 1 for key, one in primary.items()}
    yield _family("verdict", "1 for the verdict of each of these comparisons.", (*_VERDICT_LABELS, "verdict"), worded)
    checks = {
        (*of, one.name, one.datapath, one.workload, one.level, one.outcome.value): 1 for one in report.expectations
    }
    yield _family("expectation", "1 for the outcome of each expectation of the last complete campaign.",
                  (*_CHECK_LABELS, "outcome"), checks)  # fmt: skip
