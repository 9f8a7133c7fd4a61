"""The hosts as ``showdown status`` shows them: online, drained, deaf or offline, and how their clocks differ."""

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from domain.service.vitals import clock_words

_SHOWN = ("name", "online", "seen_at", "deaf_since", "drained_at", "remedy", "clock_skew_s", "dropped")


def brief(hosts: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The hosts without what they can run."""
    return [{name: host.get(name) for name in _SHOWN} for host in hosts]


def print_hosts(hosts: Sequence[dict[str, Any]]) -> None:
    """A table of hosts, and what to do about deaf ones."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("host", "state", "clock"):
        table.add_column(heading)
    for host in hosts:
        skew_s = host.get("clock_skew_s")
        table.add_row(host["name"], _state(host), "" if skew_s is None else clock_words(skew_s))
    console = Console()
    console.print(table, highlight=False)
    for sentence in deaf(hosts):
        console.print(escape(sentence), highlight=False)


def deaf(hosts: Sequence[dict[str, Any]], among: Sequence[str] | None = None) -> list[str]:
    """A sentence for each deaf host; ``among`` limits it to these names."""
    return [
        f"{host['name']} takes no messages since {host['deaf_since']}. {host['remedy']}"
        for host in hosts
        if host.get("deaf_since") and (among is None or host["name"] in among)
    ]


def _state(host: dict[str, Any]) -> str:
    if host.get("deaf_since") or not host["online"]:
        return "deaf" if host.get("deaf_since") else "offline"
    return "drained" if host.get("drained_at") else "online"
