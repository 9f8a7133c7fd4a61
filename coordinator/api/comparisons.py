"""Groups of campaigns side by side."""

import json

from apiflask import APIBlueprint
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from coordinator.analysis.comparison import Measured, compare, measured
from coordinator.analysis.report import results_of
from coordinator.api.refusals import no_campaign
from coordinator.services import services
from coordinator.store import digests, records, results, views
from domain.campaign import Campaign
from domain.comparison import MOST_CAMPAIGNS, Comparison
from domain.names import is_campaign_id
from domain.problems import InvalidInput, Problem

blueprint = APIBlueprint("comparisons", __name__, tag="Comparisons")


class ComparisonQuery(BaseModel):
    """Which campaigns to compare."""

    baseline: str = Field(max_length=400, description="Campaign ids with ',' between them.")
    other: str = Field(max_length=400, description="The ids of the other side.")


@blueprint.get("/compare")
@blueprint.input(ComparisonQuery, location="query", arg_name="query")
@blueprint.output(Comparison)
@blueprint.doc(responses={404: "A campaign is unknown", 422: "A parameter is invalid"})
def get_comparison(query: ComparisonQuery) -> Comparison:
    """Two campaigns, or two groups of campaigns, cell by cell: other ÷ baseline, with what differs between them."""
    return comparison_of(query.baseline, query.other)


def comparison_of(baseline: str, other: str) -> Comparison:
    """The comparison of two lists of ids. Raises :class:`InvalidInput`; aborts with 404 if a campaign is unknown."""
    sides = {"baseline": _ids(baseline, "baseline"), "other": _ids(other, "other")}
    if both := {*sides["baseline"]} & {*sides["other"]}:
        raise InvalidInput([Problem(field="other", message=f"{min(both)} is on both sides; name it once")])
    for campaign_id in (*sides["baseline"], *sides["other"]):
        digests.complete(services().store, campaign_id)
    with services().store.read() as session:
        found = {name: [_measured(session, one) for one in ids] for name, ids in sides.items()}
    return compare(found["baseline"], found["other"])


def _ids(text: str, field: str) -> list[str]:
    ids = list(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))
    wrong = [one for one in ids if not is_campaign_id(one)]
    if not ids or wrong:
        message = f"{wrong[0][:40]!r} is no campaign's id" if wrong else "name at least one campaign's id"
        raise InvalidInput([Problem(field=field, message=message)])
    if len(ids) > MOST_CAMPAIGNS:
        raise InvalidInput([Problem(field=field, message=f"has {len(ids)} campaigns; at most {MOST_CAMPAIGNS}")])
    return ids


def _measured(session: Session, campaign_id: str) -> Measured:
    record = views.campaign_record(session, campaign_id)
    if record is None:
        no_campaign(campaign_id)
    version = json.dumps(record, allow_nan=False), results.results_version(session, campaign_id)
    return services().measured.get(campaign_id, version, lambda: _analysed(session, campaign_id, record))


def _analysed(session: Session, campaign_id: str, record: dict[str, object]) -> Measured:
    attempts, pools = records.attempt_records(session, campaign_id), digests.pools_of(session, campaign_id)
    return measured(results_of(Campaign.model_validate(record["campaign"]), record, attempts, pools), record)
