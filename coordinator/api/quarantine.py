"""What is set aside: a campaign, host or matrix that made an error, with the reason, and how to go on."""

from collections.abc import Mapping
from typing import Any

from apiflask import APIBlueprint
from flask import abort
from pydantic import BaseModel, Field

from coordinator import ticker
from coordinator.services import services
from coordinator.store.rows import quarantine as store
from coordinator.store.rows.quarantine import REMEDIES, Kind
from coordinator.store.rows.times import iso

blueprint = APIBlueprint("quarantine", __name__, tag="Quarantine")


class SetAside(BaseModel):
    """One thing that is set aside."""

    kind: Kind = Field(description="campaign, view (its pages and report), host or matrix.")
    name: str = Field(description="The id of a campaign, or the name of a host.")
    reason: str
    since: str
    last_at: str = Field(description="When it last made an error.")
    times: int
    remedy: str = Field(description="What to do.")


class SetAsideList(BaseModel):
    """Everything that is set aside, the newest first."""

    quarantine: list[SetAside]


@blueprint.get("/quarantine")
@blueprint.output(SetAsideList)
def list_quarantine() -> Mapping[str, Any]:
    """Everything that is set aside, so that it does not stop the rest."""
    return {"quarantine": set_aside_list()}


@blueprint.post("/quarantine/<kind>/<name>/release")
@blueprint.output(SetAsideList)
@blueprint.doc(responses={404: "It is not set aside"})
def release(kind: str, name: str) -> Mapping[str, Any]:
    """Try again: treat it as any other. If it fails again, it is set aside again."""
    release_one(kind, name)
    return {"quarantine": set_aside_list()}


def set_aside_list() -> list[SetAside]:
    """Every entry, the newest first."""
    with services().store.read() as session:
        return [
            SetAside(
                kind=Kind(row.kind),
                name=row.name,
                reason=row.reason,
                since=iso(row.since) or "",
                last_at=iso(row.last_at) or "",
                times=row.times,
                remedy=REMEDIES[Kind(row.kind)],
            )
            for row in store.entries(session)
        ]


def release_one(kind: str, name: str) -> None:
    """Release one thing. Aborts with 404 if it is not set aside."""
    known = services()
    with known.store.write() as session:
        if kind not in set(Kind) or not store.release(session, Kind(kind), name):
            abort(404, f"no {kind[:20]} {name[:64]!r} is set aside")
    ticker.dispatch_waiting(known.store, known.dispatcher, known.clock())
