"""Output of commands: JSON or a table on standard output, everything else on standard error."""

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from deploy.cli.errors import CampaignInvalid, ExitCode, UsageProblem
from deploy.cli.files.result_files import ResultFiles
from deploy.cli.shown.answer import print_answer
from deploy.cli.shown.render import lost_cells, print_report
from domain.campaigns.campaign import read_campaign_toml
from domain.reports.gate import Outcome, worst
from domain.reports.report import CampaignReport
from domain.values.problems import InvalidInput, Problem
from domain.values.toml_lines import line_of

NO_FILES = ResultFiles()
_HAS_LINE = "(at line"  # in the messages of the TOML parser
_OUTCOMES = {
    Outcome.PASS: ExitCode.OK,
    Outcome.FAIL: ExitCode.EXPECTATION_FAILED,
    Outcome.UNDECIDED: ExitCode.UNDECIDED,
}

json_option: Callable[[Callable[..., Any]], Callable[..., Any]] = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object instead."
)
full_option: Callable[[Callable[..., Any]], Callable[..., Any]] = click.option(
    "--full", is_flag=True, help="Print the whole report instead of the answer."
)
campaign_argument: Callable[[Callable[..., Any]], Callable[..., Any]] = click.argument(
    "campaign", type=click.Path(exists=True, dir_okay=False, path_type=Path)
)


def read_text(path: Path) -> str:
    """The text of a file. Raises :class:`UsageProblem`."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UsageProblem(f"{path} is not text: {error}") from error
    except OSError as error:
        raise UsageProblem(f"{path} cannot be read: {error.strerror}") from error


def read_campaign_file(path: Path) -> str:
    """The text of a file with a valid campaign. Raises :class:`CampaignInvalid` or :class:`UsageProblem`."""
    text = read_text(path)
    try:
        read_campaign_toml(text)
    except InvalidInput as error:
        raise CampaignInvalid(located(text, error.problems), f"{path} is not a valid campaign") from error
    return text


def located(text: str, problems: Iterable[Problem]) -> list[Problem]:
    """The problems of a TOML text with the numbers of their lines, in the order of the lines."""
    lines = {problem: line_of(text, problem) for problem in problems}
    ordered = sorted(lines.items(), key=lambda pair: pair[1] or 0)
    return [one if line is None or _HAS_LINE in one.message else _at(one, line) for one, line in ordered]


@contextmanager
def lines_of(path: Path, text: str) -> Iterator[None]:
    """Give the problems of a refused campaign the name and the lines of its file."""
    try:
        yield
    except CampaignInvalid as refused:
        if not refused.problems:
            raise
        raise CampaignInvalid(located(text, refused.problems), f"{path} was refused") from refused


def _at(problem: Problem, line: int) -> Problem:
    return Problem(field=problem.field, message=f"{problem.message} (line {line})")


def print_json(data: object) -> None:
    """One JSON object on standard output."""
    click.echo(json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False))


def finish(report: CampaignReport, *, as_json: bool, full: bool, rest: str, files: ResultFiles = NO_FILES) -> ExitCode:
    """Print a report or its answer, write its files, and return the exit code; ``rest`` says where the report is."""
    if as_json:
        print_json(report.model_dump(mode="json"))
    elif full:
        print_report(report, Console())
    else:
        print_answer(report, Console(), rest=rest)
    files.write(report)
    code = exit_code_of(report)
    missing = lost_cells(report) if report.campaign.get("state") == "complete" else []
    if missing and not as_json:
        cells = ", ".join(f"{cell.datapath} at {cell.level}" for cell in missing)
        status = f": exit status {int(code)}" if code is ExitCode.INCOMPLETE else ""
        click.echo(f"Host noise or failures left no valid trial for {cells}{status}.", err=True)
    return code


def exit_code_of(report: CampaignReport) -> ExitCode:
    """Failed or cancelled; else as the expectations say; without any, whether each cell has a trial or its reason."""
    state = report.campaign.get("state")
    if state in ("failed", "cancelled"):
        return ExitCode.FAILED
    if (outcome := worst(report.expectations)) is not None:
        return _OUTCOMES[outcome]
    return ExitCode.INCOMPLETE if state == "complete" and lost_cells(report) else ExitCode.OK
