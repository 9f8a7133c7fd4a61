"""``showdown replicate``: several runs of one configuration, to be combined."""

from pathlib import Path

import click
from pydantic import ValidationError

from deploy.cli.errors import CampaignInvalid, UsageProblem
from deploy.cli.output import json_option, print_json, read_campaign_file
from deploy.cli.remote import coordinator_command
from deploy.cli.rest.client import Coordinator
from domain.campaigns.campaign import Campaign, read_campaign_toml
from domain.loads.duration import duration_text, read_duration
from domain.runs.combination import MOST_RUNS
from domain.runs.schedule import NewSchedule
from domain.values.names import is_campaign_id
from domain.values.problems import problems_of

_MAX_NAME = 60  # characters; a number may follow


class _Duration(click.ParamType[float]):
    """Such as '30 min', '30m' or '2 h'."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        text = str(value).strip()
        try:
            return read_duration(f"{text}in" if text[:-1].strip().isdigit() and text.endswith("m") else text)
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.command()
@click.argument("campaign", metavar="CAMPAIGN|FILE")
@click.option("--times", type=click.IntRange(2, MOST_RUNS), required=True, help="How many runs.")
@click.option("--every", type=_Duration(), default="0 s", help="Start at most one in this time, such as '30 min'.")
@click.option("--name", help="Of the replicates.  [default: the campaign's name with -runs]")
@json_option
@coordinator_command
def replicate(
    coordinator: Coordinator, campaign: str, *, times: int, every: float, name: str | None, as_json: bool
) -> None:
    """Run a campaign several times: CAMPAIGN, by its id, or FILE.

    Each run draws its own order of blocks, and starts when the run before has ended. 'showdown combine --schedule NAME'
    then gives verdicts that hold for boots and hours like theirs. Restart the host between runs to have several boots.
    """
    wanted_campaign = _campaign(coordinator, campaign)
    known = {one["name"] for one in coordinator.schedules()["schedules"]}
    name = name or _free_name(f"{wanted_campaign.name[: _MAX_NAME - 5]}-runs", known)
    try:
        wanted = NewSchedule(name=name, every_s=every, times=times, campaign=wanted_campaign)
    except ValidationError as error:
        raise CampaignInvalid(problems_of(error), "the replicates are not valid") from error
    found = coordinator.add_schedule(wanted)
    if as_json:
        print_json(found)
        return
    pause = f", at most every {duration_text(every)}" if every else ""
    click.echo(f"{found['name']}: {times} runs, one after the other{pause}; 'showdown schedule list' shows them")
    click.echo(f"'showdown combine --schedule {found['name']}' combines those that are complete")


def _campaign(coordinator: Coordinator, text: str) -> Campaign:
    path = Path(text)
    if path.is_file():
        return read_campaign_toml(read_campaign_file(path))
    if not is_campaign_id(text):
        raise UsageProblem(f"{text!r} is no file and no campaign's id")
    return Campaign.model_validate(coordinator.campaign(text)["campaign"])


def _free_name(name: str, known: set[str]) -> str:
    numbered = (f"{name}-{number}" for number in range(2, len(known) + 3))
    return name if name not in known else next(one for one in numbered if one not in known)
