"""Campaigns as ``showdown status`` lists them: since when, how long, where, and what failed."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from domain.loads.duration import duration_text
from domain.reports.outcome import state_text
from domain.values.bounds import printable

_MOST_ACTIONS = 5  # of users
_WIDE = 160  # characters of a line that no terminal limits


def print_campaigns(campaigns: Sequence[Mapping[str, Any]]) -> None:
    """A table of campaigns."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("id", "name", "state", "blocks", "submitted (UTC)", "by", "took", "hosts"):
        table.add_column(heading, no_wrap=heading != "hosts")
    for campaign in campaigns:
        table.add_row(
            campaign["id"],
            campaign["name"],
            state_text(campaign),
            blocks_text(campaign),
            _moment(campaign.get("created_at")),
            escape(printable(campaign.get("submitted_by") or "")),
            took_text(campaign),
            ", ".join(campaign.get("hosts") or ()),
        )
    console = Console()
    if not console.is_terminal:
        console.width = _WIDE
    console.print(table, highlight=False)


def blocks_text(campaign: Mapping[str, Any]) -> str:
    """How many blocks are done, and how many failed: ``20 of 34, 14 failed``."""
    failed = campaign.get("blocks_failed") or 0
    text = f"{campaign['blocks_done']} of {campaign['blocks_total']}"
    return f"{text}, {failed} failed" if failed else text


def took_text(campaign: Mapping[str, Any]) -> str:
    """How long an ended campaign took; empty for others."""
    started, ended = (campaign.get(name) for name in ("started_at", "ended_at"))
    if not started or not ended:
        return ""
    return duration_text((datetime.fromisoformat(ended) - datetime.fromisoformat(started)).total_seconds())


def when_and_where(campaign: Mapping[str, Any]) -> str:
    """When a campaign was submitted, started and ended, and its hosts, in one line; empty if nothing is known."""
    times = [
        f"{word} {_moment(campaign[name])}"
        for word, name in (("submitted", "created_at"), ("started", "started_at"), ("ended", "ended_at"))
        if campaign.get(name)
    ]
    if not times:
        return ""
    took = took_text(campaign)
    by = f"submitted by {campaign['submitted_by']}" if campaign.get("submitted_by") else ""
    parts = [f"{', '.join(times)} UTC", by, f"took {took}" if took else "", f"on {', '.join(campaign['hosts'])}"]
    return "; ".join(part for part in parts if part)


def author_lines(campaign: Mapping[str, Any]) -> Iterator[str]:
    """What users did with a campaign after its submission: the newest entries of its history that have a name."""
    found = [one for one in campaign.get("history") or () if one.get("who") and one["message"] != "submitted"]
    for one in found[-_MOST_ACTIONS:]:
        yield f"{one['message']} {_moment(one['at'])} UTC by {one['who']}"


def kept_lines(campaign: Mapping[str, Any]) -> Iterator[str]:
    """What users wrote on a campaign: its labels, its note, and since when it is archived."""
    if labels := campaign.get("labels"):
        yield f"labels: {', '.join(f'{key}={value}' if value else key for key, value in labels.items())}"
    if text := campaign.get("note"):
        yield f"note: {printable(text)}"
    if at := campaign.get("archived_at"):
        yield f"archived {_moment(at)} UTC"


def _moment(at: str | None) -> str:
    return f"{datetime.fromisoformat(at).astimezone(UTC):%Y-%m-%d %H:%M}" if at else ""
