"""Writes the audit log: after a request that changed something, who did what on what.

The row has its own transaction. If it cannot be written, the log of the coordinator has the line.
"""

import logging

from flask import Flask, Response, g, request
from sqlalchemy.exc import SQLAlchemyError

from coordinator.access.principal import Principal, present
from coordinator.access.rules import SAFE_METHODS, rule_of
from coordinator.logs import request_id
from coordinator.services import services
from coordinator.store.people.audit import append
from domain.service.logs import one_line

DAY_S = 24 * 3600.0

log = logging.getLogger(__name__)


def about(kind: str, name: str) -> None:
    """Say what this request changed, if no argument of its route does."""
    g.audit_subject = f"{kind} {name}"


def nothing_changed() -> None:
    """Say that this request repeated an earlier one, which has its row."""
    g.audit_repeated = True


def note(who: Principal, action: str, subject: str = "") -> None:
    """Write one row now."""
    known = services()
    kept_s = known.settings.audit_days * DAY_S
    try:
        with known.store.write() as session:
            append(
                session, known.clock(), kind=who.kind.value, who=who.name, action=action, subject=subject,
                request_id=request_id(), kept_s=kept_s,
            )  # fmt: skip
    except SQLAlchemyError as error:
        log.error("the audit log misses a row: %s %s %s (%s)", who.text, action, subject, one_line(error))


def install(app: Flask) -> None:
    """Log the changes that requests to ``app`` make."""
    app.after_request(_note_change)


def _note_change(response: Response) -> Response:
    who, endpoint = present(), request.endpoint
    if who is None or endpoint is None or request.method in SAFE_METHODS or response.status_code >= 400:
        return response
    if g.get("audit_repeated"):
        return response
    rule = rule_of(endpoint, request.method)
    subject = str(g.get("audit_subject", ""))
    if not subject and rule.argument:
        subject = f"{rule.kind} {(request.view_args or {}).get(rule.argument, '')}".strip()
    if rule.action and subject:
        note(who, rule.action, subject)
    return response
