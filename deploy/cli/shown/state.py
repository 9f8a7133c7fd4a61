"""The state of a campaign in words: its outcome, its trials, and what made blocks be measured again."""

from collections.abc import Iterator, Mapping
from typing import Any

from deploy.cli.rest.answers import read_answer
from domain.reports.outcome import Tally, reasons_text


def trial_lines(campaign: Mapping[str, Any]) -> Iterator[str]:
    """One line per fact about the campaign's trials; none without trials."""
    if sentence := campaign.get("outcome_sentence"):
        yield f"outcome: {sentence}"
    if campaign.get("paused"):
        yield f"paused: {campaign['paused']}"
        yield f"to go on: showdown resume {campaign['id']}; to end it: showdown cancel {campaign['id']}"
    tally = read_answer(Tally, campaign.get("tally") or {}, "the tally of trials")
    if tally.valid or tally.invalid:
        reasons = f" ({reasons_text(tally.reasons)}; see showdown explain REASON)" if tally.reasons else ""
        yield f"trials: {tally.valid:,} valid, {tally.invalid:,} invalid{reasons}"
    if tally.retries:
        last = tally.retries[0]
        yield f"measured again: {tally.retried:,}; last block {last.block}, attempt {last.attempt}: {last.reason}"
    if tally.busiest:
        yield f"busiest foreign processes: {', '.join(map(str, tally.busiest))} of the CPUs"


def drained_lines(campaign: Mapping[str, Any]) -> Iterator[str]:
    """A sentence for each drained host that blocks of the campaign wait for."""
    for host in campaign["progress"].get("drained") or ():
        yield f"waiting for {host}, which is drained and takes no new blocks; 'showdown hosts undrain {host}' ends that"
