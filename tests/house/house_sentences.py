"""Sentences of documents are short: at most 30 words; aim at 25."""

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.house.findings import ROOT, Finding, report, tracked

MAX_WORDS = 30

EXCEPTIONS: Mapping[str, str] = {}
"""Documents that are not checked, each with its reason."""

_FENCE = re.compile(r"^\s*(```|~~~)")
# What a measurement wrote: its words are those of the code that writes them.
_MEASURED = re.compile(
    r"<!-- (?:matrix: begin|bench-probes: written).*?<!-- (?:matrix|bench-probes): end -->"
    r"|<!-- generated: measured by .*?<!-- /generated -->",
    re.DOTALL,
)
_NEW = re.compile(r"^\s*(?:[-*+]|\d+\.|#+|>|\||<!--)")
_END = re.compile(r"(?<=[.?!])[\"')\]*]*\s+(?=[A-Z`*\[(0-9\"])|:\s*$")
_CODE = re.compile(r"`[^`]*`")
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_WORD = re.compile(r"[^\W_][\w'’/.%-]*")


def findings(root: Path = ROOT) -> Iterator[Finding]:
    """Sentences that are too long, of all Markdown files below ``root``."""
    for name in tracked(".md", root=root):
        if name not in EXCEPTIONS:
            yield from of_text(name, (root / name).read_text())


def of_text(name: str, text: str) -> Iterator[Finding]:
    """Sentences of one document that are too long."""
    for line, paragraph in _paragraphs(_MEASURED.sub(lambda match: "\n" * match[0].count("\n"), text)):
        for sentence in _END.split(paragraph):
            if (count := len(_WORD.findall(sentence))) > MAX_WORDS:
                begin = " ".join(sentence.split()[:5])
                yield Finding(name, line, f"a sentence of {count} words: {begin} …", f"divide it; at most {MAX_WORDS}")


def _paragraphs(text: str) -> Iterator[tuple[int, str]]:
    """(first line, text) of paragraphs, list items and table cells; code is one word, links are their text."""
    fenced, begin, lines = False, 0, list[str]()
    for number, line in enumerate([*text.splitlines(), ""], start=1):
        if _FENCE.match(line):
            fenced = not fenced
        is_text = not fenced and bool(line.strip()) and not _FENCE.match(line) and not line.startswith("    ")
        if lines and (not is_text or _NEW.match(line)):
            yield begin, " ".join(lines)
            lines = []
        if is_text and line.lstrip().startswith("|"):
            yield from ((number, cell) for cell in _plain(line).split("|"))
        elif is_text:
            begin = begin if lines else number
            lines.append(_plain(line).strip())


def _plain(line: str) -> str:
    return _LINK.sub(r"\1", _CODE.sub("Code", line))


if __name__ == "__main__":
    sys.exit(report(findings()))
