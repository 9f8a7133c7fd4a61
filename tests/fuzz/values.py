"""Mutations of decoded values: another type, an absurd number, a hostile text, too much or too little of something."""

import copy
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

Place = tuple[Any, Any]
"""A container and a key or index in it."""

NUMBERS: tuple[Any, ...] = (
    0, -1, 1, 2, 31, 2**31 - 1, 2**31, 2**32, 2**53 + 1, 2**63 - 1, 2**63, 2**64, -(2**63) - 1, 10**30, 10**400,
    0.5, -0.0, 1e-9, 5e-324, 1e18, 1e308, -1e308, float("nan"), float("inf"), float("-inf"), 0.1 + 0.2,
)  # fmt: skip
TEXTS: tuple[str, ...] = (
    "", " ", "\0", "a\0b", "\ud800", "\udfff\ud800", "\U0010ffff", "\ufeff", "\u202e", "\x1b[2J", "\r\nX-Evil: 1",
    "\n",
    "ä", "名前", "null", "NaN", "1e999", "0x10", "１２", "-", "--", "#", "#2", "direct#9", "%00", "%n%s%d", "{}", "{0}",
    "{{7*7}}", "${jndi:x}", "<script>alert(1)</script>", "x'; DROP TABLE campaigns;--", "$(reboot)", "`id`",
    "../../etc/passwd",
    "..\\..\\x", "/etc/passwd", "file:///etc/passwd", "__class__", "__proto__", "closed(8)", "closed(-1)",
    "open(50%)",
    "open(1..2, ramp)", "open(99999999999999999999)", "capacity(p99<=0ms)", "capacity(p99<=5ms)",
    "closed(8) under ballast(9)",
    "10 min", "1e9 h", "-3 s", "9" * 5_000, "a" * 300, "x" * 70_000, "(" * 2_000, "a.b.c", "tproxy.p99_us <= 1e400",
    "1970-01-01T00:00:00Z", "9999-12-31T23:59:59+14:00", "true", "=1+1", "²", "² = 1", "٣", "@",
    "HISTFAAAA", "AAAA" * 1_000,
)  # fmt: skip


def _nested(depth: int, kind: str) -> Any:
    found: Any = 0
    for _ in range(depth):
        found = [found] if kind == "list" else {"a": found}
    return found


def _another_type(value: Any, rng: Random) -> Any:
    return rng.choice([None, True, False, 0, 1.5, "x", [], {}, [value], {"value": value}, str(value)[:50]])


def _number(_: Any, rng: Random) -> Any:
    return rng.choice(NUMBERS)


def _text(_: Any, rng: Random) -> Any:
    return rng.choice(TEXTS)


def _number_as_text(_: Any, rng: Random) -> Any:
    return str(rng.choice(NUMBERS))


def _spoilt_text(value: Any, rng: Random) -> Any:
    text = value if isinstance(value, str) else str(value)
    at = rng.randrange(len(text) + 1)
    return text[:at] + rng.choice(TEXTS)[:100] + text[at + rng.randrange(2) :]


def _nearby_number(value: Any, rng: Random) -> Any:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return rng.choice(NUMBERS)
    return rng.choice([value + 1, value - 1, -value, value * 10, value * 1_000_000, value / 3, float(value)])


def _deep(_: Any, rng: Random) -> Any:
    return _nested(rng.choice([5, 60, 300]), rng.choice(["list", "object"]))


def _many(value: Any, rng: Random) -> Any:
    count = rng.choice([2, 33, 65, 1_300, 5_000])
    if isinstance(value, dict):
        return value | {f"k{i}": next(iter(value.values()), 1) for i in range(count)}
    one = value[0] if isinstance(value, list) and value else value
    return [one] * (count if len(str(one)) < 100 else 70)


def _few(value: Any, rng: Random) -> Any:
    if isinstance(value, dict) and value:
        return {key: value[key] for key in rng.sample(sorted(value), rng.randrange(len(value)))}
    if isinstance(value, list) and value:
        return rng.sample(value, rng.randrange(len(value)))
    return type(value)() if value is not None else None


def _renamed(value: Any, rng: Random) -> Any:
    if not isinstance(value, dict) or not value:
        return _text(value, rng)
    key, found = rng.choice(sorted(value)), dict(value)
    found[rng.choice(TEXTS)[:2_000]] = found.pop(key)
    return found


def _more(value: Any, rng: Random) -> Any:
    if isinstance(value, dict):
        return value | {rng.choice(TEXTS)[:2_000]: rng.choice(NUMBERS)}
    return [value, rng.choice(TEXTS)]


def _shuffled(value: Any, rng: Random) -> Any:
    if isinstance(value, list):
        return rng.sample(value, len(value)) + value[:1]
    if isinstance(value, dict):
        values = list(value.values())
        rng.shuffle(values)
        return dict(zip(value, values, strict=True))
    return value


CHANGES: tuple[Callable[[Any, Random], Any], ...] = (
    _another_type, _number, _text, _number_as_text, _spoilt_text, _nearby_number, _deep, _many, _few, _renamed, _more,
    _shuffled,
)  # fmt: skip


def places(value: Any, parent: Place | None = None) -> Iterator[Place | None]:
    """Every place in a tree; ``None`` is the root."""
    yield parent
    if isinstance(value, dict):
        for key in value:
            yield from places(value[key], (value, key))
    elif isinstance(value, list):
        for index, one in enumerate(value[:20]):
            yield from places(one, (value, index))


def changed(value: Any, rng: Random) -> Any:
    """A copy with one place changed; half of the time a number or text of a leaf, else anything."""
    root = copy.deepcopy(value)
    where, change = rng.choice(list(places(root))), rng.choice(CHANGES)
    if where is None:
        return change(root, rng)
    container, key = where
    if rng.random() < 0.1:  # a part from elsewhere
        other = rng.choice(list(places(root)))
        container[key] = copy.deepcopy(other[0][other[1]]) if other is not None else {}
    else:
        container[key] = change(container[key], rng)
    return root
