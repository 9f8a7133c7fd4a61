"""Where and when a campaign was measured, in words. Pure: its verdicts hold for that boot, that hour, those CPUs."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from coordinator.analysis.trials.campaign_results import CampaignResults
from coordinator.analysis.trials.pooling import lasting_id
from domain.hosts.placement import are_shared
from domain.reports.answer import Scope

_UNKNOWN = "unknown"  # how a fact begins that a worker could not read


def scope_of(data: CampaignResults, record: Mapping[str, Any]) -> Scope:
    """The scope of the blocks that are analysed; ``record`` has the campaign's times."""
    results = [a.digest for a in data.records if a.accepted and a.digest is not None and not a.calibration]
    reference = lasting_id(data.fingerprints.reference)
    counted = [one for one in results if lasting_id(one.fingerprint) == reference]
    facts = [one.fingerprint for one in counted]
    cpus = _values(facts, "cpus")
    boots = _values(facts, "boot_id")
    found = Scope(
        hosts=tuple(sorted({one.host for one in counted})),
        boots=len(boots) or None,
        cpus=int(cpus[0]) if len(cpus) == 1 and cpus[0].isdecimal() else None,
        shared_cpus=are_shared(facts),
        kernel=next((value.partition(" ")[0] for value in _values(facts, "kernel")), ""),
        virtual=next((value == "hypervisor" for value in _values(facts, "virtualisation")), None),
        began_at=record.get("started_at"),
        ended_at=record.get("ended_at"),
        text="",
    )
    return found.model_copy(update={"text": _text(found)})


def _values(facts: Sequence[Mapping[str, str]], name: str) -> list[str]:
    """The different values of a fact that are known, in order."""
    found = dict.fromkeys(one.get(name, "") for one in facts)
    return [value for value in found if value and not value.startswith(_UNKNOWN)]


def _text(scope: Scope) -> str:
    parts = [_where(scope), _when(scope), _cpus(scope), f"Linux {scope.kernel}" if scope.kernel else ""]
    return ", ".join(part for part in parts if part) or "nothing is measured yet"


def _where(scope: Scope) -> str:
    if not scope.hosts:
        return ""
    hosts = scope.hosts[0] if len(scope.hosts) == 1 else f"{len(scope.hosts)} hosts ({', '.join(scope.hosts)})"
    if scope.boots is None:
        return f"host {hosts}" if len(scope.hosts) == 1 else hosts
    return f"this boot of {hosts}" if scope.boots == 1 else f"{scope.boots} boots of {hosts}"


def _when(scope: Scope) -> str:
    began, ended = (_moment(at) for at in (scope.began_at, scope.ended_at))
    if began is None or not scope.hosts:
        return ""
    if ended is None:
        return f"since {began:%Y-%m-%d %H:%M} UTC"
    end = f"{ended:%H:%M}" if ended.date() == began.date() else f"{ended:%Y-%m-%d %H:%M}"
    return f"{began:%Y-%m-%d %H:%M}–{end} UTC"


def _moment(at: str | None) -> datetime | None:
    return datetime.fromisoformat(at).astimezone(UTC) if at else None


def _cpus(scope: Scope) -> str:
    if scope.cpus is None:
        return ""
    these = ("this" if scope.cpus == 1 else "these") if len(scope.hosts) == 1 else ""
    kinds = [word for word, is_so in (("shared", scope.shared_cpus), ("virtual", scope.virtual)) if is_so]
    return " ".join([*([these] if these else []), f"{scope.cpus}", *kinds, "CPU" if scope.cpus == 1 else "CPUs"])
