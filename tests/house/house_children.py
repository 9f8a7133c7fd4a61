"""Nothing of the user's shell decides how Showdown runs: every call to a server and every child says so.

A proxy of the environment gets no request, and a child gets the environment that Showdown gives it. Python does not
import from the working directory, and text between processes is UTF-8. domain/hosts/environment.py has the
environments.
"""

import ast
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.house.findings import ROOT, Finding, report, tracked

EXCEPTIONS: Mapping[tuple[str, str], str] = {}
"""By file and called name, each with its reason."""

_HTTPX = frozenset({"get", "post", "put", "patch", "delete", "head", "options", "request", "stream", "Client"})
_CHILDREN = frozenset({"run", "Popen", "check_output", "check_call", "call"})


def findings(root: Path = ROOT) -> Iterator[Finding]:
    """Calls below ``root`` that leave it to the environment. Tests start children as users do."""
    for name in tracked(".py", root=root):
        for line, what, cure in calls((root / name).read_text(encoding="utf-8"), product=not name.startswith("tests/")):
            if (name, what.partition(" ")[0]) not in EXCEPTIONS:
                yield Finding(name, line, what, cure)


def calls(text: str, *, product: bool) -> Iterator[tuple[int, str, str]]:
    """(line, what is wrong, what to do) of each such call; ``product``: the rules for children count, too."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            yield from _of_call(node, ast.unparse(node.func), product=product)
        if product and isinstance(node, ast.List | ast.Tuple) and _is_python_module(node):
            yield node.lineno, "python -m imports from the working directory", "start it with *PYTHON_OPTIONS"


def _of_call(node: ast.Call, name: str, *, product: bool) -> Iterator[tuple[int, str, str]]:
    room, _, function = name.rpartition(".")
    given = {word.arg: word.value for word in node.keywords}
    if room == "httpx" and function in _HTTPX and not _is(given.get("trust_env"), False):
        yield node.lineno, f"{name} obeys proxies of the environment", "add trust_env=False"
    if not product or room != "subprocess" or function not in _CHILDREN:
        return
    if "env" not in given:
        yield node.lineno, f"{name} hands the whole environment on", "give it env= (domain/hosts/environment.py)"
    if (_is(given.get("text"), True) or _is(given.get("universal_newlines"), True)) and "encoding" not in given:
        yield node.lineno, f"{name} reads text in the locale's encoding", 'give it encoding="utf-8"'


def _is_python_module(node: ast.List | ast.Tuple) -> bool:
    words = [ast.unparse(one) for one in node.elts]
    return words[:1] == ["sys.executable"] and "'-m'" in words and "*PYTHON_OPTIONS" not in words


def _is(node: ast.expr | None, value: object) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


if __name__ == "__main__":
    sys.exit(report(findings()))
