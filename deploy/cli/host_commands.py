"""``showdown hosts``: list, enrol, revoke, drain and remove worker hosts."""

from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from deploy.cli.output import json_option, print_json
from deploy.cli.remote import coordinator_command
from deploy.cli.rest.client import Coordinator


@click.group()
def hosts() -> None:
    """Enrol worker hosts, list them, revoke their tokens, drain and remove them."""


@hosts.command("list")
@json_option
@coordinator_command
def list_hosts(coordinator: Coordinator, *, as_json: bool) -> None:
    """List all hosts, and why the coordinator refuses a host's worker."""
    found = coordinator.enrolments()
    if as_json:
        print_json(found)
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("host", "state", "token", "refused because"):
        table.add_column(heading)
    for row in _rows(found):
        table.add_row(*map(escape, row))
    Console().print(table, highlight=False)


@hosts.command()
@click.argument("name")
@click.option("--replace", is_flag=True, help="Make a token that the host has void.")
@json_option
@coordinator_command
def enrol(coordinator: Coordinator, name: str, *, replace: bool, as_json: bool) -> None:
    """Make a token for the host NAME, its full name, and print it. It is not shown again."""
    enrolled = coordinator.enrol(name, replace=replace)
    if as_json:
        print_json(enrolled)
        return
    click.echo("Settings of the worker on that host; the token is not shown again:", err=True)
    click.echo(f"SHOWDOWN_HOST={enrolled['host']}")
    click.echo(f"SHOWDOWN_HOST_TOKEN={enrolled['token']}")


@hosts.command()
@click.argument("name")
@coordinator_command
def revoke(coordinator: Coordinator, name: str) -> None:
    """Make the token of the host NAME void. The host is offline at once, and its blocks move."""
    coordinator.revoke(name)
    click.echo(f"the token of {name} is void; 'showdown hosts enrol {name} --replace' makes a new one")


@hosts.command()
@click.argument("name")
@coordinator_command
def drain(coordinator: Coordinator, name: str) -> None:
    """Give the host NAME no new blocks. It ends what it runs; waiting blocks move to other hosts of their campaigns.

    A campaign without another host waits, and says so. A campaign that names no hosts does not take a drained one.
    """
    coordinator.drain(name)
    click.echo(f"{name} takes no new blocks; 'showdown hosts undrain {name}' ends that")


@hosts.command()
@click.argument("name")
@coordinator_command
def undrain(coordinator: Coordinator, name: str) -> None:
    """Give the drained host NAME blocks again."""
    coordinator.undrain(name)
    click.echo(f"{name} takes blocks again")


@hosts.command()
@click.argument("name")
@coordinator_command
def remove(coordinator: Coordinator, name: str) -> None:
    """Forget the host NAME, its token and its matrix. Its blocks move; results that it measured stay."""
    coordinator.remove(name)
    click.echo(f"{name} is removed")


def _state(host: dict[str, Any]) -> str:
    state = "online" if host["online"] else "offline"
    return f"{state}, drained" if host.get("drained_at") else state


def _rows(found: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    registered = {host["name"]: _state(host) for host in found["hosts"]}
    enrolled = {one["host"]: one for one in found.get("enrolments", ())}
    rows = []
    for name in sorted({*registered, *enrolled}):
        one = enrolled.get(name)
        token = "none" if one is None else "revoked" if one["revoked_at"] else "valid"
        rows.append((name, registered.get(name, "not registered"), token, one["refusal"] if one else ""))
    return rows
