"""How a line of a log looks, in every process: one line per event and cause, repeated rarely, and without secrets.

Pure but for the clock, which is passed in. Each package attaches :func:`handler` to its own root logger.
"""

import json
import logging
import re
import time
import traceback
from collections import OrderedDict
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import TextIO

WINDOW_S = 60.0
PER_EVENT = 10  # lines with different values that one statement may write in a window
FORMATS = ("text", "json")
_KEPT = 1000  # events that are remembered
_FRAMES = 3
_SECRETS = (
    (re.compile(r"(?i)\b(bearer|basic|token) +[\w.~+/=:-]{8,}"), r"\1 ***"),
    (re.compile(r"\bsd[hus]_[\w-]{8,}"), "***"),  # tokens of hosts and users, and secrets of links
    (re.compile(r"(://[^/@\s:]*):[^/@\s]+@"), r"\1:***@"),
    (re.compile(r"(?i)\b(token|password|secret|lease)(['\"]?[=:] ?['\"]?)[\w.~+/=-]{8,}"), r"\1\2***"),
)


def one_line(error: BaseException) -> str:
    """An error in one line: the first line of its message, or its type if it has none."""
    # SQLAlchemy's messages go on with the statement and a link; the driver's own error is the cause.
    cause = getattr(error, "orig", None) or error
    first = next((line.strip() for line in str(cause).splitlines() if line.strip()), "")
    return first or type(cause).__name__


def without_secrets(text: str, secrets: Iterable[str] = ()) -> str:
    """``text`` without credentials: the given ones, and whatever looks like one in a header, a URL or a setting."""
    for secret in secrets:
        text = text.replace(secret, "***")
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


class Repeats(logging.Filter):
    """Lets an event through once per window; the next line says how many there were meanwhile.

    The same text counts as one event. Different texts of one statement pass up to ``PER_EVENT`` times per window.
    Information passes always: it is written where something happened, not where something still fails.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._seen: OrderedDict[object, tuple[float, int, int]] = OrderedDict()  # begin of the window, passed, held

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.WARNING:
            return True
        error = record.exc_info[1] if record.exc_info else None
        event = (record.name, str(record.msg), type(error))
        text = (*event, record.getMessage(), str(error))
        held = self._held(text, 1)
        if held is None or self._held(event, PER_EVENT) is None:
            return False
        if held:
            record.msg, record.args = f"{record.getMessage()} ({held} more since the last such line)", None
        return True

    def _held(self, key: object, allowed: int) -> int | None:
        """How many were held back in the last window if this one passes; else ``None``."""
        now = self._clock()
        begin, passed, held = self._seen.pop(key, (now, 0, 0))
        if now - begin >= WINDOW_S:
            self._seen[key] = (now, 1, 0)
            return held
        self._seen[key] = (begin, passed + 1, held) if passed < allowed else (begin, passed, held + 1)
        while len(self._seen) > _KEPT:
            self._seen.popitem(last=False)
        return 0 if passed < allowed else None


class TextLines(logging.Formatter):
    """``2026-02-03T14:05:06Z WARNING coordinator.ticker: message``; an exception is the end of the same line."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        super().__init__()
        self._secrets = tuple(secret for secret in secrets if secret)

    def format(self, record: logging.LogRecord) -> str:
        request = getattr(record, "request_id", "")
        words = [self._at(record), record.levelname, f"{record.name}:", *([f"[{request}]"] if request else [])]
        return " ".join([*words, self._message(record)])

    def _at(self, record: logging.LogRecord) -> str:
        return datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def _message(self, record: logging.LogRecord) -> str:
        text = record.getMessage()
        if record.exc_info and record.exc_info[1] is not None:
            text += f": {_exception(record.exc_info[1])}"
        return without_secrets(" ⏎ ".join(text.splitlines()), self._secrets)


class JsonLines(TextLines):
    """One JSON object per line: time, level, logger, message; the request's id and the trace if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        line = {"time": self._at(record), "level": record.levelname, "logger": record.name}
        line["message"] = self._message(record)
        if request := getattr(record, "request_id", ""):
            line["request_id"] = request
        if record.exc_info and record.exc_info[1] is not None:
            line["trace"] = without_secrets("".join(traceback.format_exception(record.exc_info[1])), self._secrets)
        return json.dumps(line, ensure_ascii=False, allow_nan=False)


def handler(stream: TextIO, kind: str, secrets: Iterable[str] = ()) -> logging.Handler:
    """A handler that writes such lines. ``kind`` is one of ``FORMATS``."""
    made = logging.StreamHandler(stream)
    made.setFormatter(JsonLines(secrets) if kind == "json" else TextLines(secrets))
    made.addFilter(Repeats())
    return made


def _exception(error: BaseException) -> str:
    """Type, first line, and the innermost frames: enough to find the place, in one line."""
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
    where = " < ".join(f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in reversed(frames))
    return f"{type(error).__name__}: {one_line(error)}" + (f" ({where})" if where else "")
