"""Words that the project does not use, in code, documents and pages: words.toml lists them with what to write."""

import re
import sys
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

from tests.house.findings import ROOT, Finding, report, tracked

WORDS = Path(__file__).with_name("words.toml")
SUFFIXES = (".py", ".c", ".h", ".js", ".css", ".html", ".md", ".toml", ".sh", ".yaml", ".service", "Makefile")
OWN = ("words.toml", "test_house_checks.py")
"""The list itself, and the test that it is kept: by name, wherever they are."""

_ALTERNATIVES = re.compile(r"\|(?![^(]*\))")
_STEM = re.compile(r"(?:[\w /'](?![?*]))*")


@dataclass(frozen=True)
class Word:
    """A pattern and what to write instead; ``only`` and ``but`` are globs of paths."""

    pattern: re.Pattern[str]
    use: str
    stems: Sequence[str]
    only: Sequence[str] = ()
    but: Sequence[str] = field(default=())

    def concerns(self, name: str) -> bool:
        """Whether the word is forbidden in a file."""
        if self.only and not any(fnmatch(name, one) for one in self.only):
            return False
        return not any(fnmatch(name, one) for one in self.but)


def read_words(path: Path = WORDS) -> tuple[Word, ...]:
    """The words of the data file."""
    rows = tomllib.loads(path.read_text())["word"]
    return tuple(
        Word(
            # Only letters continue a word: an underscore ends it, so names are searched by their parts.
            re.compile(rf"(?<![A-Za-z])(?:{row['pattern']})(?![A-Za-z])", 0 if row.get("case") else re.IGNORECASE),
            row["use"],
            stems_of(row["pattern"]),
            tuple(row.get("only", ())),
            tuple(one["path"] for one in row.get("but", ())),
        )
        for row in rows
    )


def findings(root: Path = ROOT, words: Sequence[Word] | None = None) -> Iterator[Finding]:
    """Forbidden words in the files below ``root``."""
    words = read_words() if words is None else words
    for name in tracked(*SUFFIXES, root=root):
        if not name.endswith(OWN):
            yield from of_text(name, (root / name).read_text(errors="replace"), words)


def of_text(name: str, text: str, words: Sequence[Word]) -> Iterator[Finding]:
    """Forbidden words in one text."""
    lower = text.lower()
    for word in words:
        # To look for a plain text is many times as fast as to match a pattern, and most files hold no such word.
        if word.concerns(name) and any(stem in lower for stem in word.stems):
            for match in word.pattern.finditer(text):
                line = text.count("\n", 0, match.start()) + 1
                yield Finding(name, line, f"{match[0]!r}", f"use {word.use}")


def stems_of(pattern: str) -> tuple[str, ...]:
    """The plain text that each alternative of a pattern begins with, in lower case; may be empty."""
    return tuple(_STEM.match(one)[0].lower() for one in _ALTERNATIVES.split(pattern))  # type: ignore[index]


if __name__ == "__main__":
    sys.exit(report(findings()))
