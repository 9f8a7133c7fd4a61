"""The words of the glossary, for the page that explains them and for links to it."""

import re
import tomllib
from functools import cache
from importlib.resources import files
from typing import NamedTuple


class Term(NamedTuple):
    """A word with its meaning; Markdown code is in backticks."""

    word: str
    meaning: str

    @property
    def anchor(self) -> str:
        """Where it is on its page."""
        return anchor_of(self.word)


@cache
def terms() -> tuple[Term, ...]:
    """All words, in the order of the alphabet."""
    text = files("coordinator.web").joinpath("glossary.toml").read_text(encoding="utf-8")
    return tuple(Term(word, str(meaning)) for word, meaning in tomllib.loads(text).items())


def anchor_of(word: str) -> str:
    """The id of a word on the page of reasons and words."""
    return "term-" + re.sub(r"[^a-z0-9]+", "-", word.lower()).strip("-")
