"""Sentences are short, in documents, docstrings, comments, help texts and pages.

They have at most 25 words. A colon or a semicolon begins another count, and there are at most 30 words in all.
"""

import ast
import inspect
import io
import re
import sys
import tokenize
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from tests.house.findings import ROOT, Finding, report, tracked

MAX_WORDS, MOST_WORDS = 25, 30  # up to a colon or semicolon; in all

EXCEPTIONS: Mapping[str, str] = {}
"""Files that are not checked, each with its reason."""


class Text(NamedTuple):
    """A piece of prose, and the line on which it begins."""

    line: int
    text: str


_READ = frozenset({"help", "description", "summary", "message", "meaning", "cause", "remedy"})
"""Arguments that users read."""

_FENCE = re.compile(r"^\s*(```|~~~)")
# What a measurement wrote: its words are those of the code that writes them.
_MEASURED = re.compile(
    r"<!-- (?:matrix: begin|bench-probes: written).*?<!-- (?:matrix|bench-probes): end -->"
    r"|<!-- generated: measured by .*?<!-- /generated -->",
    re.DOTALL,
)
_NEW = re.compile(r"^\s*(?:[-*+→]|\d+\.|#+|>|\||<!--|Code:|\.venv/|``[^`]+``:)")
_QUOTED = re.compile(r"^\s*>")  # output of the product: its words are those of the code

_END = re.compile(
    r"(?<=[.?!])(?<!\be\.g\.)(?<!\bi\.e\.)(?<!\bvs\.)(?<!\bcf\.)(?<!\bal\.)(?<!\bno\.)[\"')\]*]*\s+(?=[\w`*\[('\"“])|:\s*$"
)
_PART = re.compile(r"[:;]\s+")
_CODE = re.compile(r"(?::\w+:)?(`+)[^`]*\1")
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_WORD = re.compile(r"[^\W_][\w'’/.%-]*")
_C_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
_HIDDEN = re.compile(r"\{#.*?#\}|<(script|style|pre)\b.*?</\1>|<!--.*?-->", re.DOTALL)
_VALUE = re.compile(r"\{\{.*?\}\}", re.DOTALL)
_INLINE = re.compile(r"</?(?:a|abbr|b|code|em|i|kbd|strong|time)\b[^>]*>", re.DOTALL)
_TAG = re.compile(r"<[^>]*>|\{%.*?%\}", re.DOTALL)


def findings(root: Path = ROOT) -> Iterator[Finding]:
    """Sentences that are too long, of all files below ``root`` that people read."""
    readers = {".md": _document, ".py": _python, ".c": _c, ".h": _c, ".html": _page}
    for suffix, texts in readers.items():
        for name in tracked(suffix, root=root):
            if name not in EXCEPTIONS:
                yield from of_texts(name, texts((root / name).read_text(encoding="utf-8")))


def of_text(name: str, text: str) -> Iterator[Finding]:
    """Sentences of one document that are too long."""
    return of_texts(name, _document(text))


def of_texts(name: str, texts: Iterator[Text]) -> Iterator[Finding]:
    """Sentences of pieces of prose that are too long."""
    for line, paragraph in texts:
        for sentence in _END.split(paragraph):
            counts = [len(_WORD.findall(part)) for part in _PART.split(sentence)]
            if max(counts) > MAX_WORDS or sum(counts) > MOST_WORDS:
                what = f"a sentence of {sum(counts)} words: {' '.join(sentence.split()[:5])} …"
                yield Finding(name, line, what, f"divide it; at most {MAX_WORDS}, or {MOST_WORDS} with a colon")


def _document(text: str) -> Iterator[Text]:
    return paragraphs(_MEASURED.sub(_lines_only, text))


def _lines_only(match: re.Match[str]) -> str:
    """What keeps the numbers of the lines behind it."""
    return "\n" * match[0].count("\n")


def _python(text: str) -> Iterator[Text]:
    """Docstrings, strings after an attribute, comments, and help texts of commands and fields."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield from paragraphs(inspect.cleandoc(node.value.value), node.lineno)
        if isinstance(node, ast.keyword) and node.arg in _READ and isinstance(node.value, ast.Constant):
            yield from paragraphs(str(node.value.value), node.value.lineno)
    yield from paragraphs_of_comments(text)


def paragraphs_of_comments(text: str) -> Iterator[Text]:
    """Comments of Python; those on consecutive lines are one text."""
    block, begin, last = list[str](), 0, -1
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type != tokenize.COMMENT or re.match(r"#!|# ?(?:type:|noqa|fmt:|pragma)", token.string):
            continue
        is_own = not token.line[: token.start[1]].strip()
        if block and not (is_own and token.start[0] == last + 1):
            yield from paragraphs("\n".join(block), begin)
            block = []
        begin = begin if block else token.start[0]
        block.append(token.string.lstrip("#").strip())
        last = token.start[0] if is_own else -1
    yield from paragraphs("\n".join(block), begin)


def _c(text: str) -> Iterator[Text]:
    for match in _C_COMMENT.finditer(text):
        lines = (re.sub(r"^\s*(?:/?\*+/?|//)\s?", "", line) for line in match[0].splitlines())
        yield from paragraphs("\n".join(line.removesuffix("*/").strip() for line in lines), _line(text, match.start()))


def _page(text: str) -> Iterator[Text]:
    """The texts of a template, between the tags and statements that begin something new."""
    for pattern in (_HIDDEN, _INLINE):
        text = pattern.sub(_lines_only, text)
    text, at = _VALUE.sub("Value", text), 0
    for tag in _TAG.finditer(text + "<end>"):
        if between := " ".join(text[at : tag.start()].split()):
            yield Text(_line(text, at), between)
        at = tag.end()


def _line(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1


def paragraphs(text: str, first: int = 1) -> Iterator[Text]:
    """Paragraphs, list items and table cells; code is one word, links are their text."""
    fenced, begin, lines = False, 0, list[str]()
    for number, line in enumerate([*text.splitlines(), ""], start=first):
        if _FENCE.match(line):
            fenced = not fenced
        is_text = not fenced and bool(line.strip()) and not _FENCE.match(line) and not _QUOTED.match(line)
        is_text = is_text and not line.startswith("    ")
        if lines and (not is_text or _NEW.match(line)):
            yield Text(begin, " ".join(lines))
            lines = []
        if is_text and line.lstrip().startswith("|"):
            yield from (Text(number, cell) for cell in _plain(line).split("|"))
        elif is_text:
            begin = begin if lines else number
            lines.append(_plain(line).strip())


def _plain(line: str) -> str:
    return _LINK.sub(r"\1", _CODE.sub("Code", line))


if __name__ == "__main__":
    sys.exit(report(findings()))
