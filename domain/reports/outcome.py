"""What came of a campaign, and of its trials so far. The same words on every surface."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from pydantic import Field

from domain.hosts.busy import BusyProcess
from domain.reports.report import CellResult
from domain.trials.trial import Reason
from domain.values.frozen import Frozen

MOST_RETRIES = 5  # shown, the newest first
PAUSED_BY_USER = "a user paused it"
RESULTS = frozenset({Reason.OVERLOADED, Reason.BEYOND_BOUND})  # of a cell without a figure: an answer all the same
USELESS_ATTEMPTS = 6  # if a campaign's first attempts give no valid trial, it pauses after so many


class Outcome(StrEnum):
    """What an ended campaign is good for."""

    ANSWERED = "answered"
    PARTLY = "partly_answered"
    NOTHING = "nothing_measured"
    CANCELLED = "cancelled"
    FAILED = "failed"

    @property
    def text(self) -> str:
        """The word as shown to users."""
        return self.value.replace("_", " ")


class CampaignOutcome(Frozen):
    """The outcome of an ended campaign, and the sentence that explains it."""

    word: Outcome
    sentence: str


class Retry(Frozen):
    """An attempt that did not count, so that its block is measured again."""

    block: int = Field(description="The block's index, from 0.")
    attempt: int
    host: str
    reason: str = Field(description="Why, in words.")


class Tally(Frozen):
    """The trials so far, of all attempts; a trial of a search that shows a rate to be too high is valid."""

    valid: int = 0
    invalid: int = 0
    reasons: dict[Reason, int] = Field(default={}, description="Invalid trials by reason, the most common first.")
    retries: tuple[Retry, ...] = Field(default=(), description=f"The newest {MOST_RETRIES} of them, newest first.")
    retried: int = Field(default=0, description="How many attempts did not count.")
    busiest: tuple[BusyProcess, ...] = Field(
        default=(), description="The processes that disturbed most, with the mean share of the CPUs where they did."
    )


def is_explained(cell: CellResult) -> bool:
    """True if there is no figure and that is a result, not lost work.

    So it is if the datapath does not carry the load, or has a bound below the condition. So it is, too, if searches ran
    to their end and leave the capacity open: a caveat says between which rates.
    """
    return cell.valid_trials == 0 and (cell.invalid_for in RESULTS or cell.left_open)


def reasons_text(reasons: Mapping[Reason, int]) -> str:
    """Reasons with their counts: ``interference 36, steal 2``."""
    return ", ".join(f"{Reason(reason).value} {count:,}" for reason, count in reasons.items())


def state_text(campaign: Mapping[str, Any]) -> str:
    """The state, and the outcome if there is one: ``complete, nothing measured``; or that it is paused."""
    state = str(campaign.get("state") or "")
    if campaign.get("paused"):
        return f"{state}, paused"
    outcome = campaign.get("outcome")
    text = Outcome(outcome).text if outcome in set(Outcome) else ""
    return f"{state}, {text}" if text and text != state else state


def outcome_line(campaign: Mapping[str, Any]) -> str:
    """Why an ended campaign is not answered, as each surface says it: ``nothing measured: no trial is valid.``

    Empty before the end, and for an answer. ``campaign`` is a campaign's view, or the campaign in its report.
    """
    outcome, sentence = campaign.get("outcome"), str(campaign.get("outcome_sentence") or "").rstrip(".")
    if not sentence or outcome not in set(Outcome) or outcome == Outcome.ANSWERED:
        return ""
    return f"{Outcome(outcome).text}: {sentence}."
