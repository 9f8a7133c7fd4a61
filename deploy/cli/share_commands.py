"""``showdown share``: read-only links to one campaign."""

import click
from rich.console import Console
from rich.table import Table

from deploy.cli.output import json_option, print_json
from deploy.cli.remote import coordinator_command
from deploy.cli.rest.client import Coordinator
from domain.service.scopes import MOST_DAYS


@click.group()
def share() -> None:
    """Share a campaign by a read-only link, list its links, revoke them."""


@share.command()
@click.argument("campaign_id")
@click.option("--days", type=click.IntRange(1, MOST_DAYS), help="It expires after so many days.  [default: never]")
@json_option
@coordinator_command
def create(coordinator: Coordinator, campaign_id: str, *, days: int | None, as_json: bool) -> None:
    """Create a link to CAMPAIGN_ID, and print it. It is not shown again."""
    created = coordinator.create_share(campaign_id, days=days)
    if as_json:
        print_json(created)
        return
    end = f", until {created['expires_at']}" if created["expires_at"] else ""
    click.echo(f"Link {created['id']}{end}; it is not shown again:", err=True)
    click.echo(created["url"])


@share.command("list")
@click.argument("campaign_id")
@json_option
@coordinator_command
def list_shares(coordinator: Coordinator, campaign_id: str, *, as_json: bool) -> None:
    """List the links to CAMPAIGN_ID: who shared it, and how often each was opened."""
    found = coordinator.shares(campaign_id)
    if as_json:
        print_json(found)
        return
    if not found["shares"]:
        click.echo(f"campaign {campaign_id} is not shared; 'showdown share create {campaign_id}' makes a link")
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("link", "state", "created", "by", "opened", "expires"):
        table.add_column(heading)
    for one in found["shares"]:
        state = "valid" if one["valid"] else "revoked" if one["revoked_at"] else "expired"
        days = [(one[name] or "never")[:10] for name in ("created_at", "expires_at")]
        table.add_row(one["id"], state, days[0], one["created_by"], str(one["uses"]), days[1])
    Console().print(table, highlight=False, markup=False)


@share.command()
@click.argument("campaign_id")
@click.argument("link")
@coordinator_command
def revoke(coordinator: Coordinator, campaign_id: str, link: str) -> None:
    """Make a link of CAMPAIGN_ID void; LINK is its id, as 'list' shows it."""
    coordinator.revoke_share(campaign_id, link)
    click.echo(f"the link {link} is void")
