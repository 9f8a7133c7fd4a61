"""A campaign's answer on one screen: at most 40 lines of 100 columns. The whole report is printed on request."""

from collections.abc import Iterable, Sequence
from itertools import groupby

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from deploy.cli.shown.expectations import STYLES
from deploy.cli.shown.render import headline, print_report
from domain.reports.answer import MARK, Answer, Column, Entry, Row
from domain.reports.gate import Outcome, counts_text
from domain.reports.outcome import outcome_line
from domain.reports.report import CampaignReport
from domain.trials.failures import counts_of
from domain.trials.trial import Reason

MOST_LINES = 40
MOST_WIDTH = 100
MOST_CHECKS = 4  # expectations that do not pass
_GAP = "  "


def print_answer(report: CampaignReport, console: Console, *, rest: str) -> None:
    """Print the answer; ``rest`` says where the whole report is. A report without an answer is printed whole."""
    if report.answer is None:
        print_report(report, console)
        return
    if not console.is_terminal or console.width > MOST_WIDTH:
        console.width = MOST_WIDTH
    above, below = _above(report, report.answer), list(_below(report, report.answer, rest))
    taken = sum(len(console.render_lines(_renderable(one), pad=False)) for one in (*above, *below))
    taken += len(report.expectations) + 2 * bool(report.expectations)
    for one in above:
        console.print(one, highlight=False)
    for line in table_lines(report.answer, console.width, MOST_LINES - taken - 2):
        console.print(line, highlight=False, no_wrap=True, overflow="crop")
    for one in below:
        console.print(one, highlight=False)


def _renderable(one: str | Table) -> str | Table:
    return one or " "


def _above(report: CampaignReport, answer: Answer) -> list[str | Table]:
    sentences = Table.grid(padding=(0, 2, 0, 0))
    sentences.add_column(no_wrap=True, style="bold")
    sentences.add_column()
    for statement in answer.statements:
        sentences.add_row(statement.topic.value, escape(statement.sentence))
    if answer.missing:
        sentences.add_row("no answer", escape(answer.missing))
    line = _cut(outcome_line(report.campaign), 2 * MOST_WIDTH)
    return [headline(report), *([escape(line)] if line else []), "", sentences, ""]


def _below(report: CampaignReport, answer: Answer, rest: str) -> Iterable[str]:
    yield ""
    if answer.note:
        yield escape(f"{MARK} {answer.note}")
    if answer.further:
        yield escape(answer.further)
    yield from _gate(report)
    if report.left_out:
        yield f"[bold red]{escape(report.left_out)}[/bold red]"
    # That a datapath is overloaded is a result: the table and a sentence say so.
    if count := sum(one.trials for one in counts_of(report) if set(one.reasons) != {Reason.OVERLOADED}):
        yield f"{count} invalid {'trial is' if count == 1 else 'trials are'} not analysed; the whole report says why."
    yield f"[bold]Scope[/bold]: {escape(answer.scope.text)}."
    yield escape(rest)


def _gate(report: CampaignReport) -> Iterable[str]:
    """How many expectations have which outcome, and the first that do not pass, each cut to one line."""
    if not report.expectations:
        return
    yield f"[bold]Expectations[/bold]: {counts_text(report.expectations)}"
    open_ones = [check for check in report.expectations if check.outcome is not Outcome.PASS]
    for check in open_ones[:MOST_CHECKS]:
        style = STYLES[check.outcome]
        measured_first = f"{check.name} {check.sentence} (expected: {check.expression})"
        line = _cut(measured_first, MOST_WIDTH - len(f"  {check.outcome.value}  "))
        yield f"  [{style}]{check.outcome.value}[/{style}]  {escape(line)}"
    if len(open_ones) > MOST_CHECKS:
        yield f"  and {len(open_ones) - MOST_CHECKS} more that do not pass"


def table_lines(answer: Answer, width: int, most_lines: int) -> list[str]:
    """The table as lines with markup: as many levels as fit into ``width``, and rows into ``most_lines``."""
    names = [_name(row, answer) for row in answer.rows]
    first = max(map(len, names), default=0)
    spans, widths = _fitting(answer, width - first - 1)
    shown = [index for span in spans for index in span]
    if not shown:
        return []
    heads = [("bold", [_over(answer, span, widths, field) for span in spans]) for field in ("level", "load")]
    heads.append(("dim", [answer.columns[index].figure.rjust(widths[index]) for index in shown]))
    lines = [_line("", first, texts, style) for style, texts in heads]
    hidden = list(dict.fromkeys(one.level for index, one in enumerate(answer.columns) if index not in shown))
    room = most_lines - len(lines) - bool(hidden)
    rows = answer.rows if len(answer.rows) <= room else answer.rows[: max(0, room - 1)]
    for name, row in zip(names, rows, strict=False):
        texts = [_text(row.entries[index]).rjust(widths[index]) for index in shown]
        lines.append(_line(name, first, texts, "dim" if row.is_price else ""))
    if left := len(answer.rows) - len(rows):
        lines.append(f"[dim]… and {left} more rows in the whole report[/dim]")
    if hidden:
        text = f"no room for the level{'s' * (len(hidden) > 1)} {', '.join(hidden)}"
        lines.append(f"[dim]{_cut(text, width)}[/dim]")
    return lines


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _name(row: Row, answer: Answer) -> str:
    several = len({one.workload for one in answer.rows}) > 1
    return f"{row.name}, {row.workload}" if several else row.name


def _fitting(answer: Answer, width: int) -> tuple[list[list[int]], list[int]]:
    """The columns of each level that fits, and the widths of all columns."""
    widths = [
        max(len(column.figure), *(len(_text(row.entries[index])) for row in answer.rows), 0)
        for index, column in enumerate(answer.columns)
    ]
    spans: list[list[int]] = []
    for _, group in groupby(range(len(answer.columns)), key=lambda index: answer.columns[index].level):
        span = list(group)
        need = max(len(answer.columns[span[0]].level), len(answer.columns[span[0]].load))
        widths[span[0]] += max(0, need - _span_width(span, widths))
        if sum(_span_width(one, widths) + len(_GAP) for one in (*spans, span)) <= width:
            spans.append(span)
    return spans, widths


def _span_width(span: Sequence[int], widths: Sequence[int]) -> int:
    return sum(widths[index] for index in span) + len(_GAP) * (len(span) - 1)


def _over(answer: Answer, span: Sequence[int], widths: Sequence[int], field: str) -> str:
    """A heading over all columns of a level."""
    column: Column = answer.columns[span[0]]
    return str(getattr(column, field)).rjust(_span_width(span, widths))


def _text(entry: Entry) -> str:
    return entry.text + MARK * entry.noted


def _line(name: str, first: int, texts: Sequence[str], style: str) -> str:
    text = escape(f"{name:<{first}}{_GAP}{_GAP.join(texts)}".rstrip())
    return f"[{style}]{text}[/{style}]" if style else text
