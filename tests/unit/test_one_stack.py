"""The files that use the shared stack are one unit of a run; all others are units by themselves."""

import ast
from pathlib import Path

import pytest

from tests import ROOT
from tests.one_stack import ON_THE_STACK, STACK, OneStack, scheduler, unit_of

E2E = ROOT / "tests" / "e2e"


def uses_the_stack(file: Path) -> bool:
    """Whether a test or fixture of the file takes the fixture ``running``."""
    functions = [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.FunctionDef)]
    return any(
        "running" in {one.arg for one in node.args.args}
        for node in functions
        if node.name.startswith("test_") or any("fixture" in ast.unparse(one) for one in node.decorator_list)
    )


def test_every_file_that_uses_the_stack_is_named() -> None:
    assert {f"tests/e2e/{file.name}" for file in E2E.glob("test_*.py") if uses_the_stack(file)} == ON_THE_STACK


def test_they_are_one_unit() -> None:
    assert {unit_of(f"{file}::test_it[a::b]") for file in ON_THE_STACK} == {STACK}
    assert unit_of("tests/e2e/test_influx.py::test_it") == "tests/e2e/test_influx.py"


@pytest.mark.parametrize(("dist", "ours"), [("loadfile", True), ("load", False), ("no", False)])
def test_only_files_are_scheduled_so(dist: str, ours: bool) -> None:
    class Config:
        def getoption(self, _: str) -> str:
            return dist

        def getvalue(self, _: str) -> list[str]:
            return ["popen"]  # the processes of the run

    assert isinstance(scheduler(Config(), None), OneStack) is ours
