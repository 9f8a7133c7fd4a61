"""On-CPU stacks by role, the data of flame graphs.

A stack is *folded*: its functions from the outermost to the innermost, joined by semicolons (Brendan Gregg's format,
which every flame-graph tool reads). Kernel functions end in ``_[k]``.
"""

import base64
import json
import zlib
from collections.abc import Iterable, Mapping
from typing import Any, Self

from pydantic import GetCoreSchemaHandler, ValidationInfo
from pydantic_core import CoreSchema, core_schema

from domain.values.bounds import BASE64, MAX_COUNT
from domain.values.trusted import is_trusted

ROLES = ("client", "dut", "server", "softirq", "kernel")
"""Who used the CPU: generator, proxy, origin, packet reception in any process, kernel threads."""

MAX_STACKS = 4_000  # distinct ones per trial; rarer ones are merged into "(other)" of their role
MAX_TEXT_BYTES = 4 << 20  # decoded, per trial
MAX_ENCODED = 6 << 20  # characters of base64
MAX_FRAMES = 300  # of one stack; the kernel gives 127, and a program as many
MAX_HERTZ = 1_000_000
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
KERNEL_SUFFIX = "_[k]"
OTHER = "(other)"


class Stacks:
    """Counts of folded stacks by role. Mergeable; immutable by convention."""

    def __init__(self, counts: Mapping[str, Mapping[str, int]] | None = None, *, hertz: int = 0, lost: int = 0) -> None:
        """``counts``: role → folded stack → samples; ``hertz``: samples per second and CPU. Raises ``ValueError``."""
        self._counts = {role: dict(stacks) for role, stacks in (counts or {}).items() if stacks}
        self._hertz, self._lost, self._text = hertz, lost, ""
        if unknown := set(self._counts) - set(ROLES):
            raise ValueError(f"unknown role: {', '.join(sorted(unknown))}; known: {', '.join(ROLES)}")

    @property
    def counts(self) -> Mapping[str, Mapping[str, int]]:
        """Samples by role and folded stack."""
        return self._read()._counts

    @property
    def hertz(self) -> int:
        """Samples per second and CPU."""
        return self._read()._hertz

    @property
    def lost(self) -> int:
        """Samples that are missing."""
        return self._read()._lost

    @property
    def samples(self) -> int:
        """Samples of all roles."""
        return sum(sum(stacks.values()) for stacks in self.counts.values())

    def plus(self, other: "Stacks") -> "Stacks":
        """The sum over slices or trials."""
        total = {role: dict(stacks) for role, stacks in self.counts.items()}
        for role, stacks in other.counts.items():
            mine = total.setdefault(role, {})
            for stack, count in stacks.items():
                mine[stack] = mine.get(stack, 0) + count
        return Stacks(total, hertz=self.hertz or other.hertz, lost=self.lost + other.lost)

    def bounded(self, limit: int = MAX_STACKS) -> "Stacks":
        """The most frequent ``limit`` stacks; the others become ``(other)`` of their role. No sample is lost."""
        ranked = sorted(((n, role, stack) for role, stacks in self.counts.items() for stack, n in stacks.items()),
                        key=lambda item: (-item[0], item[1], item[2]))  # fmt: skip
        counts: dict[str, dict[str, int]] = {}
        for rank, (n, role, stack) in enumerate(ranked):
            name = stack if rank < limit else OTHER
            mine = counts.setdefault(role, {})
            mine[name] = mine.get(name, 0) + n
        return Stacks(counts, hertz=self.hertz, lost=self.lost)

    def folded(self, roles: Iterable[str] = ROLES) -> list[str]:
        """Lines of Gregg's format, ``role;outermost;…;innermost count``."""
        return [
            f"{role};{stack} {count}"
            for role in roles
            for stack, count in sorted(self.counts.get(role, {}).items())
        ]  # fmt: skip

    def encode(self) -> str:
        """JSON, compressed (zlib), base64."""
        text = json.dumps(
            {"hertz": self.hertz, "lost": self.lost, "counts": self.counts}, separators=(",", ":"), allow_nan=False
        )
        return base64.b64encode(zlib.compress(text.encode(), 9)).decode("ascii")

    @classmethod
    def decode(cls, text: str) -> Self:
        """The inverse of :meth:`encode`. Raises ``ValueError`` for anything else."""
        try:
            unpacking = zlib.decompressobj()
            raw = unpacking.decompress(base64.b64decode(text, validate=True), MAX_TEXT_BYTES)
            if not unpacking.eof:
                raise ValueError(f"truncated, or longer than {MAX_TEXT_BYTES} bytes")
            if unpacking.unused_data:
                raise ValueError("something follows them")
            found = json.loads(raw)
            counts = {
                str(role): {_stack(stack): _count(n) for stack, n in stacks.items()}
                for role, stacks in found["counts"].items()
            }
            return cls(counts, hertz=_count(found["hertz"], MAX_HERTZ), lost=_count(found["lost"]))
        except RecursionError:
            raise ValueError("not encoded stacks: they are nested too deeply") from None
        except (ValueError, KeyError, TypeError, AttributeError, zlib.error) as error:
            raise ValueError(f"not encoded stacks: {error}") from error

    @classmethod
    def _validated(cls, text: str, info: ValidationInfo) -> Self:
        if not is_trusted(info):
            return cls.decode(text)
        stacks = cls()
        stacks._text = text
        return stacks

    def _read(self) -> Self:
        if self._text:
            found, self._text = self.decode(self._text), ""
            self._counts, self._hertz, self._lost = found._counts, found._hertz, found._lost
        return self

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stacks) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[Any, ...]:
        return self.hertz, self.lost, tuple(self.folded())

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        from_text = core_schema.with_info_after_validator_function(
            cls._validated, core_schema.str_schema(max_length=MAX_ENCODED, pattern=BASE64)
        )
        return core_schema.json_or_python_schema(
            json_schema=from_text,
            python_schema=core_schema.union_schema([core_schema.is_instance_schema(cls), from_text]),
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda stacks: stacks.encode(), return_schema=core_schema.str_schema()
            ),
        )


def _count(value: object, most: int = MAX_COUNT) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise ValueError(f"{str(value)[:40]} is not a count")
    return value


def _stack(folded: str) -> str:
    if folded.count(";") >= MAX_FRAMES:
        raise ValueError(f"a stack has more than {MAX_FRAMES} functions")
    # A symbol may have any bytes, and neither SVG nor a terminal takes control characters or surrogates.
    return folded if folded.isprintable() else "".join(c if c.isprintable() else REPLACEMENT for c in folded)
