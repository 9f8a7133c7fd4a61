"""The scope that each route needs, and what the audit log says of it: all in this file.

A route that only reads, and is not listed, needs ``read``. A route that changes something and is not listed needs
``admin``; a test fails until it is listed.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from domain.service.scopes import Scope

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True)
class Rule:
    """What a route needs. ``action`` is the audit log's word for it; without one, nothing is logged.

    ``kind`` and ``argument``: what it changes, and which argument of the route names it. Without an argument, the view
    says so (:func:`coordinator.access.audit.about`), and nothing is logged if it does not.
    """

    scope: Scope
    action: str = ""
    kind: str = ""
    argument: str = ""


def _of_campaign(scope: Scope, action: str, argument: str = "campaign_id") -> Rule:
    return Rule(scope, f"campaign.{action}", "campaign", argument)


_READ = Rule(Scope.READ)
_ADMIN = Rule(Scope.ADMIN)
_SUBMITS = Rule(Scope.SUBMIT, "campaign.submit")
_CANCEL = _of_campaign(Scope.SUBMIT, "cancel")
_PAUSE, _RESUME = _of_campaign(Scope.SUBMIT, "pause"), _of_campaign(Scope.SUBMIT, "resume")
_CHANGE, _DELETE = _of_campaign(Scope.SUBMIT, "change"), _of_campaign(Scope.ADMIN, "delete")
_ENROL = Rule(Scope.ADMIN, "host.enrol", "host", "host")
_REVOKE_HOST = Rule(Scope.ADMIN, "host.revoke", "host", "host")
_REMOVE_HOST = Rule(Scope.ADMIN, "host.remove", "host", "host")
_DRAIN = Rule(Scope.ADMIN, "host.drain", "host", "host")
_UNDRAIN = Rule(Scope.ADMIN, "host.undrain", "host", "host")
_MATRIX = Rule(Scope.SUBMIT, "host.test", "host", "host")
_SHARE = Rule(Scope.SUBMIT, "share.create")
_REVOKE_SHARE = Rule(Scope.SUBMIT, "share.revoke")
_ADD_SCHEDULE, _ADD_RULE = Rule(Scope.SUBMIT, "schedule.add"), Rule(Scope.SUBMIT, "rule.add")
_CHANGE_SCHEDULE = Rule(Scope.SUBMIT, "schedule.change", "schedule", "schedule_id")
_CHANGE_RULE = Rule(Scope.SUBMIT, "rule.change", "rule", "rule_id")
_CHANGE_NOTICE = Rule(Scope.SUBMIT, "notice.change", "notice", "notice_id")
_REMOVE_RULE = Rule(Scope.SUBMIT, "rule.remove", "rule", "rule_id")
_ADD_NOTICE = Rule(Scope.SUBMIT, "notice.add")
_REMOVE_NOTICE = Rule(Scope.SUBMIT, "notice.remove", "notice", "notice_id")
_RELEASE = Rule(Scope.ADMIN, "quarantine.release", "", "name")
_CREATE_TOKEN = Rule(Scope.ADMIN, "token.create")
_REVOKE_TOKEN = Rule(Scope.ADMIN, "token.revoke", "token", "name")

RULES: Mapping[str, Rule] = {
    "submit.submit": _SUBMITS,
    "web.submit_campaign": _SUBMITS,
    "web.run_again": _SUBMITS,
    "web.continue_form": _READ,
    "web.preview_campaign": _READ,
    "campaigns.plan": _READ,
    "campaigns.cancel": _CANCEL,
    "web.cancel": _CANCEL,
    "web.ask_to_cancel": Rule(Scope.SUBMIT),
    "pausing.pause": _PAUSE,
    "web.pause": _PAUSE,
    "pausing.resume": _RESUME,
    "web.resume": _RESUME,
    "campaign_list.change_campaign": _CHANGE,
    "web.keeping": Rule(Scope.SUBMIT),
    "web.change_keeping": _CHANGE,
    "web.archive": _CHANGE,
    "campaign_list.delete_campaign": _DELETE,
    "web.delete_campaign": _DELETE,
    "web.new_campaign": Rule(Scope.SUBMIT),
    "web.new_toml": Rule(Scope.SUBMIT),
    "shares.list_shares": Rule(Scope.SUBMIT),
    "shares.create_share": _SHARE,
    "shares.revoke_share": _REVOKE_SHARE,
    "web.shares": Rule(Scope.SUBMIT),
    "web.create_share": _SHARE,
    "web.revoke_share": _REVOKE_SHARE,
    "schedules.add_schedule": _ADD_SCHEDULE,
    "web.add_schedule": _ADD_SCHEDULE,
    "web.add_replicates": _ADD_SCHEDULE,
    "schedules.change_schedule": _CHANGE_SCHEDULE,
    "web.change_schedule": _CHANGE_SCHEDULE,
    "schedules.run_schedule": Rule(Scope.SUBMIT, "schedule.run", "schedule", "schedule_id"),
    "schedules.remove_schedule": Rule(Scope.SUBMIT, "schedule.remove", "schedule", "schedule_id"),
    "rules.list_rules": Rule(Scope.SUBMIT),  # addresses of webhooks may hold secrets
    "rules.get_rule": Rule(Scope.SUBMIT),
    "rules.add_rule": _ADD_RULE,
    "web.add_rule": _ADD_RULE,
    "rules.change_rule": _CHANGE_RULE,
    "web.change_rule": _CHANGE_RULE,
    "rules.remove_rule": _REMOVE_RULE,
    "web.remove_rule": _REMOVE_RULE,
    "notices.list_notices": Rule(Scope.SUBMIT),  # as with rules
    "notices.get_notice": Rule(Scope.SUBMIT),
    "notices.add_notice": _ADD_NOTICE,
    "notices.change_notice": _CHANGE_NOTICE,
    "web.change_notice": _CHANGE_NOTICE,
    "notices.remove_notice": _REMOVE_NOTICE,
    "web.notices": Rule(Scope.SUBMIT),
    "web.add_notice": _ADD_NOTICE,
    "web.remove_notice": _REMOVE_NOTICE,
    "hosts.enrol_host": _ENROL,
    "web.enrol_host": Rule(Scope.ADMIN, "host.enrol"),
    "hosts.revoke_host": _REVOKE_HOST,
    "web.revoke_host": _REVOKE_HOST,
    "hosts.remove_host": _REMOVE_HOST,
    "web.remove_host": _REMOVE_HOST,
    "hosts.drain_host": _DRAIN,
    "web.drain_host": _DRAIN,
    "hosts.undrain_host": _UNDRAIN,
    "web.undrain_host": _UNDRAIN,
    "matrices.ask_for_matrix": _MATRIX,
    "web.ask_for_matrix": _MATRIX,
    "quarantine.release": _RELEASE,
    "web.release_quarantined": _RELEASE,
    "web.sign_out": _READ,
    "tokens.list_tokens": _ADMIN,
    "tokens.create_token": _CREATE_TOKEN,
    "tokens.revoke_token": _REVOKE_TOKEN,
    "web.tokens": _ADMIN,
    "web.create_token": _CREATE_TOKEN,
    "web.revoke_token": _REVOKE_TOKEN,
    "audit.list_audit": _ADMIN,
    "web.audit_log_page": _ADMIN,
}


def rule_of(endpoint: str, method: str) -> Rule:
    """What a route needs."""
    return RULES.get(endpoint, _READ if method in SAFE_METHODS else _ADMIN)
