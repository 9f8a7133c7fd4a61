"""How often Showdown has found a difference where there is none."""

from apiflask import APIBlueprint

from coordinator.services import services
from coordinator.store.runs import self_comparisons as store
from domain.runs.trust import Trust

blueprint = APIBlueprint("trust", __name__, tag="Trends")


@blueprint.get("/trust")
@blueprint.output(Trust)
def get_trust() -> Trust:
    """Campaigns that compared a datapath with itself (A/A): how often they said that it differs.

    Every campaign that names a datapath twice counts, once it is complete. At most 5 % may have a false word.
    """
    return found()


def found() -> Trust:
    """All of them, counted once for each that is new."""
    known = services()
    with known.store.read() as session:
        return known.trust.get("all", store.version_of(session), lambda: store.trust(session))
