"""``showdown notice``: who gets a message when a campaign ends, or fails."""

import click
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from deploy.cli.changes import changes_of, receiver_changes
from deploy.cli.errors import CampaignInvalid
from deploy.cli.output import json_option, print_json
from deploy.cli.remote import coordinator_command
from deploy.cli.rest.client import Coordinator
from deploy.cli.shown.deliveries import event_lines, receivers_text
from domain.runs.notice import NewNotice, Notice, NoticeChanges, Occasion
from domain.values.problems import problems_of


@click.group()
def notice() -> None:
    """Send a webhook or mail when a campaign ends, or only if it fails."""


@notice.command("list")
@json_option
@coordinator_command
def list_notices(coordinator: Coordinator, *, as_json: bool) -> None:
    """List all notices: when each sends a message, and where to."""
    found = coordinator.notices()
    if as_json:
        print_json({"notices": [one.model_dump(mode="json") for one in found]})
        return
    if not found:
        click.echo("there are no notices; 'showdown notice add' adds one")
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("notice", "when", "receivers", "events"):
        table.add_column(heading, no_wrap=heading == "notice")
    for one in found:
        events = one.error or str(len(one.events))
        table.add_row(one.id, one.words, receivers_text(one.webhook, one.email), events)
    Console().print(table, highlight=False, markup=False)


@notice.command()
@click.option(
    "--on", "occasion", type=click.Choice([one.value for one in Occasion]), default=Occasion.ENDED.value,
    show_default=True, help="Every end; or only if a campaign fails, measures nothing, or misses an expectation.",
)  # fmt: skip
@click.option("--name", help="Only campaigns of this name.")
@click.option("--label", metavar="KEY[=VALUE]", help="Only campaigns with this label at their end.")
@click.option("--webhook", metavar="URL", help="Where the message is posted to.")
@click.option("--email", multiple=True, metavar="ADDRESS", help="Who gets a mail; may be repeated.")
@json_option
@coordinator_command
def add(
    coordinator: Coordinator,
    *,
    occasion: str,
    name: str | None,
    label: str | None,
    webhook: str | None,
    email: tuple[str, ...],
    as_json: bool,
) -> None:
    """Add a notice. It concerns campaigns that end from now on."""
    wanted = {"occasion": occasion, "name": name, "label": label, "webhook": webhook, "email": email}
    try:
        found = coordinator.add_notice(NewNotice.model_validate(wanted))
    except ValidationError as error:
        raise CampaignInvalid(problems_of(error), "the notice is not valid") from error
    print_json(found.model_dump(mode="json")) if as_json else click.echo(_line(found))


@notice.command()
@click.argument("notice_id")
@json_option
@coordinator_command
def show(coordinator: Coordinator, notice_id: str, *, as_json: bool) -> None:
    """Show NOTICE_ID with its newest events, and each attempt to deliver their messages."""
    found = coordinator.notice(notice_id)
    if as_json:
        print_json(found.model_dump(mode="json"))
        return
    click.echo(_line(found))
    if found.error:
        click.echo(found.error)
    for event in found.events:
        for line in event_lines(event):
            click.echo(line)


@notice.command()
@click.argument("notice_id")
@click.option("--on", "occasion", type=click.Choice([one.value for one in Occasion]), help="Which ends are reported.")
@click.option("--name", help="Only campaigns of this name; '' for any.")
@click.option("--label", metavar="KEY[=VALUE]", help="Only campaigns with this label at their end; '' for any.")
@click.option("--webhook", metavar="URL", help="Where the message is posted to; '' for nowhere.")
@click.option("--email", multiple=True, metavar="ADDRESS", help="Who gets a mail, may be repeated; '' for nobody.")
@json_option
@coordinator_command
def change(
    coordinator: Coordinator,
    notice_id: str,
    *,
    occasion: str | None,
    name: str | None,
    label: str | None,
    webhook: str | None,
    email: tuple[str, ...],
    as_json: bool,
) -> None:
    """Change NOTICE_ID. Options that are not given stay."""
    wanted = {"occasion": occasion, "name": name, "label": label, **receiver_changes(webhook, email)}
    found = coordinator.change_notice(notice_id, changes_of(NoticeChanges, wanted, "the notice is not valid"))
    print_json(found.model_dump(mode="json")) if as_json else click.echo(_line(found))


@notice.command()
@click.argument("notice_id")
@json_option
@coordinator_command
def remove(coordinator: Coordinator, notice_id: str, *, as_json: bool) -> None:
    """Forget NOTICE_ID with its events. Messages that are not sent yet never are."""
    found = coordinator.remove_notice(notice_id)
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        click.echo(f"notice {found.id} is removed: when {found.words}")


def _line(one: Notice) -> str:
    return f"notice {one.id}: when {one.words}; {receivers_text(one.webhook, one.email)}"
