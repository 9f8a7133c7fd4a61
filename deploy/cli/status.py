"""``showdown status`` and ``showdown watch``: campaigns, one of them, and its progress to the end."""

from collections.abc import Mapping

import click

from deploy.cli.errors import ExitCode, Unreachable, UsageProblem
from deploy.cli.output import json_option, print_json
from deploy.cli.remote import coordinator_command
from deploy.cli.rest.client import ENDED, STATES, Coordinator
from deploy.cli.shown.campaign_list import author_lines, kept_lines, print_campaigns, when_and_where
from deploy.cli.shown.hosts import brief, deaf, print_hosts
from deploy.cli.shown.planning import precision_reached
from deploy.cli.shown.progress import await_end, current_cell, time_left
from deploy.cli.shown.state import drained_lines, trial_lines
from domain.reports.outcome import state_text


@click.command()
@click.argument("campaign_id", required=False)
@click.option("--search", default="", help="List campaigns with these words in name, id, note or labels.")
@click.option("--state", type=click.Choice(STATES), help="List campaigns in this state.")
@click.option("--host", help="List campaigns on this host.")
@click.option(
    "--label", multiple=True, metavar="KEY[=VALUE]", help="List campaigns with this label; repeated: all of them."
)
@click.option("--archived", is_flag=True, help="List archived campaigns instead of the others.")
@click.option("--limit", type=click.IntRange(1, 1000), help="List so many campaigns at most.")
@json_option
@coordinator_command
@click.pass_context
def status(
    ctx: click.Context,
    coordinator: Coordinator,
    campaign_id: str | None,
    *,
    search: str,
    state: str | None,
    host: str | None,
    label: tuple[str, ...],
    archived: bool,
    limit: int | None,
    as_json: bool,
) -> None:
    """Show the progress of CAMPAIGN_ID. Without it, list the newest campaigns, and the hosts.

    What keeps the coordinator from its work goes to standard error; the exit code is then 7 if campaigns wait for it.
    """
    readiness = coordinator.readiness()
    for trouble in readiness.troubles:
        click.echo(trouble.sentence(), err=True)
    given = {"q": search, "state": state, "host": host, "label": ",".join(label), "limit": limit}
    filters = {name: value for name, value in given.items() if value} | ({"archived": "yes"} if archived else {})
    if campaign_id and filters:
        raise UsageProblem("--search and the other filters are for the list: leave out CAMPAIGN_ID")
    try:
        _show_status(coordinator, campaign_id, filters, as_json=as_json)
    except Unreachable:
        if readiness.ready:
            raise
    if not readiness.ready:
        ctx.exit(ExitCode.NOT_READY)


def _show_status(
    coordinator: Coordinator, campaign_id: str | None, filters: Mapping[str, str | int], *, as_json: bool
) -> None:
    if campaign_id is None:
        campaigns, hosts = coordinator.campaigns(**filters), coordinator.hosts()
        if as_json:
            print_json({**campaigns, "hosts": brief(hosts)})
        else:
            print_campaigns(campaigns["campaigns"])
            if (shown := len(campaigns["campaigns"])) < campaigns.get("total", 0):
                click.echo(f"{shown:,} of {campaigns['total']:,} campaigns; --limit shows more, --search finds others")
            print_hosts(hosts)
        return
    campaign = coordinator.campaign(campaign_id)
    if as_json:
        print_json(campaign)
        return
    details = [current_cell(campaign), time_left(campaign), precision_reached(campaign), campaign["error"]]
    click.echo(
        f"{campaign_id} {campaign['name']}: {state_text(campaign)}, "
        f"block {campaign['blocks_done']} of {campaign['blocks_total']} done"
        + (f", {failed} failed" if (failed := campaign.get("blocks_failed")) else "")
        + "".join(f", {detail}" for detail in details if detail)
    )
    if line := when_and_where(campaign):
        click.echo(line)
    for line in (*author_lines(campaign), *kept_lines(campaign), *trial_lines(campaign)):
        click.echo(line)
    for line in drained_lines(campaign):
        click.echo(line)
    if campaign["state"] not in ENDED:
        for sentence in deaf(coordinator.hosts(), campaign["hosts"]):
            click.echo(sentence)


@click.command()
@click.argument("campaign_id")
@json_option
@coordinator_command
@click.pass_context
def watch(ctx: click.Context, coordinator: Coordinator, campaign_id: str, *, as_json: bool) -> None:
    """Show the progress of CAMPAIGN_ID until it ends, as 'submit --wait' does.

    Ctrl-C ends only this command; the campaign goes on. The exit code is 4 if the campaign failed or was cancelled.
    """
    state = await_end(coordinator, campaign_id)
    campaign = coordinator.campaign(campaign_id)
    if as_json:
        print_json(campaign)
    else:
        click.echo(
            f"campaign {campaign_id} is {state_text(campaign)}; 'showdown report {campaign_id}' prints its answer"
        )
    if state != "complete":
        ctx.exit(ExitCode.FAILED)
