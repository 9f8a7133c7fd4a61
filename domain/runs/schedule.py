"""Schedules: a campaign that starts at times in cron syntax, or a number of times. REST, pages and commands share it.

A schedule with ``every_s`` makes replicates: runs of one configuration, each with another seed. The next one
starts when the one before has ended, and so many seconds after that one's start at the earliest.
"""

from enum import StrEnum

from pydantic import Field, ValidationInfo, field_validator

from domain.campaigns.campaign import Campaign
from domain.runs.combination import MOST_RUNS
from domain.values.frozen import Frozen
from domain.values.names import CampaignName, CronText, ZoneName

MAX_SCHEDULES = 100
MAX_EVERY_S = 30 * 86_400.0


class RunState(StrEnum):
    """What came of one due time of a schedule."""

    STARTED = "started"
    SKIPPED = "skipped"  # the campaign before has not ended
    REFUSED = "refused"  # the campaign cannot run now, for example because its host is offline


class NewSchedule(Frozen):
    """A schedule as its user writes it."""

    name: CampaignName = Field(description="Unique among schedules.")
    cron: CronText | None = Field(
        default=None, description="minute, hour, day of the month, month, day of the week; as in `30 2 * * *`."
    )
    time_zone: ZoneName | None = Field(
        default=None,
        validate_default=True,
        description="In which the times of `cron` are, such as `UTC` or `Europe/Berlin`.",
    )
    every_s: float | None = Field(
        default=None,
        validate_default=True,
        ge=0,
        le=MAX_EVERY_S,
        description="Without `cron`: a run starts when the run before has ended, and so many seconds after that one's "
        "start at the earliest. The first run starts at once.",
    )
    times: int | None = Field(
        default=None,
        validate_default=True,
        ge=2,
        le=MOST_RUNS,
        strict=True,
        description="How many campaigns to start; null for no end.",
    )
    campaign: Campaign = Field(description="What is submitted at each of these times.")

    @field_validator("time_zone")
    @classmethod
    def _is_of_cron(cls, zone: str | None, info: ValidationInfo) -> str | None:
        if zone is None and info.data.get("cron") is not None:
            raise ValueError("is required with cron, such as UTC or Europe/Berlin")
        return zone

    @field_validator("every_s")
    @classmethod
    def _is_one_of_two(cls, every_s: float | None, info: ValidationInfo) -> float | None:
        if "cron" in info.data and (info.data["cron"] is None) == (every_s is None):
            raise ValueError("give either cron or every_s")
        return every_s

    @field_validator("times")
    @classmethod
    def _ends(cls, times: int | None, info: ValidationInfo) -> int | None:
        if times is None and info.data.get("every_s") is not None:
            raise ValueError("is required with every_s: how many campaigns to start")
        return times


class ScheduleChanges(Frozen):
    """What to change of a schedule."""

    paused: bool = Field(strict=True, description="A paused schedule starts nothing; it keeps its history.")


class ScheduleRun(Frozen):
    """One due time, and what came of it."""

    due_at: str = Field(description="ISO 8601, UTC.")
    at: str = Field(description="When the coordinator acted.")
    state: RunState
    campaign: str | None = Field(default=None, description="The id of the campaign that was started.")
    reason: str = Field(default="", description="Why nothing was started.")
    missed: int = Field(default=0, description="Earlier due times that passed while no coordinator ran.")
    by_hand: bool = Field(default=False, description="Started by a user, at no due time.")


class Schedule(Frozen):
    """A schedule with what came of its newest due times."""

    id: str
    name: str
    cron: str = Field(description="Empty for replicates.")
    words: str = Field(description="When it starts a campaign, in English.")
    time_zone: str = Field(description="Of `cron`; empty for replicates.")
    every_s: float | None = Field(default=None, description="Of replicates.")
    times: int | None = Field(default=None, description="How many campaigns it starts; null for no end.")
    started: int = Field(default=0, description="How many it has started.")
    campaign_name: str
    created_at: str
    paused_at: str | None = Field(description="Null if it is active.")
    next_at: str | None = Field(description="The next due time, in UTC; null if it is paused or has started all.")
    error: str = Field(default="", description="Why the coordinator paused it.")
    series: str | None = Field(default=None, description="The series of its campaigns, after the first one has ended.")
    runs: tuple[ScheduleRun, ...] = Field(description="The newest first.")

    @property
    def is_finished(self) -> bool:
        """True if it has started all of its campaigns."""
        return self.times is not None and self.started >= self.times
