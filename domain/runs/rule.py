"""Rules: when a figure of a series is to be reported as a regression, and the receivers of the report."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from domain.loads.metric import Metric
from domain.runs.comparison import COLUMNS
from domain.values.bounds import NO_NUL
from domain.values.frozen import Frozen
from domain.values.names import EmailAddress, Label, Name, SeriesId

MAX_RULES = 500
MAX_EMAILS = 5
BASELINE = 10
"""Campaigns before the newest one, which is compared with their mean."""
MIN_BASELINE = 5

WebhookUrl = Annotated[str, StringConstraints(strip_whitespace=True, max_length=500, pattern=NO_NUL)]


class Direction(StrEnum):
    """Which changes count."""

    WORSE = "worse"  # lower for a rate, higher for a cost or a time
    HIGHER = "higher"
    LOWER = "lower"


class NewRule(Frozen):
    """A rule as its user writes it."""

    series: SeriesId = Field(description="The id of a series.")
    workload: Name
    level: Name
    datapath: Label
    reference: Label | None = Field(
        default=None, description="If given, the ratio to this datapath within blocks is watched, not the figure."
    )
    metric: Metric
    percent: float = Field(default=5.0, gt=0, le=1000, description="A smaller change is not reported.")
    direction: Direction = Direction.WORSE
    webhook: WebhookUrl | None = Field(default=None, description="Where the event is posted to.")
    email: tuple[EmailAddress, ...] = Field(default=(), max_length=MAX_EMAILS, description="Who gets a mail.")

    @property
    def figure(self) -> str:
        """What it watches, in words."""
        relative = f" ÷ {self.reference}" if self.reference else ""
        metric = COLUMNS.get(self.metric, self.metric.value)
        return f"{metric} of {self.datapath}{relative} at {self.level} of {self.workload}"


class RuleChanges(Frozen):
    """What to change of a rule; an absent field stays. What it watches stays: add a rule for another trend."""

    percent: float | None = Field(default=None, description="A smaller change is not reported.")
    direction: Direction | None = None
    webhook: WebhookUrl | None = Field(default=None, description="Where the event is posted to; null: nowhere.")
    email: tuple[EmailAddress, ...] | None = Field(
        default=None, max_length=MAX_EMAILS, description="Who gets a mail, instead of those before."
    )


class Attempt(Frozen):
    """One attempt to deliver a message."""

    at: str
    outcome: str
    took_s: float


class Delivery(Frozen):
    """One message of an event to one receiver."""

    id: str = Field(description="In the header Showdown-Delivery or Message-ID; the same in each attempt.")
    channel: str = Field(description="webhook or email.")
    target: str
    state: str = Field(description="pending, sent or failed.")
    next_at: str | None = Field(description="When it is tried next; null if it is sent or failed.")
    attempts: tuple[Attempt, ...]


class RegressionEvent(Frozen):
    """A campaign in which a rule found a regression."""

    id: str
    campaign: str
    at: str
    sentence: str
    deliveries: tuple[Delivery, ...]


class Rule(NewRule):
    """A rule with the events that it made."""

    id: str
    created_at: str
    regressed_since: str | None = Field(description="The campaign since which the figure is regressed; or null.")
    error: str = Field(default="", description="Why the rule could not judge the newest campaign.")
    events: tuple[RegressionEvent, ...] = Field(description="The newest first, at most 20.")
