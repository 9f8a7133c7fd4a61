"""Campaigns as the sides of one comparison, by the value that a label has. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from domain.runs.comparison import newest_sides


def sides_by_label(campaigns: Sequence[Mapping[str, Any]], key: str) -> list[str]:
    """A list of ids for each value of the label, with ',' between them; the value that was left first comes first.

    ``campaigns``: lines of the list of campaigns, the newest first; complete ones count. The newest values are taken,
    and of each the newest campaigns, as many as a comparison takes.
    """
    by_value: dict[str, list[str]] = {}
    for one in campaigns:
        if one["state"] == "complete" and key in one["labels"]:
            by_value.setdefault(one["labels"][key], []).append(one["id"])
    oldest_first = [ids[::-1] for ids in reversed(by_value.values())]
    return [",".join(reversed(ids)) for ids in newest_sides(oldest_first)]


def too_few_values(key: str, sides: int) -> str:
    """Why campaigns with this label are not compared."""
    found = "one value" if sides else "no value"
    return f"{found} of the label {key!r} has complete campaigns that match; a comparison needs two"
