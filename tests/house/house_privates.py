"""Tests use public interfaces: none names a private attribute, function or class of what it tests."""

import ast
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.house.findings import ROOT, Finding, report, tracked

EXCEPTIONS: Mapping[tuple[str, str], str] = {
    (
        "tests/unit/coordinator/analysis/kernel/test_why_same.py",
        "_interval",
    ): "it removes an adjustment, and so shows that its bound can fail",
    (
        "tests/unit/coordinator/kept_work.py",
        "_compile_builder",
    ): "werkzeug's, not ours: its result is kept for equal routes",
}
"""By file and name, each with its reason."""

PUBLIC = frozenset({"_exit", "_replace", "_asdict", "_fields"})
"""Names of the standard library that begin with an underscore for another reason."""

_PRIVATE = re.compile(r"_[A-Za-z]\w*")
_BY_NAME = frozenset({"setattr", "delattr", "getattr", "hasattr"})


def findings(root: Path = ROOT) -> Iterator[Finding]:
    """Private names in the tests below ``root``."""
    for name in tracked(".py", root=root):
        if name.startswith("tests/"):
            for line, private in sorted(private_names((root / name).read_text())):
                if (name, private) not in EXCEPTIONS:
                    yield Finding(name, line, f"{private} is private", "use what is public, or make it public")


def private_names(text: str) -> Iterator[tuple[int, str]]:
    """(line, name) of each private name of another module or object. Modules may have private names: fakes do."""
    for node in ast.walk(ast.parse(text)):
        found: list[str] = []
        line = getattr(node, "lineno", 0)
        if isinstance(node, ast.Attribute) and not _is_own(node.value):
            found = [node.attr]
        elif isinstance(node, ast.ImportFrom):
            found = [one.name for one in node.names] if node.module and not _holds_modules(node.module) else []
        elif isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in _BY_NAME:
            texts = [one.value for one in node.args[:2] if isinstance(one, ast.Constant)]
            found = [str(one).rpartition(".")[2] for one in texts]
        for one in found:
            if _PRIVATE.fullmatch(one) and one not in PUBLIC:
                yield line, one


def _is_own(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id in {"self", "cls"}


def _holds_modules(module: str) -> bool:
    """Whether a package is imported from, whose private names are modules."""
    return (ROOT / module.replace(".", "/")).is_dir()


if __name__ == "__main__":
    sys.exit(report(findings()))
