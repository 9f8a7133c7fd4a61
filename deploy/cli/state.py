"""The state of a campaign in words: its outcome, its trials, and what made blocks be measured again."""

from collections.abc import Iterator, Mapping
from typing import Any

from domain.outcome import Outcome, Tally, reasons_text
from domain.texts import counted


def state_text(campaign: Mapping[str, Any]) -> str:
    """The state, and the outcome if there is one: ``complete, nothing measured``; or that it is paused."""
    state = str(campaign.get("state") or "")
    if campaign.get("paused"):
        return f"{state}, paused"
    outcome = campaign.get("outcome")
    text = Outcome(outcome).text if outcome in set(Outcome) else ""
    return f"{state}, {text}" if text and text != state else state


def trial_lines(campaign: Mapping[str, Any]) -> Iterator[str]:
    """One line per fact about the campaign's trials; none without trials."""
    if sentence := campaign.get("outcome_sentence"):
        yield f"outcome: {sentence}"
    if campaign.get("paused"):
        yield f"paused: {campaign['paused']}"
        yield f"to go on: showdown resume {campaign['id']}; to end it: showdown cancel {campaign['id']}"
    if campaign.get("blocks_failed"):
        yield f"failed: {counted(campaign['blocks_failed'], 'block')}"
    tally = Tally.model_validate(campaign.get("tally") or {})
    if tally.valid or tally.invalid:
        reasons = f" ({reasons_text(tally.reasons)}; see showdown explain REASON)" if tally.reasons else ""
        yield f"trials: {tally.valid:,} valid, {tally.invalid:,} invalid{reasons}"
    if tally.retries:
        last = tally.retries[0]
        yield f"measured again: {tally.retried:,}; last block {last.block}, attempt {last.attempt}: {last.reason}"
    if tally.busiest:
        yield f"busiest foreign processes: {', '.join(map(str, tally.busiest))} of the CPUs"
