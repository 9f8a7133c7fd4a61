"""Series of campaigns, and their trends."""

from typing import NoReturn

from apiflask import APIBlueprint
from flask import abort
from pydantic import BaseModel, Field

from coordinator.services import services
from coordinator.store.runs import series as store
from domain.runs.trend import Series, TrendReport
from domain.values.frozen import Frozen

blueprint = APIBlueprint("series", __name__, tag="Trends")


class SeriesQuery(Frozen):
    """Which series, and how many."""

    q: str = Field(default="", max_length=200, description="Each word must be in the name of one of its campaigns.")
    host: str = Field(default="", max_length=253, description="Only series on this host.")
    label: str = Field(
        default="",
        max_length=500,
        description="Only series with a campaign that has this label, `key` or `key=value`; with ',' all of several.",
    )
    limit: int = Field(default=100, ge=1, le=500, description="Series in the answer, the newest first.")


class SeriesList(BaseModel):
    """Series, the one with the newest campaign first."""

    series: list[Series]


@blueprint.get("/series")
@blueprint.input(SeriesQuery, location="query", arg_name="query")
@blueprint.output(SeriesList)
def list_series(query: SeriesQuery) -> SeriesList:
    """Series: campaigns of one file on the same hosts, whose figures can be followed over time."""
    return SeriesList(series=newest_series(query))


@blueprint.get("/series/<series_id>")
@blueprint.output(TrendReport)
@blueprint.doc(responses=[404])
def get_series(series_id: str) -> TrendReport:
    """A series with all its trends: values, changes of level, and what was new about its hosts."""
    return trend_report(series_id)


def newest_series(query: SeriesQuery) -> list[Series]:
    """Series, the one with the newest campaign first."""
    with services().store.read() as session:
        return store.series_list(session, query.limit, store.Sought(query.q, query.host, query.label))


def trend_report(series_id: str) -> TrendReport:
    """A series with all its trends, computed once per campaign that it gets. Aborts with 404."""
    known = services()
    with known.store.read() as session:
        version = store.version_of(session, series_id)
        if version is None:
            no_series(series_id)
        return known.trends.get(
            series_id, version, lambda: store.trend_report(session, series_id) or no_series(series_id)
        )


def no_series(series_id: str) -> NoReturn:
    """Abort with 404."""
    abort(404, f"there is no series {series_id[:64]!r}")
