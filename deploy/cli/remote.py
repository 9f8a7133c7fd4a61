"""Commands for a running coordinator: submit, report, cancel, resume; and what every such command needs."""

import functools
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from deploy.cli.dry_run import dry_run_option, print_estimate
from deploy.cli.errors import UsageProblem
from deploy.cli.files.evidence import fetch_evidence
from deploy.cli.files.kept import read_kept
from deploy.cli.files.result_files import ResultFiles, result_files_options
from deploy.cli.output import (
    campaign_argument,
    finish,
    full_option,
    json_option,
    lines_of,
    print_json,
    read_campaign_file,
)
from deploy.cli.rest.client import CANCELLABLE, Coordinator
from deploy.cli.shown.campaign_list import print_campaigns
from deploy.cli.shown.planning import plan_lines
from deploy.cli.shown.progress import await_end
from domain.values.texts import counted, error_text

DEFAULT_URL = "http://127.0.0.1:8400"
_MAX_TOKEN = 4096  # characters
_ON_A_PAGE = 1000  # campaigns


def address_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command ``--url`` and ``--token-file``."""
    url = click.option(
        "--url", envvar="SHOWDOWN_COORDINATOR_URL", default=DEFAULT_URL, show_default=True, show_envvar=True,
        help="Address of the coordinator.",
    )  # fmt: skip
    file = click.option(
        "--token-file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
        help="File with the user's token, or - for standard input.  [default: SHOWDOWN_TOKEN]",
    )  # fmt: skip
    # Every user of the machine reads the arguments of every process, so a token there is refused.
    argument = click.option("--token", hidden=True, expose_value=False, callback=_refuse_token)

    @url
    @file
    @argument
    @functools.wraps(command)
    def with_token(url: str, token_file: Path | None, **options: Any) -> Any:
        return command(url=url, token=_token(token_file), **options)

    return with_token


def _refuse_token(_context: click.Context, _option: click.Parameter, value: str | None) -> None:
    if value is not None:
        raise UsageProblem("every user of this machine can read --token; use SHOWDOWN_TOKEN, or --token-file FILE")


def _token(file: Path | None) -> str:
    if file is None:
        return os.environ.get("SHOWDOWN_TOKEN", "")
    try:
        text = sys.stdin.read(_MAX_TOKEN) if str(file) == "-" else file.read_text()[:_MAX_TOKEN]
    except (OSError, UnicodeDecodeError) as error:
        raise UsageProblem(f"the token in {file} cannot be read: {error_text(error)}") from error
    return text.strip()


def coordinator_at(url: str, token: str) -> Coordinator:
    """A client. Raises :class:`UsageProblem` without a token."""
    if not token:
        raise UsageProblem("a token is required: give SHOWDOWN_TOKEN or --token-file ('showdown up' prints the token)")
    return Coordinator(url, token)


def coordinator_command(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command ``--url`` and ``--token-file``, and a :class:`Coordinator` as its first argument."""

    @address_options
    @functools.wraps(command)
    def with_coordinator(url: str, token: str, **options: Any) -> Any:
        with coordinator_at(url, token) as coordinator:
            return command(coordinator, **options)

    return with_coordinator


@click.command()
@campaign_argument
@click.option("--wait", is_flag=True, help="Wait for the campaign and print its report, as 'run' does.")
@dry_run_option
@json_option
@full_option
@result_files_options
@coordinator_command
@click.pass_context
def submit(
    ctx: click.Context,
    coordinator: Coordinator,
    campaign: Path,
    *,
    wait: bool,
    dry_run: bool,
    as_json: bool,
    full: bool,
    files: ResultFiles,
) -> None:
    """Submit CAMPAIGN, a TOML file, to a coordinator.

    After Ctrl-C, --wait ends and the campaign goes on.
    """
    if files.wanted and not wait:
        raise UsageProblem("--out, --junit and --markdown need --wait: there are no results before the campaign's end")
    toml = read_campaign_file(campaign)
    if dry_run:
        with lines_of(campaign, toml):
            print_estimate(coordinator, toml, as_json=as_json)
        return
    with lines_of(campaign, toml):
        created = coordinator.submit(toml)
    campaign_id = str(created["id"])
    for line in plan_lines(created):
        click.echo(line, err=True)
    if wait:
        await_end(coordinator, campaign_id)
        found, rest = coordinator.report(campaign_id), _rest(coordinator, campaign_id)
        fetch_evidence(coordinator, found, files)
        ctx.exit(finish(found, as_json=as_json, full=full, rest=rest, files=files))
    if as_json:
        print_json(created)
    else:
        click.echo(f"campaign {campaign_id} submitted; 'showdown watch {campaign_id}' shows its progress")


@click.command()
@click.argument("campaign")
@json_option
@full_option
@result_files_options
@address_options
@click.pass_context
def report(
    ctx: click.Context, campaign: str, url: str, token: str, *, as_json: bool, full: bool, files: ResultFiles
) -> None:
    """Print the answer of CAMPAIGN, finished or not: its id, or the file that 'run' kept of it."""
    if Path(campaign).is_file():
        rest = f"The rest: showdown report {campaign} --full (or --json)"
        ctx.exit(finish(read_kept(Path(campaign)), as_json=as_json, full=full, rest=rest, files=files))
    with coordinator_at(url, token) as coordinator:
        found = coordinator.report(campaign)
        fetch_evidence(coordinator, found, files)
        ctx.exit(finish(found, as_json=as_json, full=full, rest=_rest(coordinator, campaign), files=files))


def _rest(coordinator: Coordinator, campaign_id: str) -> str:
    """Where the whole report is."""
    return f"The rest: showdown report {campaign_id} --full (or --json), or {coordinator.page(campaign_id)}"


@click.command()
@click.argument("campaign_id", required=False)
@click.option("--all", "every", is_flag=True, help="Cancel every open campaign, after a question.")
@click.option("--yes", is_flag=True, help="With --all: do not ask.")
@json_option
@coordinator_command
def cancel(coordinator: Coordinator, campaign_id: str | None, *, every: bool, yes: bool, as_json: bool) -> None:
    """Cancel CAMPAIGN_ID. Its running blocks are stopped and removed."""
    if (campaign_id is None) is not every:
        raise UsageProblem("give CAMPAIGN_ID, or --all for every open campaign")
    if every and as_json and not yes:
        raise UsageProblem("--all --json asks nothing: add --yes")
    if campaign_id is not None:
        campaign = coordinator.cancel(campaign_id)
        print_json(campaign) if as_json else click.echo(_cancelled(campaign))
        return
    waiting = [one for state in CANCELLABLE for one in coordinator.all_campaigns(state=state, limit=_ON_A_PAGE)]
    if waiting and not yes:
        print_campaigns(waiting)
        click.confirm(f"Cancel {counted(len(waiting), 'campaign')}?", abort=True, err=True)
    done = [coordinator.cancel(str(one["id"])) for one in waiting]
    if as_json:
        print_json({"campaigns": done})
    else:
        click.echo("\n".join(map(_cancelled, done)) or "no campaign is open")


def _cancelled(campaign: Mapping[str, Any]) -> str:
    late = ", so there is nothing to cancel" if campaign["state"] in ("complete", "failed") else ""
    return f"campaign {campaign['id']} is {campaign['state']}{late}"
