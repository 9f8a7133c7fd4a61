"""Files of a report: JUnit XML and Markdown for CI, or all formats. They are written whole or not at all."""

import functools
import io
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import click
from pydantic import ValidationError
from rich.console import Console

from deploy.cli.errors import CommandError, UsageProblem
from deploy.cli.shown.render import print_report
from domain.campaigns.toml_text import submitted_toml
from domain.reports.report import CampaignReport
from domain.reports.report_junit import junit_of
from domain.reports.report_markdown import markdown_of

_MODE = 0o644
_TEXT_WIDTH = 120  # characters


@dataclass(frozen=True)
class ResultFiles:
    """Where a report goes besides standard output."""

    junit: Path | None = None
    markdown: Path | None = None
    out: Path | None = None  # a directory for all formats

    @property
    def wanted(self) -> tuple[tuple[Path, Callable[[CampaignReport], str]], ...]:
        """The files that were asked for, and what fills them."""
        both = ((self.junit, junit_of), (self.markdown, markdown_of))
        named = tuple((path, content) for path, content in both if path is not None)
        return named if self.out is None else (*named, *((self.out / name, content) for name, content in _FORMATS))

    def check(self) -> None:
        """Raises :class:`UsageProblem` if a file cannot be written, before minutes are spent on its content."""
        if self.out is not None:
            try:
                self.out.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise UsageProblem(f"{self.out} cannot be made: {error.strerror}") from error
        for path, _ in self.wanted:
            if _is_special(path):
                continue
            if not os.access(_target(path).parent, os.W_OK | os.X_OK):
                raise UsageProblem(f"{path} cannot be written: make the directory {path.parent}, or choose another")

    def write(self, report: CampaignReport) -> None:
        """Write the files of a campaign that measured something. Raises :class:`CommandError`."""
        if self.junit is not None and not report.expectations:
            click.echo(f"{self.junit} has no test cases: the campaign has no expectations", err=True)
        measured = has_results(report)
        for path, content in self.wanted:
            if path != self.junit and _lacks(report, content):
                continue
            if not measured:
                click.echo(f"{path} is not written: the campaign has no results", err=True)
                continue
            try:
                _write(path, content(report))
            except OSError as error:
                raise CommandError(f"{path} cannot be written: {error.strerror}") from error
            except ValidationError:
                click.echo(f"{path} is not written: the report is of a version with other campaigns", err=True)


def result_files_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command ``--out``, ``--junit`` and ``--markdown`` as one argument ``files``, checked before it runs."""
    path = click.Path(dir_okay=False, path_type=Path)

    @click.option(
        "--out",
        type=click.Path(file_okay=False, path_type=Path),
        metavar="DIR",
        help="Keep everything in DIR: report.json, .txt, .md and .html, campaign.toml, CSV tables, junit.xml, "
        "a signed bundle, every trial, HDR logs.",
    )
    @click.option("--junit", type=path, metavar="FILE", help="Write the expectations as JUnit XML, too.")
    @click.option("--markdown", type=path, metavar="FILE", help="Write a summary in GitHub's Markdown, too.")
    @functools.wraps(command)
    def with_files(*arguments: Any, junit: Path | None, markdown: Path | None, out: Path | None, **options: Any) -> Any:
        files = ResultFiles(junit, markdown, out)
        files.check()
        return command(*arguments, files=files, **options)

    return with_files


def has_results(report: CampaignReport) -> bool:
    """True if the campaign measured something."""
    return any(cell.valid_trials or cell.invalid_trials for cell in report.results)


def _lacks(report: CampaignReport, content: Callable[[CampaignReport], str]) -> bool:
    """True for the format of all that such a report does not have."""
    return (content is junit_of and not report.expectations) or (
        content is _toml_of and not {"campaign", "id", "seed"} <= set(report.campaign)
    )


def _toml_of(report: CampaignReport) -> str:
    return submitted_toml(report.campaign)


def _json_of(report: CampaignReport) -> str:
    return report.model_dump_json(indent=2) + "\n"


def _text_of(report: CampaignReport) -> str:
    console = Console(file=io.StringIO(), width=_TEXT_WIDTH, force_terminal=False, no_color=True)
    print_report(report, console)
    return str(console.file.getvalue())  # type: ignore[attr-defined]


_FORMATS: tuple[tuple[str, Callable[[CampaignReport], str]], ...] = (
    ("report.json", _json_of),
    ("report.txt", _text_of),
    ("report.md", markdown_of),
    ("junit.xml", junit_of),
    ("campaign.toml", _toml_of),
)


def _write(path: Path, text: str) -> None:
    replace_file(path, lambda file: file.write(text.encode("utf-8", errors="replace")))


def replace_file(path: Path, fill: Callable[[IO[bytes]], object]) -> None:
    """A reader sees the former file or the whole new one. Raises ``OSError``, and what ``fill`` raises."""
    if _is_special(path):  # such as /dev/stdout: replacing it would destroy it
        with path.open("wb") as special:
            fill(special)
        return
    target = _target(path)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            fill(file)
        os.chmod(name, _MODE)
        os.replace(name, target)
    except BaseException:
        with suppress(OSError):
            os.unlink(name)
        raise


def _is_special(path: Path) -> bool:
    return path.exists() and not path.is_file()


def _target(path: Path) -> Path:
    return Path(os.path.realpath(path))
