"""The matrix of traits as a table for the terminal, and as one for docs/datapaths/traits.md."""

import textwrap
from itertools import groupby

from rich import box
from rich.markup import escape
from rich.table import Table

from domain.trials.traits import MARKS, Answer, TraitMatrix

BEGIN, END = "<!-- matrix: begin, by make matrix DOCS=1 -->", "<!-- matrix: end -->"
_README_WIDTH = 128
_STYLES = {Answer.YES: "bold", Answer.NO: "default", Answer.ERROR: "red"}


def terminal_table(matrix: TraitMatrix) -> Table:
    """A row for each datapath, grouped by function; a column for each trait."""
    table = Table(box=box.SIMPLE, padding=(0, 0, 0, 1), caption=escape(made_of(matrix)))
    table.add_column("", no_wrap=True)
    for trait in matrix.traits:
        table.add_column(trait.title, min_width=max(map(len, trait.title.split())))
    for function, rows in groupby(matrix.rows, key=lambda row: row.function):
        table.add_section()
        table.add_row(f"[dim]{function}[/]")
        for row in rows:
            answers = [row.findings[trait.name].answer for trait in matrix.traits]
            cells = [f"[{_STYLES.get(answer, 'dim')}]{MARKS[answer]}[/]" for answer in answers]
            table.add_row(f" {row.datapath}", *cells)
    return table


def evidence_table(matrix: TraitMatrix) -> Table:
    """A line of evidence for each cell."""
    table = Table("", "", "", "evidence", box=box.SIMPLE, padding=(0, 0, 0, 1))
    for row in matrix.rows:
        for trait in matrix.traits:
            found = row.findings[trait.name]
            table.add_row(row.datapath, trait.title, MARKS[found.answer], escape(found.evidence))
        table.add_section()
    return table


def markdown(matrix: TraitMatrix) -> str:
    """The matrix as a Markdown table, with what each column tests and the evidence of errors."""
    heads = ["datapath", *(trait.title for trait in matrix.traits)]
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    for row in matrix.rows:
        cells = [MARKS[row.findings[trait.name].answer] for trait in matrix.traits]
        lines.append(f"| {' | '.join([f'`{row.datapath}`', *cells])} |")
    lines += ["", f"{made_of(matrix)}. What is tested:", ""]
    lines += [_item(f"*{trait.title}*: {trait.summary}") for trait in matrix.traits]
    errors = [
        _item(f"`{row.datapath}`, {trait.title}: {row.findings[trait.name].evidence}")
        for row in matrix.rows
        for trait in matrix.traits
        if row.findings[trait.name].answer is Answer.ERROR
    ]
    return "\n".join([*lines, *(["", "Tests that broke:", "", *errors] if errors else [])])


def _item(text: str) -> str:
    return textwrap.fill(f"- {text}", _README_WIDTH, subsequent_indent="  ", break_long_words=False)


def made_of(matrix: TraitMatrix) -> str:
    """The kernel, date and version of the tests."""
    return (
        f"Found on Linux {matrix.kernel}, {matrix.measured_at:%Y-%m-%d}, by Showdown {matrix.version} "
        f"({matrix.commit}) in {matrix.duration_s:.0f} s"
    )


def with_matrix(document: str, matrix: TraitMatrix) -> str:
    """The document with the text between the marks replaced. Raises ``ValueError`` if it has no marks."""
    if document.count(BEGIN) != 1 or document.count(END) != 1:
        raise ValueError(f"no place for the matrix: {BEGIN} and {END} must each occur once")
    head, tail = document.split(BEGIN)[0], document.split(END)[1]
    return f"{head}{BEGIN}\n\n{markdown(matrix)}\n\n{END}{tail}"
