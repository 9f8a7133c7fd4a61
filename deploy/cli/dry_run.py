"""``--dry-run``: what a campaign would take and show, from the coordinator that would run it."""

from collections.abc import Callable
from typing import Any

import click

from deploy.cli.output import print_json
from deploy.cli.rest.answers import read_answer
from deploy.cli.rest.client import Coordinator
from domain.campaigns.campaign import read_campaign_toml
from domain.campaigns.estimate import estimate_of
from domain.reports.planning import Plan

dry_run_option: Callable[[Callable[..., Any]], Callable[..., Any]] = click.option(
    "--dry-run", is_flag=True, help="Print how long it takes and what it can show, and submit nothing."
)


def print_estimate(coordinator: Coordinator, toml: str, *, as_json: bool) -> None:
    """Ask for the plan of a campaign and print the estimate, as the form shows it."""
    plan = read_answer(Plan, coordinator.plan(toml), "the plan")
    if as_json:
        print_json(plan.model_dump(mode="json"))
        return
    for line in estimate_of(read_campaign_toml(toml), plan).lines:
        click.echo(line)
