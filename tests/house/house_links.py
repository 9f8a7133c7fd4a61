"""Every relative link and anchor of a Markdown file resolves, and every path in backticks exists."""

import re
import sys
from collections.abc import Iterator
from functools import cache
from itertools import product
from pathlib import Path

from tests.house.findings import ROOT, Finding, report, tracked

ROOMS = ("bpf", "coordinator", "dashboards", "deploy", "docs", "domain", "probes", "tests", "workers")

_FENCE = re.compile(r"^\s*(```|~~~)")
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_CODE = re.compile(r"`([^`]+)`")
_PATH = re.compile(rf"^(?:{'|'.join(ROOMS)})/[\w./{{}},*-]*$")
_HEADING = re.compile(r"^#+\s+(.*?)\s*#*$")
_BRACES = re.compile(r"\{([^{}]*)\}")
_PLACEHOLDERS = re.compile(r"\b(?:NAME|NNNN)\b")


def findings(root: Path = ROOT) -> Iterator[Finding]:
    """What does not resolve, of all Markdown files below ``root``."""
    for name in tracked(".md", root=root):
        yield from of_document(root, name)


def of_document(root: Path, name: str) -> Iterator[Finding]:
    """What does not resolve in one document."""
    for number, line in _prose(root / name):
        for target in _LINK.findall(_CODE.sub("", line)):
            if problem := _broken(root, name, target):
                yield Finding(name, number, f"the link {target!r} {problem}", "correct or remove it")
        for path in _CODE.findall(line):
            if _PATH.match(path) and not exists(root, path):
                yield Finding(name, number, f"there is no {path!r}", "name the path as it is now")


def exists(root: Path, path: str) -> bool:
    """Whether each alternative of a path exists; ``{a,b}`` is two, ``*`` and NAME stand for anything."""
    return all(_one_exists(root, one) for one in _alternatives(path))


def anchors(path: Path) -> set[str]:
    """The anchors of a document's headings, as GitHub makes them."""
    return {_anchor(match[1]) for _, line in _prose(path) if (match := _HEADING.match(line))}


def _broken(root: Path, name: str, target: str) -> str:
    if re.match(r"^[a-z][a-z0-9+.-]*:", target):
        return ""  # a page elsewhere
    path, _, anchor = target.partition("#")
    document = root / name
    place = (document.parent / path) if path else document
    if not place.exists():
        return "leads nowhere"
    if anchor and (place.suffix != ".md" or anchor not in cached_anchors(place)):
        return "has no such heading at its end"
    return ""


@cache
def cached_anchors(path: Path) -> frozenset[str]:
    return frozenset(anchors(path))


def _prose(path: Path) -> Iterator[tuple[int, str]]:
    """Numbered lines outside of code blocks."""
    fenced = False
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        if _FENCE.match(line):
            fenced = not fenced
        elif not fenced and not line.startswith("    "):
            yield number, line


def _anchor(heading: str) -> str:
    text = re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


def _alternatives(path: str) -> Iterator[str]:
    parts = _BRACES.split(_PLACEHOLDERS.sub("*", path))
    choices = [part.split(",") if odd % 2 else [part] for odd, part in enumerate(parts)]
    for chosen in product(*choices):
        yield "".join(chosen)


def _one_exists(root: Path, path: str) -> bool:
    return any(root.glob(path.rstrip("/"))) if "*" in path else (root / path).exists()


if __name__ == "__main__":
    sys.exit(report(findings()))
