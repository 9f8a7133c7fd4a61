"""No source file has more than 300 lines, no function more than 40, and README.md not more than 150.

Functions are those of Python, C, JavaScript and shell. The function that wraps a whole script of a page is its module.
"""

import ast
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from re import Pattern

from tests.house.findings import ROOT, Finding, report, tracked

MAX_FILE_LINES = 300
MAX_FUNCTION_LINES = 40
MAX_README_LINES = 150  # a stranger reads it to its end

EXCEPTIONS: Mapping[str, str] = {
    "coordinator/store/migrations/versions/*": "a migration is one transaction, written once and never changed",
}
"""Paths whose functions may be longer, each with its reason."""

# Strings, comments and regular expressions of JavaScript, whose braces are none. A template's `${…}` has them in pairs.
_JS_TEXT = re.compile(
    r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'"
    r"|(?<=[=(,:!&|?;\[{}])\s*/(?![*/])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n\[])+/[a-z]*",
    re.DOTALL,
)
_JS_HEAD = re.compile(
    r"(?:(\w+)\s*=\s*)?(?:async\s+)?(?:\([^()]*\)|\w+)\s*=>\s*\{|\bfunction\s*(\w*)\s*\([^()]*\)\s*\{"
)
_JS_WRAPS = re.compile(r"(?:(?:const|let|var)\s+)?(?:[\w.]+\s*=\s*)?\(")  # what precedes it in the first column


@dataclass(frozen=True)
class _Braced:
    """A language whose functions begin in the first column, and end with a brace there."""

    head: Pattern[str]
    end: Pattern[str]
    other: Pattern[str]
    """What stands in the first column and belongs to no function whose head is above."""


_SHELL = _Braced(re.compile(r"(\w+)\s*\(\)\s*\{"), end=re.compile(r"\}"), other=re.compile(r"\}"))
# A function of C begins with its type and name. A brace that is followed by more ends a structure or a table.
_C = _Braced(
    re.compile(r"(?=[A-Za-z_])(?:\w+[\s*]+)*(\w+)\s*\("),
    end=re.compile(r"\}(?![; ])"),
    other=re.compile(r"[}#/;]|[^\t ].*;$"),  # the others are directives, comments and declarations
)


def findings(root: Path = ROOT) -> Iterator[Finding]:
    """Files and functions that are too long."""
    readme = root / "README.md"
    if readme.exists() and (lines := readme.read_text().count("\n")) > MAX_README_LINES:
        yield Finding(
            readme.name, 1, f"the file has {lines} lines", f"move a part to docs/; at most {MAX_README_LINES}"
        )
    for name in tracked(".py", ".c", ".h", ".js", ".sh", root=root):
        text = (root / name).read_text()
        lines = text.count("\n")
        if lines > MAX_FILE_LINES:
            yield Finding(name, 1, f"the file has {lines} lines", f"divide it; at most {MAX_FILE_LINES}")
        if any(fnmatch(name, pattern) for pattern in EXCEPTIONS):
            continue
        for function, line, length in functions(name, text):
            if length > MAX_FUNCTION_LINES:
                what = f"{function} has {length} lines"
                yield Finding(name, line, what, f"divide it; at most {MAX_FUNCTION_LINES}")


def functions(name: str, text: str) -> Iterator[tuple[str, int, int]]:
    """(name, line, lines) of each function of a source file."""
    if name.endswith(".py"):
        yield from _python_functions(text)
    elif name.endswith((".c", ".h")):
        yield from _braced_functions(text, _C)
    elif name.endswith(".js"):
        yield from _js_functions(text)
    elif name.endswith(".sh"):
        yield from _braced_functions(text, _SHELL)


def _js_functions(text: str) -> Iterator[tuple[str, int, int]]:
    """All but those that wrap a script, which are called where they stand in the first column."""
    code = _JS_TEXT.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)
    for head in _JS_HEAD.finditer(code):
        before = code[code.rfind("\n", 0, head.start()) + 1 : head.start()]
        if _JS_WRAPS.fullmatch(before):
            continue
        depth, end = 1, head.end()
        while depth and end < len(code):
            depth += {"{": 1, "}": -1}.get(code[end], 0)
            end += 1
        line, length = code.count("\n", 0, head.start()) + 1, code.count("\n", head.start(), end) + 1
        yield head[1] or head[2] or "a function", line, length


def _braced_functions(text: str, language: _Braced) -> Iterator[tuple[str, int, int]]:
    head: tuple[str, int] | None = None
    for number, line in enumerate(text.splitlines(), start=1):
        if match := language.head.match(line):
            head = match[1], number
        if head is not None and language.end.match(line):
            yield head[0], head[1], number - head[1] + 1
        if language.other.match(line):
            head = None


def _python_functions(text: str) -> Iterator[tuple[str, int, int]]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.name, node.lineno, (node.end_lineno or node.lineno) - node.lineno + 1


if __name__ == "__main__":
    sys.exit(report(findings()))
