"""Load levels: how hard the generator drives. Written ``closed(64)``, ``open(20000)`` or ``open(25%)``."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema

MAX_CONNECTIONS = 10_000
MAX_RATE_PER_S = 5_000_000


class Frozen(BaseModel):
    """A value: immutable, and closed to fields it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ClosedLoad(Frozen):
    """Each of ``connections`` sends its next request when the last answer came. Gives capacity."""

    kind: Literal["closed"] = "closed"
    connections: int = Field(ge=1, le=MAX_CONNECTIONS, strict=True)

    def __str__(self) -> str:
        return f"closed({self.connections})"


class OpenLoad(Frozen):
    """Requests leave on a schedule of ``rate_per_s`` whatever the answers do. Gives latency under load."""

    kind: Literal["open"] = "open"
    rate_per_s: int = Field(ge=1, le=MAX_RATE_PER_S, strict=True)

    def __str__(self) -> str:
        return f"open({self.rate_per_s})"


class ShareLoad(Frozen):
    """An open load at ``percent`` of the slowest compared datapath's capacity, which the campaign finds first."""

    kind: Literal["share"] = "share"
    percent: int = Field(ge=1, le=100, strict=True)

    def __str__(self) -> str:
        return f"open({self.percent}%)"


_CLOSED = re.compile(r"^\s*closed\s*\(\s*([0-9]{1,9})\s*\)\s*$")
_OPEN = re.compile(r"^\s*open\s*\(\s*([0-9]{1,9})\s*(%?)\s*\)\s*$")
_SPELLINGS = "closed(connections), open(rate) or open(share%)"


def _parse_load(value: Any) -> Any:
    """Accept ``"closed(64)"`` beside ``{"kind": "closed", "connections": 64}``."""
    if isinstance(value, (ClosedLoad, OpenLoad, ShareLoad)):
        return value
    if isinstance(value, str):
        if match := _CLOSED.match(value):
            return {"kind": "closed", "connections": int(match[1])}
        if match := _OPEN.match(value):
            share = {"kind": "share", "percent": int(match[1])}
            return share if match[2] else {"kind": "open", "rate_per_s": int(match[1])}
        raise ValueError(f"{value[:40]!r} is not a load level; write {_SPELLINGS}")
    if not isinstance(value, Mapping):
        raise ValueError(f"write {_SPELLINGS}")
    return value


_AS_TEXT = PlainSerializer(str, return_type=str)

LoadLevel = Annotated[
    Annotated[ClosedLoad | OpenLoad | ShareLoad, Field(discriminator="kind")],
    BeforeValidator(_parse_load),
    _AS_TEXT,
    WithJsonSchema(
        {
            "type": "string",
            "pattern": f"{_CLOSED.pattern}|{_OPEN.pattern}",
            "examples": ["closed(64)", "open(20000)", "open(25%)"],
        }
    ),
]
"""What a campaign asks for."""

Load = Annotated[
    Annotated[ClosedLoad | OpenLoad, Field(discriminator="kind")],
    BeforeValidator(_parse_load),
    _AS_TEXT,
    WithJsonSchema({"type": "string", "examples": ["closed(64)", "open(20000)"]}),
]
"""What a generator is told: a share has become a rate."""


def load_text(level: ClosedLoad | OpenLoad | ShareLoad, rate_per_s: int | None = None) -> str:
    """A level as it is shown; a share with the rate that it came to: ``open(25%) = 9,800/s``."""
    return f"{level} = {rate_per_s:,}/s" if isinstance(level, ShareLoad) and rate_per_s is not None else str(level)
