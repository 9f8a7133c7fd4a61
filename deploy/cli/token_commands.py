"""``showdown token``: create, list and revoke named tokens of users."""

import click
from rich.console import Console
from rich.table import Table

from deploy.cli.output import json_option, print_json
from deploy.cli.remote import coordinator_command
from deploy.cli.rest.client import Coordinator
from domain.service.scopes import MOST_DAYS, Scope

_SCOPES = "; ".join(f"{scope.value}: {scope.meaning}" for scope in Scope)


@click.group()
def token() -> None:
    """Create named tokens for people and programs, list them, revoke them."""


@token.command()
@click.argument("name")
@click.option(
    "--scope", type=click.Choice([scope.value for scope in Scope]), default=Scope.READ.value, show_default=True,
    help=f"What it may do ({_SCOPES}).",
)  # fmt: skip
@click.option("--days", type=click.IntRange(1, MOST_DAYS), help="It expires after so many days.  [default: never]")
@click.option("--replace", is_flag=True, help="Make an earlier token of this name void.")
@json_option
@coordinator_command
def create(coordinator: Coordinator, name: str, *, scope: str, days: int | None, replace: bool, as_json: bool) -> None:
    """Create a token with the name NAME, and print it. It is not shown again."""
    created = coordinator.create_token(name, scope=scope, days=days, replace=replace)
    if as_json:
        print_json(created)
        return
    end = f", until {created['expires_at']}" if created["expires_at"] else ""
    click.echo(f"Token {name} with the scope {scope}{end}; it is not shown again:", err=True)
    click.echo(created["token"])


@token.command("list")
@json_option
@coordinator_command
def list_tokens(coordinator: Coordinator, *, as_json: bool) -> None:
    """List all tokens: scope, state, who created them, when they were used last."""
    found = coordinator.tokens()
    if as_json:
        print_json(found)
        return
    if not found["tokens"]:
        click.echo("there are no named tokens; 'showdown token create NAME' makes one")
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("name", "scope", "state", "created by", "used", "expires"):
        table.add_column(heading)
    for one in found["tokens"]:
        state = "valid" if one["valid"] else "revoked" if one["revoked_at"] else "expired"
        days = [(one[name] or "never")[:10] for name in ("used_at", "expires_at")]
        table.add_row(one["name"], one["scope"], state, one["created_by"], *days)
    Console().print(table, highlight=False, markup=False)


@token.command()
@click.argument("name")
@coordinator_command
def revoke(coordinator: Coordinator, name: str) -> None:
    """Make the token with the name NAME void. Sessions that it began end."""
    coordinator.revoke_token(name)
    click.echo(f"the token {name} is void")
