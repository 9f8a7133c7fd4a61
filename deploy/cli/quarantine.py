"""``showdown quarantine``: what is set aside, and how to try again."""

import click

from deploy.cli.errors import UsageProblem
from deploy.cli.output import json_option, print_json
from deploy.cli.remote import coordinator_command
from deploy.cli.rest.client import Coordinator


@click.command()
@click.option("--release", metavar="KIND/NAME", help="Try again with it, as in campaign/k3f9x2ab.")
@json_option
@coordinator_command
def quarantine(coordinator: Coordinator, *, release: str | None, as_json: bool) -> None:
    """Show campaigns, hosts and matrices that are set aside: why, since when, and what to do."""
    if release is not None:
        kind, _, name = release.partition("/")
        if not kind.isalpha() or not name:
            raise UsageProblem(f"{release!r} is not KIND/NAME, as in campaign/k3f9x2ab")
        found = coordinator.release(kind, name)
    else:
        found = coordinator.quarantine()
    if as_json:
        print_json(found)
        return
    for one in found["quarantine"]:
        click.echo(f"{one['kind']}/{one['name']} since {one['since']}: {one['reason']}")
        click.echo(f"    {one['remedy']}")
    if not found["quarantine"]:
        click.echo("nothing is set aside")
