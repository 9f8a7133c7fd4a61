"""Regression rules: which change of a trend is reported, and its receivers."""

from collections.abc import Sequence
from typing import NoReturn

from apiflask import APIBlueprint
from flask import Response, abort
from pydantic import BaseModel
from sqlalchemy.orm import Session

from coordinator.access import audit
from coordinator.api.once import once
from coordinator.notice_settings import NoticeSettings
from coordinator.services import services
from coordinator.store.rows.quarantine import readable
from coordinator.store.runs import rules as store
from domain.runs.rule import NewRule, Rule, RuleChanges
from domain.values.problems import InvalidInput, Problem

blueprint = APIBlueprint("rules", __name__, tag="Trends")


class RuleList(BaseModel):
    """Rules, the oldest first."""

    rules: list[Rule]


@blueprint.get("/rules")
@blueprint.output(RuleList)
def list_rules() -> RuleList:
    """Every rule with its newest events, their messages, and each attempt to deliver them."""
    return RuleList(rules=all_rules())


@blueprint.post("/rules")
@blueprint.input(NewRule, arg_name="wanted")
@blueprint.output(Rule, status_code=201)
def add_rule(wanted: NewRule) -> Response:
    """Report a regression of one trend, by webhook and mail.

    Each campaign of the series is compared with the mean of up to ten campaigns before it. It is a regression if the
    change is at least `percent` and its 95 % interval excludes "no change". A step is one event, not one per campaign.
    """
    return once(lambda session: _add(session, wanted))


@blueprint.get("/rules/<rule_id>")
@blueprint.output(Rule)
@blueprint.doc(responses=[404])
def get_rule(rule_id: str) -> Rule:
    """A rule with its newest events, their messages, and each attempt to deliver them."""
    return rule_by_id(rule_id)


@blueprint.patch("/rules/<rule_id>")
@blueprint.input(RuleChanges, arg_name="changes")
@blueprint.output(Rule)
@blueprint.doc(responses=[404])
def change_rule(rule_id: str, changes: RuleChanges) -> Rule:
    """Change a rule; what the body leaves out stays.

    The next campaign is judged by the new values; messages that wait keep their receivers.
    """
    return change(rule_id, changes)


@blueprint.delete("/rules/<rule_id>")
@blueprint.output(Rule)
@blueprint.doc(responses=[404])
def remove_rule(rule_id: str) -> Rule:
    """Forget a rule with its events; messages that are not sent yet never are."""
    return remove(rule_id)


def all_rules(series_id: str | None = None) -> list[Rule]:
    """Every rule, or those of one series."""
    with services().store.read() as session:
        return [store.rule_view(session, row) for row, _ in readable(store.rules_of(session, series_id), "wanted")]


def rule_by_id(rule_id: str) -> Rule:
    """One rule. Aborts with 404."""
    with services().store.read() as session:
        return store.rule_view(session, store.rule_row(session, rule_id) or _no_rule(rule_id))


def add(wanted: NewRule) -> Rule:
    """Store a rule. Raises :class:`InvalidInput`."""
    with services().store.write() as session:
        return _add(session, wanted)


def change(rule_id: str, changes: RuleChanges) -> Rule:
    """Change a rule. Raises :class:`InvalidInput`; aborts with 404."""
    known = services()
    check_receivers(changes.webhook, changes.email or (), known.settings.notices)
    with known.store.write() as session:
        row = store.rule_row(session, rule_id, lock=True) or _no_rule(rule_id)
        store.change(row, changes)
        session.flush()
        return store.rule_view(session, row)


def remove(rule_id: str) -> Rule:
    """Forget a rule; returns what it was. Aborts with 404."""
    with services().store.write() as session:
        row = store.rule_row(session, rule_id, lock=True) or _no_rule(rule_id)
        found = store.rule_view(session, row)
        store.remove(session, row)
        return found


def check_receivers(webhook: str | None, email: Sequence[str], allowed: NoticeSettings) -> None:
    """Raises :class:`InvalidInput` with every receiver that the settings do not allow."""
    found = []
    if webhook and (message := allowed.webhook_problem(webhook)):
        found.append(Problem(field="webhook", message=message))
    for index, address in enumerate(email):
        if message := allowed.mail_problem(address):
            found.append(Problem(field=f"email.{index}", message=message))
    if found:
        raise InvalidInput(found)


def _add(session: Session, wanted: NewRule) -> Rule:
    known = services()
    check_receivers(wanted.webhook, wanted.email, known.settings.notices)
    found = store.rule_view(session, store.add(session, wanted, known.clock()))
    audit.about("rule", found.id)
    return found


def _no_rule(rule_id: str) -> NoReturn:
    abort(404, f"there is no rule {rule_id[:64]!r}")
