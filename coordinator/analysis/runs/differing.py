"""What is not the same about the campaigns of a comparison: their files, and the facts of their hosts. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from domain.campaigns.campaign import Campaign
from domain.runs.comparison import Setting

_NOT_COMPARED = frozenset({"name", "description", "seed"})

Facts = Mapping[str, str]
"""Everything that may differ about one campaign, by its name."""


def facts_of(campaign: Campaign, host: Mapping[str, str]) -> Facts:
    """The settings of a campaign's file and the facts of its hosts, as text."""
    fields = campaign.model_dump(mode="json", exclude=set(_NOT_COMPARED))
    return {f"campaign.{name}": _text(value) for name, value in fields.items()} | dict(host)


def settings_of(baseline: Sequence[Facts], others: Sequence[Sequence[Facts]]) -> list[Setting]:
    """Everything that is not the same in all campaigns of the baseline and of another side, in the order of its names.

    Files come first, then the facts of hosts.
    """
    names = dict.fromkeys(name for side in (baseline, *others) for one in side for name in one)
    rows = (_setting(name, baseline, side, number) for name in names for number, side in enumerate(others, start=1))
    return [one for one in rows if one is not None]


def _setting(name: str, baseline: Sequence[Facts], other: Sequence[Facts], number: int) -> Setting | None:
    first, second = (tuple(dict.fromkeys(one[name] for one in side if name in one)) for side in (baseline, other))
    present = [name in one for side in (baseline, other) for one in side]
    if {*first} == {*second} and len(first) < 2 and (all(present) or not any(present)):
        return None
    return Setting(name=name, baseline=first, other=second, side=number)


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} = {_text(one)}" for name, one in value.items()) or "none"
    if isinstance(value, (list, tuple)):
        return ", ".join(_text(one) for one in value) or "none"
    return "none" if value is None or value == "" else str(value)
