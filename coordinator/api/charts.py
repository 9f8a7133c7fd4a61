"""A campaign's telemetry from InfluxDB over time, for its page and for users without Grafana."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated, Any

from apiflask import APIBlueprint
from flask import Response, jsonify
from pydantic import BaseModel, Field, StringConstraints

from coordinator.api.campaigns import report_of
from coordinator.api.codec import error_response
from coordinator.api.refusals import Code, no_campaign
from coordinator.api.telemetry_views import StageChart, StageCounts, TrafficChart
from coordinator.scheduling.lifecycle import CampaignState
from coordinator.services import services
from coordinator.store.campaigns import views
from coordinator.store.hosts.vitals import skews_s
from coordinator.telemetry import campaign as telemetry
from coordinator.telemetry.reader import TelemetryUnavailable

blueprint = APIBlueprint("charts", __name__, tag="Telemetry")

_Tag = Annotated[str, StringConstraints(max_length=64, pattern=r"^[A-Za-z0-9_.#-]*$")]
_RESPONSES = {
    404: "Not found",
    422: "A parameter is invalid",
    503: "No telemetry is available; the message says why",
}


class CellQuery(BaseModel):
    """The part of a campaign; an absent field does not filter."""

    host: _Tag | None = None
    datapath: _Tag | None = None
    workload: _Tag | None = None
    level: _Tag | None = None


class TimeQuery(CellQuery):
    """The time range and its resolution; the server chooses an interval that keeps each series within ``points``."""

    since_ms: int | None = Field(
        default=None, ge=0, le=1 << 53, description="Start of the range: an earlier answer's `next_since_ms`."
    )
    interval_s: int | None = Field(default=None, ge=1, le=86_400, description="The interval of the answer to continue.")
    last_s: int | None = Field(default=None, ge=1, le=31_536_000, description="Only the last seconds of the campaign.")
    points: int = Field(default=300, ge=10, le=telemetry.MAX_POINTS, description="Limit of points per series.")


class StageQuery(TimeQuery):
    """The kernel stage."""

    stage: str = Field(max_length=32, pattern=r"^[a-z][a-z0-9_]*$", description="One of /kernel-latency/stages.")
    role: _Tag | None = Field(
        default=None, description="A side of the lab or a kind of task; empty for stages without roles."
    )


@blueprint.get("/campaigns/<campaign_id>/traffic")
@blueprint.input(TimeQuery, location="query", arg_name="query")
@blueprint.output(TrafficChart)
@blueprint.doc(responses=_RESPONSES)
def get_traffic(campaign_id: str, query: TimeQuery) -> Response:
    """Requests/s, errors, p50 and p99 by host and cell, from the generator's report of each slice.

    Each interval has the mean requests/s of its slices, and the percentiles of the median slice in µs. They are
    latencies from the intended send at open levels, and service times at closed ones.
    """
    return _answer(campaign_id, query, lambda influx, when: telemetry.traffic(influx, campaign_id, when, _tags(query)))


@blueprint.get("/campaigns/<campaign_id>/kernel-latency")
@blueprint.input(StageQuery, location="query", arg_name="query")
@blueprint.output(StageChart)
@blueprint.doc(responses=_RESPONSES)
def get_kernel_latency(campaign_id: str, query: StageQuery) -> Response:
    """One kernel stage by cell over time: counts per bucket, and p50 and p99 of their sums."""
    tags = {**_tags(query), "role": query.role}
    return _answer(
        campaign_id,
        query,
        lambda influx, when: telemetry.kernel_latency_over_time(influx, campaign_id, when, query.stage, tags),
    )


@blueprint.get("/campaigns/<campaign_id>/kernel-latency/stages")
@blueprint.output(StageCounts)
@blueprint.doc(responses=_RESPONSES)
def get_stages(campaign_id: str) -> Response:
    """The stages, roles and cells that ``/kernel-latency`` can answer for."""
    query = TimeQuery()
    return _answer(campaign_id, query, lambda influx, when: telemetry.kernel_stages(influx, campaign_id, when))


def _tags(query: CellQuery) -> dict[str, str | None]:
    return {"host": query.host, "datapath": query.datapath, "workload": query.workload, "level": query.level}


def _answer(
    campaign_id: str, query: TimeQuery, ask: Callable[[Any, telemetry.Window], list[dict[str, Any]]]
) -> Response:
    with services().store.read() as session:
        record = views.campaign_record(session, campaign_id)
        skews = skews_s(session, record["hosts"]) if record is not None else (0.0, 0.0)
    if record is None:
        no_campaign(campaign_id)
    when = _window(record, query, skews)
    try:
        series = ask(services().settings.influx, when)
    except TelemetryUnavailable as error:
        return error_response(503, str(error), code=Code.TELEMETRY_UNAVAILABLE)
    answer = {
        "campaign": campaign_id,
        "live": not CampaignState(record["state"]).ended,
        **when.as_dict(),
        "series": series,
    }
    if not series and query.since_ms is None:
        answer["missing"] = report_of(campaign_id).telemetry.missing
    return jsonify(answer)


def _window(record: Mapping[str, Any], query: TimeQuery, skews: tuple[float, float]) -> telemetry.Window:
    """The range of an answer. ``skews`` widen it, because the hosts' clocks date the points."""
    behind_s, ahead_s = skews
    begin = datetime.fromisoformat(record["started_at"] or record["created_at"]).timestamp() + behind_s
    end = datetime.fromisoformat(record["ended_at"]).timestamp() if record["ended_at"] else services().clock()
    return telemetry.window(
        begin,
        max(begin, end + ahead_s),
        points=query.points,
        last_s=query.last_s + round(ahead_s - behind_s) if query.last_s is not None else None,
        # What a host whose clock is behind writes now lies so far before the end.
        since_ms=max(0, query.since_ms - round(1000 * (ahead_s - behind_s))) if query.since_ms is not None else None,
        interval_s=query.interval_s,
    )
