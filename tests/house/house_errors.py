"""What users read has no Python in it: texts name neither an exception's class nor its bare ``[Errno 2]``.

``error_text`` of domain/values/texts.py gives the words of an exception. Logs may name classes: developers read them.
"""

import ast
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.house.findings import ROOT, Finding, report, tracked

EXCEPTIONS: Mapping[str, str] = {
    "bpf/": "it imports nothing of ours, and its callers search the error's name in the text",
    "tests/": "developers read it",
    "domain/service/logs.py": "it writes lines of logs",
}
"""Beginnings of paths that are not checked, each with its reason."""

_CURE = "use error_text (domain/values/texts.py)"
_OF_THE_SYSTEM = frozenset(
    {
        "OSError",
        "Exception",
        "ConnectionError",
        "TimeoutError",
        "FileNotFoundError",
        "PermissionError",
        "FileExistsError",
    }
)


def findings(root: Path = ROOT) -> Iterator[Finding]:
    """Texts with raw errors in the files below ``root``."""
    for name in tracked(".py", root=root):
        if not name.startswith(tuple(EXCEPTIONS)):
            for line, what in raw_errors((root / name).read_text(encoding="utf-8")):
                yield Finding(name, line, what, _CURE)


def raw_errors(text: str) -> Iterator[tuple[int, str]]:
    """(line, what is wrong) of each text that has an exception's class, or an error of the system as it is."""
    tree = ast.parse(text)
    logged = {id(inner) for call in ast.walk(tree) if _is_log(call) for inner in ast.walk(call)}
    for node in ast.walk(tree):
        if isinstance(node, ast.FormattedValue) and id(node) not in logged and _is_class_name(node.value):
            yield node.lineno, "a text names the class of an exception"
        if isinstance(node, ast.ExceptHandler) and node.name and _catches_the_system(node):
            for inner in ast.walk(node):
                if id(inner) not in logged and _shows(inner, node.name):
                    yield inner.lineno, f"a text has {node.name!r} as it is"  # type: ignore[attr-defined]


def _is_log(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func).partition(".")[0] in {"log", "logging"}


def _is_class_name(node: ast.expr) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "__name__" and ast.unparse(node.value).startswith("type(")


def _catches_the_system(node: ast.ExceptHandler) -> bool:
    caught = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
    names = [ast.unparse(one) for one in caught if one]
    return any(name in _OF_THE_SYSTEM or name.startswith("httpx.") for name in names)


def _shows(node: ast.AST, error: str) -> bool:
    """Whether a text shows the exception ``error``: ``{error}`` or ``str(error)``."""
    if isinstance(node, ast.FormattedValue):
        return isinstance(node.value, ast.Name) and node.value.id == error
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "str":
        return len(node.args) == 1 and isinstance(node.args[0], ast.Name) and node.args[0].id == error
    return False


if __name__ == "__main__":
    sys.exit(report(findings()))
