"""``showdown combine``: runs of one configuration together."""

import click
from rich.console import Console
from rich.table import Table

from deploy.cli.errors import UsageProblem
from deploy.cli.output import json_option, print_json
from deploy.cli.remote import coordinator_command
from deploy.cli.rest.client import Coordinator
from deploy.cli.schedule import schedule_id_of
from domain.runs.combination import Combination, CombinedVerdict
from domain.values.texts import NONE, p_text, percent_text, ratio_text

_STYLES = {"better": "green", "worse": "red", "same": "green"}


@click.command()
@click.argument("runs", nargs=-1)
@click.option("--schedule", "schedule", metavar="NAME", help="The runs that this schedule has started.")
@click.option("--series", metavar="ID", help="The campaigns of this series ('showdown trend' lists them).")
@click.option("--mixed", is_flag=True, help="Combine runs of different fingerprints, too.")
@json_option
@coordinator_command
def combine(
    coordinator: Coordinator,
    runs: tuple[str, ...],
    *,
    schedule: str | None,
    series: str | None,
    mixed: bool,
    as_json: bool,
) -> None:
    """Combine RUNS, campaigns of one configuration: one verdict for each of its primary comparisons.

    The verdicts hold for boots and hours like those of the runs (random effects). 'showdown replicate' makes runs.
    """
    if sum(map(bool, (runs, schedule, series))) != 1:
        raise UsageProblem("name RUNS, or --schedule NAME, or --series ID")
    schedule_id = schedule_id_of(coordinator, schedule) if schedule else ""
    found = coordinator.combine(",".join(runs), series=series or "", schedule=schedule_id, mixed=mixed)
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        print_combination(found, Console())


def print_combination(found: Combination, console: Console) -> None:
    """The runs, what was left out, a table and a sentence for each verdict, and for what they hold."""
    for one in found.runs:
        console.print(f"run       {one.id} {one.name}: {one.scope}", highlight=False, markup=False)
    for out in found.left_out:
        console.print(f"left out  {out.id} {out.name}: {out.reason}", highlight=False, markup=False)
    if found.mixed:
        console.print(f"mixed     the runs differ in {', '.join(found.mixed)}", highlight=False, markup=False)
    if found.verdicts:
        console.print()
        console.print(_table(found))
        console.print()
    for verdict in found.verdicts:
        console.print(verdict.sentence, highlight=False, markup=False)
    console.print(f"\nThese verdicts hold for {found.scope}.", highlight=False, markup=False)
    for caution in found.cautions:
        console.print(caution, highlight=False, markup=False)


def _table(found: Combination) -> Table:
    table = Table(title="Over all runs", title_justify="left", box=None, pad_edge=False)
    for name in ("datapath", "levels", "figure"):
        table.add_column(name)
    for name in ("ratio", "one further run", "SD between runs", "p"):
        table.add_column(name, justify="right")
    table.add_column("")
    for one in found.verdicts:
        ratio = ratio_text(one.estimate.value, one.estimate.low, one.estimate.high) if one.estimate else NONE
        further = NONE
        if one.prediction:
            further = "[" + ratio_text(one.prediction.value, one.prediction.low, one.prediction.high).partition("[")[2]
        word = one.verdict.text
        table.add_row(
            f"{one.datapath} ÷ {one.reference}", ", ".join(one.levels), one.metric.value, ratio, further, _between(one),
            p_text(one.p) if one.p is not None else NONE, f"[{_STYLES.get(one.verdict.value, 'dim')}]{word}[/]",
        )  # fmt: skip
    return table


def _between(one: CombinedVerdict) -> str:
    if one.between is None:
        return NONE
    return f"{one.between:.2g} points" if one.is_difference else percent_text(one.between)
