"""The table of known truths: one row for each cause, with what was found of it. Pure, but for printing."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field


@dataclass(frozen=True)
class Row:
    """A cause of known size, and what the product's analysis found.

    ``value`` with ``low`` and ``high`` is what was found; if it is ``None``, ``instead`` says what else is known.
    ``found`` says whether the truth is in it; ``None`` where there is no truth to find, as for the power.
    """

    part: str
    cause: str
    known: float | None
    value: float | None
    low: float | None = None
    high: float | None = None
    unit: str = ""
    found: bool | None = None
    note: str = ""
    instead: str = "not measured"

    @property
    def cells(self) -> tuple[str, str, str, str, str]:
        """Cause, truth, finding, verdict, note."""
        known = "" if self.known is None else f"{digits(self.known)} {self.unit}".rstrip()
        verdict = {None: "", True: "yes", False: "no"}[self.found]
        return self.cause, known, self.finding, verdict, self.note

    @property
    def finding(self) -> str:
        """``21.6 µs [20.9, 22.3]``."""
        if self.value is None:
            return self.instead
        bounds = "" if self.low is None or self.high is None else f" [{digits(self.low)}, {digits(self.high)}]"
        return f"{digits(self.value)}{' ' * bool(self.unit)}{self.unit}{bounds}"


def digits(value: float) -> str:
    """Three significant digits, and never fewer than those before the point."""
    if value == 0:
        return "0"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


HEAD = ("cause", "known", "measured [95 %]", "found", "")
WIDTHS = (54, 13, 30, 5)


@dataclass
class Table:
    """Rows in their order; each part is printed as soon as it is known, and the whole at the end."""

    rows: list[Row] = field(default_factory=list)
    facts: dict[str, float] = field(default_factory=dict)

    def add(self, rows: Iterable[Row]) -> None:
        """Keep the rows, and print them."""
        for row in rows:
            self.rows.append(row)
            print(f"  {line(row.cells)}", flush=True)

    @property
    def text(self) -> str:
        """The table for people."""
        lines, part = [line(HEAD), "-" * (sum(WIDTHS) + 2 * len(WIDTHS))], ""
        for row in self.rows:
            if row.part != part:
                part = row.part
                lines.append(f"{part}:")
            lines.append(line((f"  {row.cells[0]}", *row.cells[1:])))
        return "\n".join(lines)

    @property
    def found(self) -> int:
        """How many of the known truths were found."""
        return sum(row.found is True for row in self.rows)

    @property
    def judged(self) -> int:
        """How many rows have a truth to find."""
        return sum(row.found is not None for row in self.rows)

    def json(self) -> str:
        """One line for programs."""
        goals: dict[str, bool] = {}
        for row in self.rows:
            if row.found is not None:
                goals[row.part] = goals.get(row.part, True) and row.found
        return json.dumps({"rows": [asdict(row) for row in self.rows], "goals_met": goals, "facts": self.facts})


def line(cells: Iterable[str]) -> str:
    """Cells side by side."""
    padded = [cell.ljust(width) for cell, width in zip(cells, (*WIDTHS, 0), strict=True)]
    return "  ".join(padded).rstrip()
