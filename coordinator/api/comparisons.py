"""Groups of campaigns side by side."""

from dataclasses import replace

from apiflask import APIBlueprint
from pydantic import BaseModel, Field

from coordinator.analysis.runs.comparison import Measured, compare, measured
from coordinator.analysis.runs.host_factor import host_factor, hosts_of, of_host
from coordinator.api.comparison_sides import Wanted, wanted_sides
from coordinator.api.refusals import no_campaign
from coordinator.services import services
from coordinator.store.campaigns import reports
from coordinator.store.campaigns.keeping import labels_of
from coordinator.store.measured import digests, results
from coordinator.store.rows.database import Store
from domain.runs.comparison import MOST_IN_ALL, MOST_SIDES, Comparison
from domain.runs.host_factor import HostFactor
from domain.values.problems import InvalidInput, Problem

blueprint = APIBlueprint("comparisons", __name__, tag="Comparisons")


class ComparisonQuery(BaseModel):
    """Which campaigns to compare."""

    baseline: str = Field(
        max_length=2000, description="Campaign ids with ',' between them; `ID:HOST` is a campaign's blocks on one host."
    )
    other: str = Field(
        max_length=4000,
        description=f"The same, of the other side; ';' begins a further side. At most {MOST_SIDES} sides, and "
        f"{MOST_IN_ALL} campaigns with the baseline's.",
    )


@blueprint.get("/compare")
@blueprint.input(ComparisonQuery, location="query", arg_name="query")
@blueprint.output(Comparison)
@blueprint.doc(responses={404: "A campaign is unknown", 422: "A parameter is invalid"})
def get_comparison(query: ComparisonQuery) -> Comparison:
    """Campaigns, or groups of campaigns, cell by cell: each other side ÷ the baseline, with what differs between them.

    Each row has the number of its side. With `ID:HOST` on all sides, hosts of one campaign.
    """
    return comparison_of(query.baseline, query.other)


@blueprint.get("/campaigns/<campaign_id>/hosts")
@blueprint.output(HostFactor)
@blueprint.doc(responses=[404])
def get_host_factor(campaign_id: str) -> HostFactor:
    """What each host of a campaign measured, and how much the hosts differ (random effects)."""
    return host_factor_of(campaign_id)


def host_factor_of(campaign_id: str) -> HostFactor:
    """The hosts of a campaign side by side. Aborts with 404 if it is unknown."""
    known = services()
    digests.complete(known.store, campaign_id)
    with known.store.read() as session:
        version = results.results_version(session, campaign_id)

        def make() -> HostFactor:
            data = reports.data_of(session, campaign_id) or no_campaign(campaign_id)
            return host_factor(data.results(), data.record)

        return known.host_factors.get(campaign_id, version, make)


def comparison_of(baseline: str, other: str) -> Comparison:
    """The comparison of lists of ids, with ';' between other sides.

    Raises :class:`InvalidInput`; aborts with 404 if a campaign is unknown.
    """
    wanted = wanted_sides(baseline, other)
    fields = ["baseline", *["other"] * (len(wanted) - 1)]
    sides = [[_measured(field, one) for one in side] for field, side in zip(fields, wanted, strict=True)]
    with services().store.read() as session:
        labels = labels_of(session, {one.side.id for side in sides for one in side})
    first, *others = ([_labelled(one, labels.get(one.side.id, {})) for one in side] for side in sides)
    return compare(first, *others)


def _labelled(one: Measured, labels: dict[str, str]) -> Measured:
    """With the labels that it has now: what is kept of a campaign has none."""
    return replace(one, side=one.side.model_copy(update={"labels": labels}))


def _measured(field: str, wanted: Wanted) -> Measured:
    known = services()
    with known.store.read() as session:
        version = results.results_version(session, wanted.campaign_id)
    name = f"{wanted.campaign_id}:{wanted.host}"
    return known.measured.get(name, version, lambda: _analysed(known.store, field, wanted))


def _analysed(store: Store, field: str, wanted: Wanted) -> Measured:
    if not wanted.host:
        return reports.measured_of(store, wanted.campaign_id) or no_campaign(wanted.campaign_id)
    digests.complete(store, wanted.campaign_id)
    with store.read() as session:
        data = reports.data_of(session, wanted.campaign_id) or no_campaign(wanted.campaign_id)
    every = data.results()
    if wanted.host not in (hosts := hosts_of(every)):
        found = ", ".join(hosts) or "none"
        message = f"{wanted.campaign_id} has no measured block of {wanted.host}; its hosts: {found}"
        raise InvalidInput([Problem(field=field, message=message)])
    return measured(of_host(every, wanted.host), data.record, wanted.host)
