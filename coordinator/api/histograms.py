"""The times of a trial or a cell as logs of HDR histograms, for the tools of that format."""

from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Any

from apiflask import APIBlueprint
from flask import Response, abort, stream_with_context
from pydantic import BaseModel, Field

from coordinator.api.media import HLOG
from coordinator.api.refusals import no_campaign
from coordinator.services import services
from coordinator.store.campaigns import views
from coordinator.store.campaigns.cell_trials import began_s, counted_trials
from coordinator.store.rows.models import TrialRow
from domain.campaigns.campaign import Campaign, Cell
from domain.reports.hdr_log import MIMETYPE, Interval, hdr_log, intervals_of

blueprint = APIBlueprint("histograms", __name__)


class HistogramQuery(BaseModel):
    """The cell."""

    cell: str = Field(max_length=120, description="datapath.workload.level, for example `tproxy.http_keepalive.low`.")


@blueprint.get("/campaigns/<campaign_id>/histograms.hlog")
@blueprint.input(HistogramQuery, location="query", arg_name="query")
@blueprint.doc(operation_id="get_histogram_log", responses=HLOG, tags=["Campaigns"])
def get_histogram_log(campaign_id: str, query: HistogramQuery) -> Response:
    """The times of one cell in HdrHistogram's log format 1.3: one interval for each trial that the report counts.

    The sum of the intervals without a tag is what the report shows: latency in open loops, service time in closed ones.
    Intervals of other times have tags, such as `Tag=schedule_lag`. Values are in nanoseconds.
    """
    with services().store.read() as session:
        record = views.campaign_record(session, campaign_id) or no_campaign(campaign_id)
    cells = {name_of(cell): cell for cell in Campaign.model_validate(record["campaign"]).cells}
    if query.cell not in cells:
        abort(404, f"there is no cell {query.cell[:100]!r}; the first of {len(cells)} is {next(iter(cells))}")
    found = counted_trials(services().store, campaign_id, cells[query.cell])
    intervals = (interval for began, trial in found for interval in intervals_of(trial, began))
    return _log(f"{campaign_id}-{query.cell}", intervals, [f"Showdown: campaign {campaign_id}, cell {query.cell}"])


@blueprint.get("/trials/<trial_id>/histograms.hlog")
@blueprint.doc(operation_id="get_trial_histogram_log", responses=HLOG, tags=["Trials"])
def get_trial_histogram_log(trial_id: str) -> Response:
    """The times of one trial, valid or not, in HdrHistogram's log format 1.3."""
    with services().store.read() as session:
        row = session.get(TrialRow, trial_id)
        if row is None:
            abort(404, f"there is no trial {trial_id[:40]!r}")
        intervals = list(intervals_of(row.result, began_s(row.attempt)))
        comments = [f"Showdown: trial {trial_id}, {row.result.datapath}.{row.result.workload}.{row.result.level}"]
        comments += [f"invalid: {reason.text}" for reason in row.result.validity.reasons]
    return _log(trial_id, intervals, comments)


def name_of(cell: Cell) -> str:
    """A cell's name in queries and names of files."""
    return f"{cell.datapath}.{cell.workload}.{cell.level}"


def _log(name: str, intervals: Iterable[Interval], comments: Iterable[str]) -> Response:
    """A file. It begins only if its first interval can be read; without any, it is a 404."""
    remaining = iter(intervals)
    first = list(islice(remaining, 1))
    if not first:
        abort(404, "no times were recorded here: no trial counts, or its generator reports no histogram")
    lines: Iterator[Any] = hdr_log(chain(first, remaining), comments)
    disposition = {"Content-Disposition": f'attachment; filename="{name}.hlog"'}
    return Response(stream_with_context(lines), mimetype=MIMETYPE, headers=disposition)
