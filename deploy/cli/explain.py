"""The command ``explain``: what a reason against a trial means, and what to do."""

import difflib

import click
from rich.console import Console
from rich.table import Table

from deploy.cli.errors import UsageProblem
from deploy.cli.output import json_option, print_json
from domain.trials.reasons import EXPLANATIONS, is_retried
from domain.trials.trial import REASON_CLASSES, Reason


@click.command()
@click.argument("reason", required=False)
@json_option
def explain(reason: str | None, *, as_json: bool) -> None:
    """Explain REASON, for which a trial is invalid: overloaded, interference, steal… Without it, list all reasons."""
    chosen = sorted(Reason) if reason is None else [_reason(reason)]
    if as_json:
        print_json({"reasons": [_words(one) for one in chosen]})
    elif reason is None:
        table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
        for one in chosen:
            table.add_row(one.value, EXPLANATIONS[one].cause.replace("`", ""))
        Console().print(table, highlight=False)
    else:
        for name, text in _words(chosen[0]).items():
            click.echo(f"{name:<10} {text}")


def _words(reason: Reason) -> dict[str, str]:
    found = EXPLANATIONS[reason]
    retried = (
        "the block is measured again, up to three attempts" if is_retried(reason) else "the block is not measured again"
    )
    words = {
        "reason": reason.value,
        "class": REASON_CLASSES[reason].value,
        "meaning": found.meaning,
        "cause": found.cause,
        "remedy": found.remedy,
        "then": f"{retried}.",
    }
    return {name: text.replace("`", "") for name, text in words.items()}


def _reason(text: str) -> Reason:
    """The reason with that name, also if it is written with spaces or dashes. Raises :class:`UsageProblem`."""
    name = text.strip().lower().replace(" ", "_").replace("-", "_")
    if name in set(Reason):
        return Reason(name)
    close = difflib.get_close_matches(name, list(Reason), n=1)
    meant = f"did you mean {close[0]}?" if close else f"the reasons are {', '.join(sorted(Reason))}"
    raise UsageProblem(f"{text!r} is no reason; {meant}")
