"""``showdown validate``: checks campaign files. It needs neither root nor a coordinator."""

from pathlib import Path

import click

from deploy.cli.errors import CampaignInvalid, ExitCode, UsageProblem
from deploy.cli.output import json_option, located, print_json, read_text
from deploy.cli.preflight import campaign_problems
from domain.campaigns.campaign import read_campaign_toml
from domain.values.problems import Problem
from domain.values.texts import counted
from domain.values.toml_lines import line_of


@click.command()
@click.argument(
    "files", nargs=-1, required=True, metavar="FILE...", type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@json_option
@click.pass_context
def validate(ctx: click.Context, files: tuple[Path, ...], *, as_json: bool) -> None:
    """Check each campaign FILE: its fields, values and names. Nothing is started or sent.

    The exit code is 0 if every FILE is a valid campaign, and 3 if one is not. Each problem has its line. What a host
    lacks is no problem of a file: 'showdown doctor' lists that, and 'submit --dry-run' asks a coordinator.
    """
    results = []
    for path in files:
        text, problems = _checked(path)
        results.append((path, text, problems))
        if not as_json:
            _say(path, text, problems)
    if as_json:
        print_json({"files": [_as_data(*result) for result in results]})
    if any(problems for _, _, problems in results):
        ctx.exit(ExitCode.INVALID)


def _checked(path: Path) -> tuple[str, list[Problem]]:
    """The text of a file, and its problems; one that cannot be read does not end the check of others."""
    try:
        text = read_text(path)
    except UsageProblem as error:
        return "", [Problem(field="campaign", message=error.message)]
    return text, campaign_problems(text)


def _say(path: Path, text: str, problems: list[Problem]) -> None:
    if problems:
        click.echo(CampaignInvalid(located(text, problems), f"{path} is not a valid campaign").message, err=True)
        return
    campaign = read_campaign_toml(text)
    parts = counted(len(campaign.labels), "datapath"), counted(len(campaign.levels), "level")
    click.echo(f"{path} is a valid campaign: {', '.join(parts)}, {counted(campaign.total_blocks, 'block')}")


def _as_data(path: Path, text: str, problems: list[Problem]) -> dict[str, object]:
    found = [{"field": one.field, "message": one.message, "line": line_of(text, one)} for one in problems]
    return {"file": str(path), "valid": not problems, "problems": found}
