"""Groups of campaigns side by side."""

from collections.abc import Sequence
from typing import NamedTuple

from apiflask import APIBlueprint
from pydantic import BaseModel, Field

from coordinator.analysis.comparison import Measured, compare, measured
from coordinator.analysis.host_factor import host_factor, hosts_of, of_host
from coordinator.api.refusals import no_campaign
from coordinator.services import services
from coordinator.store import digests, reports, results
from coordinator.store.database import Store
from domain.comparison import MOST_CAMPAIGNS, Comparison
from domain.host_factor import HostFactor
from domain.names import is_campaign_id, is_host_name
from domain.problems import InvalidInput, Problem
from domain.texts import words_of

blueprint = APIBlueprint("comparisons", __name__, tag="Comparisons")


class ComparisonQuery(BaseModel):
    """Which campaigns to compare."""

    baseline: str = Field(
        max_length=2000, description="Campaign ids with ',' between them; `ID:HOST` is a campaign's blocks on one host."
    )
    other: str = Field(max_length=2000, description="The same, of the other side.")


@blueprint.get("/compare")
@blueprint.input(ComparisonQuery, location="query", arg_name="query")
@blueprint.output(Comparison)
@blueprint.doc(responses={404: "A campaign is unknown", 422: "A parameter is invalid"})
def get_comparison(query: ComparisonQuery) -> Comparison:
    """Two campaigns, or two groups of campaigns, cell by cell: other ÷ baseline, with what differs between them.

    With `ID:HOST` on both sides, two hosts of one campaign.
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


class _Wanted(NamedTuple):
    """One campaign of a side; ``host`` is empty for all of its hosts."""

    campaign_id: str
    host: str


def comparison_of(baseline: str, other: str) -> Comparison:
    """The comparison of two lists of ids. Raises :class:`InvalidInput`; aborts with 404 if a campaign is unknown."""
    sides = {"baseline": _sides(baseline, "baseline"), "other": _sides(other, "other")}
    if both := [one for one in sides["baseline"] if _is_among(one, sides["other"])]:
        raise InvalidInput([Problem(field="other", message=f"{both[0].campaign_id} is on both sides; name it once")])
    found = {name: [_measured(name, one) for one in wanted] for name, wanted in sides.items()}
    return compare(found["baseline"], found["other"])


def _is_among(one: _Wanted, others: Sequence[_Wanted]) -> bool:
    """Whether its blocks are on the other side, too."""
    same = [other.host for other in others if other.campaign_id == one.campaign_id]
    return bool(same) and (not one.host or "" in same or one.host in same)


def _sides(text: str, field: str) -> list[_Wanted]:
    parts = [word.partition(":") for word in words_of(text)]
    wanted = list(dict.fromkeys(_Wanted(one, host) for one, _, host in parts))
    wrong = [one for one, colon, host in parts if not is_campaign_id(one) or (colon and not is_host_name(host))]
    if not wanted or wrong:
        message = f"{wrong[0][:40]!r} is no campaign's id" if wrong else "name at least one campaign's id"
        raise InvalidInput([Problem(field=field, message=message)])
    if len(wanted) > MOST_CAMPAIGNS:
        raise InvalidInput([Problem(field=field, message=f"has {len(wanted)} campaigns; at most {MOST_CAMPAIGNS}")])
    return wanted


def _measured(field: str, wanted: _Wanted) -> Measured:
    known = services()
    with known.store.read() as session:
        version = results.results_version(session, wanted.campaign_id)
    name = f"{wanted.campaign_id}:{wanted.host}"
    return known.measured.get(name, version, lambda: _analysed(known.store, field, wanted))


def _analysed(store: Store, field: str, wanted: _Wanted) -> Measured:
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
