"""A campaign's report as GitHub-flavoured Markdown, for the summary of a CI job. Pure."""

import re
from collections.abc import Iterable, Iterator, Sequence

from domain.reports.answer import MARK, Answer, Column
from domain.reports.figure_tables import figure_tables
from domain.reports.gate import counts_text, worst
from domain.reports.outcome import outcome_line, state_text
from domain.reports.report import CampaignReport, CellResult, Family, Percentiles
from domain.trials.failures import invalid_total
from domain.values.texts import optional_text

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>()#+!|~&$-])")
_FIGURES = ("requests/s", "capacity/s", "CPU µs/request", "p50 µs", "p99 µs", "valid trials")


def markdown_of(report: CampaignReport) -> str:
    """The outcomes of campaign and gate, every check, the answer, the primary verdicts, and each cell's figures."""
    facts = report.campaign
    outcome = worst(report.expectations)
    title = [_escaped(facts.get("name") or "campaign"), _escaped(state_text(facts))]
    title += [f"**{outcome.value}**"] if outcome else []
    parts = [f"## {' · '.join(filter(None, title))}", _facts(report), _escaped(outcome_line(facts))]
    if report.expectations:
        rows = ((f"**{one.outcome.value}**", f"{_code(one.name)}: {_code(one.expression)}", _escaped(one.sentence))
                for one in report.expectations)  # fmt: skip
        parts += ["### Expectations", f"{counts_text(report.expectations)}, judged on 95 % intervals."]
        parts += [_table(("outcome", "expectation", "measured"), rows)]
    parts += list(_answer(report.answer)) if report.answer else []
    parts += [f"**{_escaped(report.left_out)}**" if report.left_out else ""]
    parts += [f"Scope of all results: {_escaped(report.answer.scope.text)}." if report.answer else ""]
    sentences = [one.sentence for one in report.verdicts if one.family is Family.PRIMARY and one.has_enough_pairs]
    if sentences:
        parts += ["### Verdicts", "\n".join(f"- {_escaped(sentence)}" for sentence in sentences)]
    for workload in dict.fromkeys(cell.workload for cell in report.results):
        cells = [cell for cell in report.results if cell.workload == workload]
        parts += [f"### {_escaped(workload)}", _table(("level", "datapath", *_FIGURES), map(_row, cells))]
    parts += list(_declared(report))
    parts += ["\n".join(f"- {_escaped(one.sentence)}" for one in report.tolerated_attacks)]
    return "\n\n".join(filter(None, parts)) + "\n"


def _answer(answer: Answer) -> Iterator[str]:
    """The sentences, or why there is none; the table; what its marks mean, and what else is judged."""
    yield from (f"- **{one.topic.value}**: {_escaped(one.sentence)}" for one in answer.statements)
    yield f"- **no answer**: {_escaped(answer.missing)}" if answer.missing else ""
    if answer.columns:
        several = len({row.workload for row in answer.rows}) > 1
        rows = (
            (
                _code(f"{row.name}, {row.workload}" if several else row.name),
                *(_escaped(f"{one.text}{MARK * one.noted}") for one in row.entries),
            )
            for row in answer.rows
        )
        yield _table(("", *map(_over, answer.columns)), rows)
    yield _escaped(f"{MARK} {answer.note}") if answer.note else ""
    yield _escaped(answer.further)


def _over(column: Column) -> str:
    """The heading of a column: its level, load and figure."""
    return f"{_escaped(column.level)} {_code(column.load)} {_escaped(column.figure)}"


def _declared(report: CampaignReport) -> Iterator[str]:
    for found in figure_tables(report.figures):
        yield f"### {_escaped(found.workload)}, {_escaped(found.level)}: figures of the workload"
        rows = (
            (_code(row.label), *(_escaped("; ".join(filter(None, one))) for one in row.figures)) for row in found.rows
        )
        yield _table(("datapath", *map(_escaped, found.heads)), rows)


def _facts(report: CampaignReport) -> str:
    known = [
        f"{name} {_code(report.campaign[name])}" for name in ("id", "seed") if report.campaign.get(name) is not None
    ]
    invalid = f"{invalid_total(report)} invalid trials" if report.invalid else ""
    return ", ".join(filter(None, [f"Campaign {', '.join(known)}" if known else "", invalid]))


def _row(cell: CellResult) -> tuple[str, ...]:
    times: Percentiles | None = cell.latency_us or cell.service_time_us
    p50 = cell.latency_p50_us if cell.open_loop else times.p50 if times else None
    p99 = cell.latency_p99_us if cell.open_loop else times.p99 if times else None
    count = f"{cell.valid_trials} of {cell.valid_trials + cell.invalid_trials}"
    return (
        f"{_escaped(cell.level)} {_code(cell.load)}",
        _code(cell.datapath),
        optional_text(cell.requests_per_s),
        optional_text(cell.slo_capacity_per_s),
        optional_text(cell.cpu_us_per_request, 1),
        optional_text(p50),
        optional_text(p99),
        f"{count} ({_escaped(cell.invalid_for)})" if cell.invalid_for else count,
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _escaped(value: object) -> str:
    """Text that no Markdown is read into, on one line."""
    return _SPECIAL.sub(r"\\\1", " ".join(str(value).split()))


def _code(value: object) -> str:
    """Text as code. A fence must be longer than the backticks in it, and a table ends its cell at any bare bar."""
    text = " ".join(str(value).split())
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence, space = "`" * (longest + 1), " " if longest else ""
    return f"{fence}{space}{text}{space}{fence}".replace("|", r"\|")
