"""Why a bundle is refused; each message is for the user, and quotes nothing of the bundle unescaped."""

import json

_SHOWN = 120  # characters


class Refused(ValueError):
    """The bundle cannot be verified."""


class Unreadable(Refused):
    """It is damaged, hostile, or of a version that this program cannot analyse."""


class NotSigned(Refused):
    """Its content is not what the key has signed."""


def quoted(value: object) -> str:
    """A value of a bundle as ASCII, so that a terminal obeys none of it, and shortened."""
    try:
        text = json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        text = json.dumps(repr(value), allow_nan=False)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
