"""``showdown schedule``: campaigns that a coordinator starts at times in cron syntax."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from deploy.cli.errors import CampaignInvalid, UsageProblem
from deploy.cli.output import campaign_argument, json_option, print_json, read_campaign_file
from deploy.cli.remote import coordinator_command
from deploy.cli.rest.client import Coordinator
from domain.campaigns.against_itself import against_itself as against_itself_of
from domain.campaigns.campaign import Campaign, read_campaign_toml
from domain.runs.schedule import NewSchedule
from domain.values.problems import InvalidInput, problems_of


@click.group()
def schedule() -> None:
    """Start a campaign at times in cron syntax, so that its figures can be followed with 'showdown trend'."""


@schedule.command("list")
@json_option
@coordinator_command
def list_schedules(coordinator: Coordinator, *, as_json: bool) -> None:
    """List all schedules: when each is due next, and what came of its last due time."""
    found = coordinator.schedules()
    if as_json:
        print_json(found)
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("schedule", "when", "next (UTC)", "last", "series"):
        table.add_column(heading, no_wrap=heading in ("schedule", "next (UTC)", "series"))
    for one in found["schedules"]:
        when = f"{one['cron']} ({one['time_zone']})" if one["cron"] else one["words"]
        table.add_row(one["name"], when, _next(one), escape(_last(one)), one["series"] or "")
    Console().print(table, highlight=False)


@schedule.command()
@campaign_argument
@click.option("--cron", required=True, metavar="EXPRESSION", help="Such as '30 2 * * *': every day at 02:30.")
@click.option("--time-zone", required=True, metavar="ZONE", help="Of these times: UTC, or such as Europe/Berlin.")
@click.option("--name", help="Of the schedule.  [default: the campaign's name]")
@click.option(
    "--against-itself",
    metavar="DATAPATH",
    help="Compare this datapath with itself instead (A/A). 'showdown trust' counts what is found.",
)
@json_option
@coordinator_command
def add(
    coordinator: Coordinator,
    campaign: Path,
    *,
    cron: str,
    time_zone: str,
    name: str | None,
    against_itself: str | None,
    as_json: bool,
) -> None:
    """Submit CAMPAIGN, a TOML file, at each time of a cron expression.

    The file is stored with the schedule. A time is skipped while the schedule's campaign before has not ended.
    """
    read = read_campaign_toml(read_campaign_file(campaign))
    if against_itself is not None:
        read = _copies(read, against_itself)
    try:
        wanted = NewSchedule(name=name or read.name, cron=cron, time_zone=time_zone, campaign=read)
    except ValidationError as error:
        raise CampaignInvalid(problems_of(error), "the schedule is not valid") from error
    _say(coordinator.add_schedule(wanted), as_json=as_json)


@schedule.command()
@click.argument("name")
@json_option
@coordinator_command
def pause(coordinator: Coordinator, name: str, *, as_json: bool) -> None:
    """Start nothing more for the schedule NAME until it is resumed."""
    _say(_change(coordinator, name, "pause"), as_json=as_json)


@schedule.command()
@click.argument("name")
@json_option
@coordinator_command
def resume(coordinator: Coordinator, name: str, *, as_json: bool) -> None:
    """Go on with the schedule NAME at its next due time."""
    _say(_change(coordinator, name, "resume"), as_json=as_json)


@schedule.command()
@click.argument("name")
@json_option
@coordinator_command
def remove(coordinator: Coordinator, name: str, *, as_json: bool) -> None:
    """Forget the schedule NAME and its history. Its campaigns stay."""
    found = _change(coordinator, name, "remove")
    if as_json:
        print_json(found)
    else:
        click.echo(f"schedule {found['name']} is removed; its campaigns stay")


@schedule.command()
@click.argument("name")
@json_option
@coordinator_command
def run(coordinator: Coordinator, name: str, *, as_json: bool) -> None:
    """Submit the campaign of the schedule NAME now, also if it is paused."""
    found = _change(coordinator, name, "run")
    if as_json:
        print_json(found)
    else:
        campaign = found["runs"][0]["campaign"]
        click.echo(f"campaign {campaign} submitted; 'showdown status {campaign}' shows its progress")


def schedule_id_of(coordinator: Coordinator, name: str) -> str:
    """The id of a schedule, given by name or id. Raises :class:`UsageProblem`."""
    known = coordinator.schedules()["schedules"]
    ids = [one["id"] for one in known if name in (one["name"], one["id"])]
    if not ids:
        names = ", ".join(one["name"] for one in known) or "none"
        raise UsageProblem(f"there is no schedule {name!r}; there are: {names}")
    return str(ids[0])


def _change(coordinator: Coordinator, name: str, action: str) -> dict[str, Any]:
    return coordinator.change_schedule(schedule_id_of(coordinator, name), action)


def _copies(campaign: Campaign, datapath: str) -> Campaign:
    try:
        return against_itself_of(campaign, datapath)
    except InvalidInput as error:
        raise CampaignInvalid(error.problems, f"{campaign.name} cannot compare {datapath} with itself") from error


def _say(found: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(found)
    elif found["paused_at"]:
        click.echo(f"schedule {found['name']} is paused")
    else:
        zone = f", {found['time_zone']}" if found["time_zone"] else ""
        click.echo(f"schedule {found['name']}: {found['words']}{zone}; next {_next(found)} UTC")


def _next(one: Mapping[str, Any]) -> str:
    if one["next_at"] is None and not one["paused_at"]:
        return "none left"
    return "paused" if one["paused_at"] else _moment(one["next_at"])


def _last(one: Mapping[str, Any]) -> str:
    if one["error"]:
        return str(one["error"])
    if not one["runs"]:
        return "not due yet"
    run = one["runs"][0]
    missed = f"; {run['missed']} missed before it" if run["missed"] else ""
    return f"{run['state']} {run['campaign'] or run['reason']}{missed}"


def _moment(at: str | None) -> str:
    return at[:16].replace("T", " ") if at else ""
