"""Typed values as JSON text. What could not be read back is not written, and what cannot be read says so."""

from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Text, TypeDecorator

from domain.values.problems import problems_of
from domain.values.trusted import TRUSTED

T = TypeVar("T")


class Unreadable(ValueError):
    """A stored value is not one of its type: this program cannot have written it, or an older version did."""


class JsonText(TypeDecorator[T]):
    """A typed value as JSON text, validated again when loaded; large parts are decoded on first use.

    Text instead of a JSON type: both databases preserve it exactly, and no query looks inside.
    """

    impl = Text
    cache_ok = True

    def __init__(self, kind: Any) -> None:
        super().__init__()
        self.kind = kind
        self._adapter: TypeAdapter[T] = TypeAdapter(kind)

    def process_bind_param(self, value: T | None, dialect: Any) -> str | None:
        if value is None:
            return None
        text = self._adapter.dump_json(value).decode()
        self._read(text)  # JSON has no infinity: it would be written as null, and its campaign would be lost
        return text

    def process_result_value(self, value: str | None, dialect: Any) -> T | None:
        return None if value is None else self._read(value)

    def _read(self, text: str) -> T:
        try:
            return self._adapter.validate_json(text, context=TRUSTED)
        except ValidationError as error:
            first = problems_of(error)[0]
            kind = getattr(self.kind, "__name__", str(self.kind))
            raise Unreadable(f"a stored {kind} cannot be read: {first.field}: {first.message[:200]}") from error
