"""The level builder: a row with a type, a value and a condition instead of ``closed(64) under conntrack``. Pure.

A row is text as typed. What the types cannot say is written whole, with the type *as written*.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import zip_longest

from werkzeug.datastructures import MultiDict

AS_WRITTEN = "text"
_UNDER = re.compile(r"^(.*?)\s+under\s+(.*)$")


@dataclass(frozen=True)
class Kind:
    """A type of load: how it is written around its value, and which values can be read back."""

    name: str
    label: str
    example: str
    form: str = "{}"
    value: str = r"\d+"
    unit: str = ""

    def read(self, load: str) -> str | None:
        """The value of a load of this type."""
        before, after = self.form.split("{}")
        found = re.fullmatch(rf"{re.escape(before)}({self.value}){re.escape(after)}", load)
        return found[1] if found else None


KINDS = (
    Kind("closed", "closed loop: connections", "64", "closed({})"),
    Kind("open", "open loop: requests/s", "20000", "open({})"),
    Kind("share", "open loop: % of capacity", "25", "open({}%)", unit="%"),
    Kind("capacity", "capacity within p99 of … ms", "5", "capacity(p99<={}ms)", unit="ms"),
    Kind("ramp", "open loop, rising: from..to", "1000..20000", "open({}, ramp)", r"\d+\.\.\d+"),
    Kind("steps", "open loop, in steps: rates", "1000, 5000, 20000", "open({}, steps)", r"\d+(?:, ?\d+)+"),
    Kind(AS_WRITTEN, "as written", "open(25%, constant)", value=r".*"),
)
_BY_NAME: Mapping[str, Kind] = {kind.name: kind for kind in KINDS}


@dataclass(frozen=True)
class LevelRow:
    """One row of the builder, as typed."""

    name: str = ""
    kind: str = KINDS[0].name
    value: str = ""
    condition: str = ""

    @property
    def load(self) -> str:
        """The load as a campaign has it. A value with a bracket is a whole load already."""
        if not self.value:
            return ""
        kind = _BY_NAME.get(self.kind, _BY_NAME[AS_WRITTEN])
        bare = self.value if "(" in self.value else kind.form.format(self.value.removesuffix(kind.unit).rstrip())
        return f"{bare} under {self.condition}" if self.condition else bare

    @property
    def is_empty(self) -> bool:
        """True if nothing was typed: such rows do not count."""
        return not (self.name or self.value or self.condition)


def row_of(name: str, load: str) -> LevelRow:
    """The row of a campaign's level."""
    under = _UNDER.match(load)
    bare, condition = under.groups() if under else (load, "")
    for kind in KINDS:
        if (value := kind.read(bare)) is not None:
            return LevelRow(name, kind.name, value, condition)
    return LevelRow(name, AS_WRITTEN, bare, condition)


def rows_of(form: MultiDict[str, str]) -> Iterator[LevelRow]:
    """The rows of a form that came in; without types, as another program sends it, loads are as written."""
    columns = [form.getlist(f"level_{name}") for name in ("name", "kind", "load", "condition")]
    for name, kind, value, condition in zip_longest(*columns, fillvalue=""):
        row = LevelRow(name.strip(), kind if kind in _BY_NAME else AS_WRITTEN, value.strip(), condition.strip())
        if not row.is_empty:
            yield row
