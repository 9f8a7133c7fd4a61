"""The audit log: who changed what, the newest first."""

from collections.abc import Mapping
from typing import Any

from apiflask import APIBlueprint
from pydantic import BaseModel, Field

from coordinator.access.principal import Kind
from coordinator.services import services
from coordinator.store.people import audit as store
from coordinator.store.rows.times import iso
from domain.values.frozen import Frozen

blueprint = APIBlueprint("audit", __name__, tag="Audit log")

LISTED = 100
MOST_LISTED = 1000
_LARGEST_ID = (1 << 31) - 1  # of PostgreSQL's integer


class AuditQuery(Frozen):
    """Which entries, and which part of them."""

    who: str = Field(default="", max_length=254, description="Only changes by this token or person.")
    action: str = Field(default="", max_length=40, description="Only this action, such as `campaign.delete`.")
    subject: str = Field(default="", max_length=300, description="Only about this, such as `campaign k3f9x2ab`.")
    limit: int = Field(default=LISTED, ge=1, le=MOST_LISTED, description="Entries in one answer.")
    cursor: str = Field(default="", pattern=r"^[0-9]{0,18}$", description="An earlier answer's `next`.")


class AuditEntry(BaseModel):
    """One change."""

    at: str
    kind: Kind = Field(description="owner (SHOWDOWN_TOKEN), token, person (signed in by OIDC), or share (a link).")
    who: str
    action: str
    subject: str = Field(description="What was changed.")
    request_id: str = Field(description="As in the header X-Request-ID and in the coordinator's log.")


class AuditPage(BaseModel):
    """A page of the audit log."""

    entries: list[AuditEntry]
    next: str | None = Field(description="The `cursor` of the next page; null on the last one.")


@blueprint.get("/audit")
@blueprint.input(AuditQuery, location="query", arg_name="query")
@blueprint.output(AuditPage)
def list_audit(query: AuditQuery) -> Mapping[str, Any]:
    """Who changed what, and when, the newest first. Needs the scope admin.

    Requests that only read, and requests that were refused, are not in it.
    """
    return audit_page(query).model_dump()


def audit_page(query: AuditQuery) -> AuditPage:
    """One page of the audit log."""
    wanted = store.Filter(query.who, query.action, query.subject)
    before = min(int(query.cursor), _LARGEST_ID) if query.cursor else None
    with services().store.read() as session:
        rows = store.page(session, wanted, query.limit + 1, before)
    shown = rows[: query.limit]
    entries = [
        AuditEntry(
            at=iso(row.at) or "", kind=Kind(row.kind), who=row.who, action=row.action, subject=row.subject,
            request_id=row.request_id,
        )
        for row in shown
    ]  # fmt: skip
    return AuditPage(entries=entries, next=str(shown[-1].id) if len(rows) > query.limit else None)
