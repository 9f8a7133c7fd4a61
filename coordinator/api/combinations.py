"""Runs of one configuration together."""

from collections.abc import Sequence

from apiflask import APIBlueprint
from pydantic import Field

from coordinator.analysis.runs.combination import DifferentConfigurations, combine
from coordinator.api.refusals import no_campaign
from coordinator.api.schedules import no_schedule
from coordinator.api.series import no_series
from coordinator.scheduling.lifecycle import CampaignState
from coordinator.services import services
from coordinator.store.campaigns import reports
from coordinator.store.measured import results
from coordinator.store.runs import run_lists
from coordinator.store.runs.run_lists import Listed
from domain.runs.combination import MOST_RUNS, Combination, LeftOut, Run
from domain.values.frozen import Frozen
from domain.values.names import is_campaign_id
from domain.values.problems import InvalidInput, Problem
from domain.values.texts import words_of

blueprint = APIBlueprint("combinations", __name__, tag="Comparisons")

_MAX_TEXT = 2000  # characters


class CombinationQuery(Frozen):
    """Which runs to combine: one of the three."""

    runs: str = Field(default="", max_length=_MAX_TEXT, description="Campaign ids with ',' between them.")
    series: str = Field(default="", max_length=64, description=f"A series: its newest {MOST_RUNS} campaigns.")
    schedule: str = Field(default="", max_length=64, description="A schedule, by id: the campaigns that it started.")
    mixed: bool = Field(
        default=False, description="Combine runs of different fingerprints, too. Otherwise they are left out."
    )


@blueprint.get("/combine")
@blueprint.input(CombinationQuery, location="query", arg_name="query")
@blueprint.output(Combination)
@blueprint.doc(responses={404: "A campaign, series or schedule is unknown", 422: "These runs cannot be combined"})
def get_combination(query: CombinationQuery) -> Combination:
    """Runs of one configuration together: a verdict per primary comparison that holds for boots and hours like theirs.

    Random effects over the runs (DerSimonian and Laird; Hartung and Knapp): the mean, the standard deviation between
    runs, and the interval in which one further run lies. Runs of different fingerprints are never pooled unless
    `mixed` asks for it, and then the answer says in what they differ.
    """
    return combination_of(query)


def combination_of(query: CombinationQuery) -> Combination:
    """The combination. Raises :class:`InvalidInput`; aborts with 404."""
    listed = _listed(query)
    ready = [one for one in listed if one.state == CampaignState.COMPLETE]
    if not ready:
        raise InvalidInput([Problem(field="runs", message="none of these runs is complete")])
    if len(ready) > MOST_RUNS:
        raise InvalidInput([Problem(field="runs", message=f"has {len(ready)} runs; at most {MOST_RUNS} are combined")])
    try:
        found = combine([_run(one.id) for one in ready], mixed=query.mixed)
    except DifferentConfigurations as error:
        raise InvalidInput([Problem(field="runs", message=str(error))]) from None
    waiting = (_left_out(one) for one in listed if one.state != CampaignState.COMPLETE)
    return found.model_copy(update={"left_out": (*found.left_out, *waiting)})


def _listed(query: CombinationQuery) -> Sequence[Listed]:
    if sum(map(bool, (query.runs, query.series, query.schedule))) != 1:
        raise InvalidInput([Problem(field="runs", message="name runs, a series or a schedule")])
    with services().store.read() as session:
        if query.series:
            return run_lists.of_series(session, query.series, MOST_RUNS) or no_series(query.series)
        if query.schedule:
            found = run_lists.of_schedule(session, query.schedule, MOST_RUNS)
            return no_schedule(query.schedule) if found is None else found
        ids = tuple(dict.fromkeys(words_of(query.runs)))
        if wrong := [one for one in ids if not is_campaign_id(one)]:
            raise InvalidInput([Problem(field="runs", message=f"{wrong[0][:40]!r} is no campaign's id")])
        known = {one.id: one for one in run_lists.of_ids(session, ids)}
        return [known.get(one) or no_campaign(one) for one in ids]


def _run(campaign_id: str) -> Run:
    """Made once, however many ask for it at once."""
    known = services()
    with known.store.read() as session:
        version = results.results_version(session, campaign_id)
    return known.runs.get(
        campaign_id, version, lambda: reports.run_of(known.store, campaign_id) or no_campaign(campaign_id)
    )


def _left_out(one: Listed) -> LeftOut:
    reason = f"it is {one.state}" if CampaignState(one.state).ended else f"it has not ended: {one.state}"
    return LeftOut(id=one.id, name=one.name, reason=reason)
