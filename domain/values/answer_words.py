"""Words of answers: a client may read one that it does not know, from a newer coordinator. Input may not have one."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import StrEnum
from typing import Any, Self

_UNKNOWN: ContextVar[set[str] | None] = ContextVar("unknown words of the answer that is read", default=None)


class AnswerWord(StrEnum):
    """A word that only answers have. An unknown one is read as :meth:`neutral` within :func:`reading_answer`."""

    @classmethod
    def _missing_(cls, value: Any) -> Self | None:
        unknown = _UNKNOWN.get()
        if unknown is None or not isinstance(value, str):
            return None
        unknown.add(value)
        return cls.neutral()

    @classmethod
    def neutral(cls) -> Self:
        """The word that claims nothing."""
        raise NotImplementedError


@contextmanager
def reading_answer() -> Iterator[set[str]]:
    """Within it, unknown words of answers are read; it collects them."""
    unknown: set[str] = set()
    token = _UNKNOWN.set(unknown)
    try:
        yield unknown
    finally:
        _UNKNOWN.reset(token)
