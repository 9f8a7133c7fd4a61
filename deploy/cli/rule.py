"""``showdown rule``: which regressions of a trend are reported, and where to."""

from collections.abc import Iterable, Sequence

import click
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from deploy.cli.changes import changes_of, receiver_changes
from deploy.cli.errors import CampaignInvalid, UsageProblem
from deploy.cli.output import json_option, print_json
from deploy.cli.remote import coordinator_command
from deploy.cli.rest.client import Coordinator
from deploy.cli.shown.deliveries import event_lines, receivers_text
from domain.runs.comparison import COLUMNS
from domain.runs.rule import Direction, NewRule, Rule, RuleChanges
from domain.runs.trend import Trend, TrendReport
from domain.values.problems import problems_of


@click.group()
def rule() -> None:
    """Report regressions of a trend by webhook and mail."""


@rule.command("list")
@json_option
@coordinator_command
def list_rules(coordinator: Coordinator, *, as_json: bool) -> None:
    """List all rules: what each watches, and whether it is regressed now."""
    found = coordinator.rules()
    if as_json:
        print_json({"rules": [one.model_dump(mode="json") for one in found]})
        return
    if not found:
        click.echo("there are no rules; 'showdown rule add SERIES_ID' adds one")
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("rule", "series", "watches", "reports", "state"):
        table.add_column(heading, no_wrap=heading in ("rule", "series"))
    for one in found:
        table.add_row(one.id, one.series, one.figure, _condition(one), _state(one))
    Console().print(table, highlight=False, markup=False)


@rule.command()
@click.argument("series_id")
@click.option("--datapath", required=True, help="Whose figure is watched.")
@click.option("--level", required=True, help="At this load level.")
@click.option("--metric", required=True, type=click.Choice([one.value for one in COLUMNS]), help="The figure.")
@click.option("--workload", help="Needed if the series has several.")
@click.option("--reference", metavar="DATAPATH", help="Watch the ratio to this datapath within blocks, not the figure.")
@click.option("--percent", type=float, default=5.0, show_default=True, help="A smaller change is not reported.")
@click.option(
    "--direction", type=click.Choice([one.value for one in Direction]), default=Direction.WORSE.value,
    show_default=True, help="Which changes count; worse is lower for rates, and higher for costs and times.",
)  # fmt: skip
@click.option("--webhook", metavar="URL", help="Where the event is posted to.")
@click.option("--email", multiple=True, metavar="ADDRESS", help="Who gets a mail; may be repeated.")
@json_option
@coordinator_command
def add(
    coordinator: Coordinator,
    series_id: str,
    *,
    datapath: str,
    level: str,
    metric: str,
    workload: str | None,
    reference: str | None,
    percent: float,
    direction: str,
    webhook: str | None,
    email: tuple[str, ...],
    as_json: bool,
) -> None:
    """Watch one trend of SERIES_ID; 'showdown trend' lists the series.

    Each campaign of the series is compared with up to ten campaigns before it.
    """
    trends = coordinator.trends(series_id)
    watched = {"datapath": datapath, "level": level, "metric": metric, "reference": reference}
    watched |= {"series": series_id, "workload": workload or _only_workload(trends)}
    reported = {"percent": percent, "direction": direction, "webhook": webhook, "email": email}
    try:
        checked = NewRule.model_validate({**watched, **reported})
    except ValidationError as error:
        raise CampaignInvalid(problems_of(error), "the rule is not valid") from error
    _check(checked, trends)
    found = coordinator.add_rule(checked)
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        click.echo(
            f"rule {found.id}: {found.figure}, {_condition(found)}; {receivers_text(found.webhook, found.email)}"
        )


@rule.command()
@click.argument("rule_id")
@json_option
@coordinator_command
def show(coordinator: Coordinator, rule_id: str, *, as_json: bool) -> None:
    """Show the rule RULE_ID with its newest events, and each attempt to deliver their messages."""
    found = coordinator.rule(rule_id)
    if as_json:
        print_json(found.model_dump(mode="json"))
        return
    click.echo(f"rule {found.id} of series {found.series}: {found.figure}, {_condition(found)}")
    click.echo(f"{_state(found)}; {receivers_text(found.webhook, found.email)}")
    for event in found.events:
        for line in event_lines(event):
            click.echo(line)


@rule.command()
@click.argument("rule_id")
@click.option("--percent", type=float, help="A smaller change is not reported.")
@click.option("--direction", type=click.Choice([one.value for one in Direction]), help="Which changes count.")
@click.option("--webhook", metavar="URL", help="Where the event is posted to; '' for nowhere.")
@click.option("--email", multiple=True, metavar="ADDRESS", help="Who gets a mail, may be repeated; '' for nobody.")
@json_option
@coordinator_command
def change(
    coordinator: Coordinator,
    rule_id: str,
    *,
    percent: float | None,
    direction: str | None,
    webhook: str | None,
    email: tuple[str, ...],
    as_json: bool,
) -> None:
    """Change RULE_ID. What it watches stays, as do all options that are not given."""
    wanted = {"percent": percent, "direction": direction, **receiver_changes(webhook, email)}
    found = coordinator.change_rule(rule_id, changes_of(RuleChanges, wanted, "the rule is not valid"))
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        click.echo(
            f"rule {found.id}: {found.figure}, {_condition(found)}; {receivers_text(found.webhook, found.email)}"
        )


@rule.command()
@click.argument("rule_id")
@json_option
@coordinator_command
def remove(coordinator: Coordinator, rule_id: str, *, as_json: bool) -> None:
    """Forget the rule RULE_ID with its events. Messages that are not sent yet never are."""
    found = coordinator.remove_rule(rule_id)
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        click.echo(f"rule {found.id} is removed: {found.figure}")


def _only_workload(found: TrendReport) -> str:
    """The workload of a series that has one. Raises :class:`UsageProblem`."""
    workloads = _distinct(one.workload for one in found.trends)
    if len(workloads) != 1:
        raise UsageProblem(f"the series has several workloads; give --workload: {', '.join(workloads)}")
    return workloads[0]


def _check(wanted: NewRule, found: TrendReport) -> None:
    """Name the part of a rule that no trend of its series has. Raises :class:`UsageProblem`."""
    left: Sequence[Trend] = found.trends
    for name in ("workload", "level", "datapath", "metric", "reference"):
        value = getattr(wanted, name)
        known = _distinct(str(getattr(one, name)) for one in left if getattr(one, name))
        left = [one for one in left if getattr(one, name) == value]
        if not left:
            raise UsageProblem(
                f"the series has no trend of the {name} {str(value)!r}; there are: {', '.join(known) or 'none'}"
            )


def _distinct(texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(texts))


def _condition(one: NewRule) -> str:
    return f"{one.direction.value} by {one.percent:g} % or more"


def _state(one: Rule) -> str:
    if one.error:
        return one.error
    return f"regressed since {one.regressed_since}" if one.regressed_since else "not regressed"
