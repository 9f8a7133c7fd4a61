"""``showdown trust``: how often a datapath was found to differ from itself."""

import click
from rich.console import Console
from rich.table import Table

from deploy.cli.output import json_option, print_json
from deploy.cli.remote import coordinator_command
from deploy.cli.rest.client import Coordinator
from domain.runs.trust import FalseShare, Trust
from domain.values.texts import share_text

_LISTED = 20


@click.command()
@json_option
@coordinator_command
def trust(coordinator: Coordinator, *, as_json: bool) -> None:
    """Show how often Showdown has found a difference where there is none.

    A campaign that names a datapath twice compares it with itself. 'showdown schedule add --against-itself DATAPATH'
    runs one at set times.
    """
    found = coordinator.trust()
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        print_trust(found, Console())


def print_trust(found: Trust, console: Console) -> None:
    """The sentence, three counts, and the newest campaigns."""
    console.print(found.sentence, highlight=False, markup=False)
    if not found.newest:
        return
    for words, share in (
        ("campaigns with a false word", found.campaigns),
        ("primary comparisons with a false word", found.comparisons),
        ("single 95 % intervals without the truth", found.intervals),
    ):
        console.print(f"{words:<40} {_share(share)}", highlight=False)
    table = Table(title="Campaigns", title_justify="left", box=None, pad_edge=False)
    for name in ("campaign", "name", "hosts", "started (UTC)"):
        table.add_column(name, no_wrap=True)
    for name in ("false words", "false so far"):
        table.add_column(name, justify="right")
    for one in found.newest[:_LISTED]:
        style = "red" if one.different else ""
        table.add_row(
            one.campaign, one.name, one.hosts, one.at[:16].replace("T", " "),
            f"{one.different} of {one.comparisons}", f"{one.false_until} of {one.campaigns_until}", style=style,
        )  # fmt: skip
    console.print()
    console.print(table)


def _share(one: FalseShare) -> str:
    if not one.total:
        return "0 of 0"
    interval = f"[{share_text(one.low)}, {share_text(one.high)}]"
    return f"{one.count} of {one.total}: {share_text(one.count / one.total)} {interval}"
