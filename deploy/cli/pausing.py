"""``showdown pause`` and ``showdown resume``: a campaign begins no more blocks until its user says so."""

import click

from deploy.cli.output import json_option, print_json
from deploy.cli.remote import coordinator_command
from deploy.cli.rest.client import CANCELLABLE, Coordinator
from domain.reports.outcome import state_text


@click.command()
@click.argument("campaign_id")
@json_option
@coordinator_command
def pause(coordinator: Coordinator, campaign_id: str, *, as_json: bool) -> None:
    """Pause CAMPAIGN_ID: its running blocks end, and no other begins until 'showdown resume'."""
    campaign = coordinator.pause(campaign_id)
    if as_json:
        print_json(campaign)
        return
    late = "" if campaign["state"] in CANCELLABLE else ", so there is nothing to pause"
    click.echo(f"campaign {campaign_id} is {state_text(campaign)}{late}")


@click.command()
@click.argument("campaign_id")
@json_option
@coordinator_command
def resume(coordinator: Coordinator, campaign_id: str, *, as_json: bool) -> None:
    """Go on with CAMPAIGN_ID, which a user paused, or which paused as its first attempts gave no valid trial."""
    campaign = coordinator.resume(campaign_id)
    if as_json:
        print_json(campaign)
    else:
        click.echo(f"campaign {campaign_id} is {state_text(campaign)}")
