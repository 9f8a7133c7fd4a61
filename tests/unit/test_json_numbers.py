"""No JSON is written with NaN or Infinity, which other readers refuse: every call of json.dumps forbids them."""

import ast
from pathlib import Path

import pytest

from coordinator.api.codec import StrictJson

ROOT = Path(__file__).parents[2]
ROOMS = ("coordinator", "domain", "dashboards", "deploy")


def careless(source: str) -> list[int]:
    """The lines of calls of ``json.dumps`` or ``json.dump`` without ``allow_nan=False``."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("dumps", "dump")
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "json"
        and not any(
            word.arg == "allow_nan" and isinstance(word.value, ast.Constant) and word.value.value is False
            for word in node.keywords
        )
    ]


@pytest.mark.parametrize("room", ROOMS)
def test_every_call_forbids_numbers_that_are_not_finite(room: str) -> None:
    files = [path for path in (ROOT / room).rglob("*.py") if "migrations" not in path.parts]
    assert {str(path): lines for path in files if (lines := careless(path.read_text()))} == {}
    assert careless("import json\njson.dumps(x)\njson.dumps(x, allow_nan=True)\njson.dumps(x, allow_nan=False)") == [
        2,
        3,
    ]


def test_an_answer_with_infinity_is_an_error_and_no_broken_json() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        StrictJson.dumps(StrictJson.__new__(StrictJson), {"rate": float("inf")})
