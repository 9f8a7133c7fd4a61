"""When a schedule starts its next campaign: at times in cron syntax, or some time after the start before. Pure."""

from typing import Protocol

from coordinator.scheduling import cron
from domain.loads.duration import duration_text
from domain.values.texts import counted

LOOK_S = 5.0  # until replicates whose run before is open look again
AGAIN_S = 60.0  # until a refused replicate is tried again: its host may be restarting


class Timing(Protocol):
    """What a schedule says about its times. ``cron`` is empty for replicates, which have ``every_s``."""

    cron: str
    time_zone: str
    every_s: float | None
    times: int | None
    started: int


def has_started_all(timing: Timing) -> bool:
    """Whether no campaign is left to start."""
    return timing.times is not None and timing.started >= timing.times


def first_at(timing: Timing, now: float) -> float | None:
    """The first due time from now on, also after a pause; ``None`` if there is none."""
    if has_started_all(timing):
        return None
    return now if timing.every_s is not None else cron.following(timing.cron, timing.time_zone, now)


def next_at(timing: Timing, now: float) -> float | None:
    """The due time after a campaign that was started now; ``None`` if there is none."""
    if has_started_all(timing):
        return None
    return now + timing.every_s if timing.every_s is not None else cron.following(timing.cron, timing.time_zone, now)


def in_words(timing: Timing) -> str:
    """The times in English."""
    times = f", {counted(timing.times, 'time')}" if timing.times is not None else ""
    if timing.every_s is None:
        return f"{cron.in_words(timing.cron)}{times}"
    pause = f", at most every {duration_text(timing.every_s)}" if timing.every_s else ""
    return f"One run after the other{pause}{times}"
