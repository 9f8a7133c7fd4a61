"""The thresholds of the method: each constant's value and place, read from the source by its name."""

import ast
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from docs.generator.blocks import BlockError
from docs.generator.tables import table

ROOT = Path(__file__).resolve().parent.parent.parent
ROOMS = ("domain", "coordinator", "workers", "probes")
VARIANTS = frozenset(
    ROOT / place for place in ("workers/datapaths", "workers/traits", "workers/workloads", "probes/catalog")
)
"""Folders whose files hold no threshold of the method, so that a new variant names its constants freely."""
_LIST = Path(__file__).with_name("thresholds.toml")


def thresholds_table(section: str) -> str:
    """The thresholds of one section: what is compared, with which value, from where."""
    rows = [
        (
            row["what"],
            f"{_value(row)}{row.get('unit', '')}",
            f"`{_place(row).name}` in `{_place(row).path}`",
            row["why"],
        )
        for row in sections()[section]
    ]
    return table(("what", "value", "constant", "why this value"), rows)


class Constant:
    """A module-level assignment of a number."""

    def __init__(self, name: str, path: str, value: ast.expr) -> None:
        self.name, self.path, self._value = name, path, value

    @property
    def value(self) -> float:
        """Its number. Raises :class:`BlockError` for anything but arithmetic on numbers."""
        expression = ast.Expression(self._value)
        if any(isinstance(node, (ast.Call, ast.Name, ast.Attribute)) for node in ast.walk(expression)):
            raise BlockError(f"{self.path}: {self.name} is no plain number")
        number: float = eval(compile(expression, self.path, "eval"), {"__builtins__": {}})  # noqa: S307 (our source)
        return number


def _value(row: Mapping[str, Any]) -> str:
    number = _place(row).value * row.get("times", 1)
    return f"{number:,.10g}"


def _place(row: Mapping[str, Any]) -> Constant:
    names = row["constant"] if isinstance(row["constant"], list) else [row["constant"]]
    room = row.get("room", "")
    found = [one for name in names for one in _constants().get(name, ()) if one.path.startswith(room)]
    if len(found) != 1:
        places = ", ".join(one.path for one in found) or "nowhere"
        raise BlockError(f"{_LIST.name}: {' or '.join(names)} must be defined once, is defined in {places}")
    return found[0]


@cache
def sections() -> Mapping[str, list[dict[str, Any]]]:
    return tomllib.loads(_LIST.read_text())


@cache
def _constants() -> Mapping[str, list[Constant]]:
    found: dict[str, list[Constant]] = {}
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            if path.parent not in VARIANTS or path.stem == "base":
                for constant in _assigned(path):
                    found.setdefault(constant.name, []).append(constant)
    return found


def _assigned(path: Path) -> Iterator[Constant]:
    where = str(path.relative_to(ROOT))
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            yield from _pairs(where, node.targets[0], node.value)
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            yield from _pairs(where, node.target, node.value)


def _pairs(where: str, target: ast.expr, value: ast.expr) -> Iterator[Constant]:
    if isinstance(target, ast.Name):
        yield Constant(target.id, where, value)
    elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        for one, its in zip(target.elts, value.elts, strict=True):
            yield from _pairs(where, one, its)
