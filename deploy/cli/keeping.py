"""``showdown label``, ``note``, ``archive`` and ``delete``: what users write on campaigns, and which they keep."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import click
from pydantic import ValidationError

from deploy.cli.errors import CampaignInvalid, UsageProblem
from deploy.cli.output import json_option, print_json
from deploy.cli.remote import coordinator_command
from deploy.cli.rest.client import ENDED, Coordinator
from domain.reports.outcome import state_text
from domain.runs.keeping import KeepingChanges, labels_of_text
from domain.values.problems import problems_of
from domain.values.texts import counted


@click.command()
@click.argument("campaign_id")
@click.argument("labels", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--remove", multiple=True, metavar="KEY", help="Remove the label with this key; may be repeated.")
@json_option
@coordinator_command
def label(
    coordinator: Coordinator, campaign_id: str, *, labels: tuple[str, ...], remove: tuple[str, ...], as_json: bool
) -> None:
    """Set labels of CAMPAIGN_ID; those that are not named stay.

    'showdown status --label KEY=VALUE' lists campaigns by them.
    """
    try:
        wanted: dict[str, str | None] = {**labels_of_text("\n".join(labels))}
    except ValueError as error:
        raise UsageProblem(f"the label {error}") from error
    if both := sorted({*wanted} & {*remove}):
        raise UsageProblem(f"the label {both[0]!r} is set and removed; give one of them")
    if not wanted and not remove:
        raise UsageProblem("give KEY=VALUE, or --remove KEY")
    campaign = _changed(coordinator, campaign_id, {"labels": wanted | dict.fromkeys(remove)})
    if as_json:
        print_json(campaign)
        return
    now = ", ".join(f"{key}={value}" if value else key for key, value in campaign["labels"].items())
    click.echo(f"labels of campaign {campaign_id}: {now or 'none'}")


@click.command()
@click.argument("campaign_id")
@click.argument("text")
@json_option
@coordinator_command
def note(coordinator: Coordinator, campaign_id: str, text: str, *, as_json: bool) -> None:
    """Write TEXT as the note of CAMPAIGN_ID; it replaces an earlier note. An empty TEXT removes the note."""
    campaign = _changed(coordinator, campaign_id, {"note": text})
    if as_json:
        print_json(campaign)
    else:
        click.echo(f"campaign {campaign_id} has {'a new' if text else 'no'} note")


@click.command()
@click.argument("campaign_ids", nargs=-1, required=True, metavar="CAMPAIGN_ID...")
@click.option("--undo", is_flag=True, help="Take them out of the archive.")
@json_option
@coordinator_command
def archive(coordinator: Coordinator, campaign_ids: tuple[str, ...], *, undo: bool, as_json: bool) -> None:
    """Archive campaigns: lists leave them out, and nothing of them is lost.

    'showdown status --archived' lists them.
    """
    done = []
    for one in campaign_ids:
        done.append(_changed(coordinator, one, {"archived": not undo}))
        if not as_json:  # a later one may fail
            click.echo(f"campaign {one} is {'out of' if undo else 'in'} the archive")
    if as_json:
        print_json({"campaigns": done})


@click.command()
@click.argument("campaign_ids", nargs=-1, required=True, metavar="CAMPAIGN_ID...")
@click.option("--yes", is_flag=True, help="Do not ask; needed without a terminal.")
@json_option
@coordinator_command
def delete(coordinator: Coordinator, campaign_ids: tuple[str, ...], *, yes: bool, as_json: bool) -> None:
    """Delete campaigns that have ended, with their trials, reports and telemetry, for good.

    For a campaign that is deleted already, its telemetry is tried again.
    """
    found = [campaign for one in dict.fromkeys(campaign_ids) if (campaign := _found(coordinator, one))]
    if found and not yes:
        _ask(found)
    done = []
    for one in dict.fromkeys(campaign_ids):
        done.append(coordinator.delete(one))
        if not as_json:  # a later one may fail
            click.echo(_deleted(done[-1]))
    if as_json:
        print_json({"deleted": done})


def at_terminal() -> bool:
    """Whether there is a user to ask."""
    return sys.stdin.isatty()


def _changed(coordinator: Coordinator, campaign_id: str, changes: Mapping[str, Any]) -> dict[str, Any]:
    try:
        checked = KeepingChanges.model_validate(changes)
    except ValidationError as error:
        raise CampaignInvalid(problems_of(error), f"campaign {campaign_id} is not changed") from error
    return coordinator.change(campaign_id, checked)


def _found(coordinator: Coordinator, campaign_id: str) -> dict[str, Any] | None:
    """A campaign that can be deleted; ``None`` if there is none, or no longer. Raises :class:`UsageProblem`."""
    try:
        campaign = coordinator.campaign(campaign_id)
    except UsageProblem:
        coordinator.delete(campaign_id)  # it says so if there never was one, before any other is deleted
        return None
    if campaign["state"] not in ENDED:
        raise UsageProblem(
            f"campaign {campaign_id} is {state_text(campaign)}: 'showdown cancel {campaign_id}' ends it, then delete it"
        )
    return campaign


def _ask(campaigns: Sequence[Mapping[str, Any]]) -> None:
    """Ask whether to delete campaigns. Raises :class:`UsageProblem` if there is no terminal, and ``Abort`` for a no."""
    if not at_terminal():
        raise UsageProblem("there is no terminal to ask at: add --yes")
    for one in campaigns:
        click.echo(f"{one['id']} {one['name']}: {state_text(one)}", err=True)
    click.confirm(f"Delete {counted(len(campaigns), 'campaign')} for good?", abort=True, err=True)


def _deleted(one: Mapping[str, Any]) -> str:
    text = f"campaign {one['id']} ({one['name']}) is deleted with {counted(one['trials'], 'trial')}"
    if one["telemetry_deleted_at"]:
        return f"{text} and its telemetry"
    return f"{text}; its telemetry may be left: {one['telemetry_error']}. Repeat the command to try again."
