"""What came of an ended campaign: answered, partly answered, or nothing measured. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from coordinator.scheduling.lifecycle import CampaignState
from domain.reports.outcome import CampaignOutcome, Outcome, is_explained
from domain.reports.report import MIN_PAIRS, CellResult
from domain.values.texts import counted


def outcome_of(record: Mapping[str, Any], cells: Sequence[CellResult]) -> CampaignOutcome | None:
    """The outcome of the campaign in ``record``, a summary of it; ``None`` until it has ended.

    A cell is settled if its figures are from five blocks or more, or if it is a result that it has none.
    """
    state = CampaignState(record.get("state") or CampaignState.COMPLETE)
    if not state.ended:
        return None
    failed, total = int(record.get("blocks_failed") or 0), int(record.get("blocks_total") or 0)
    if state is CampaignState.FAILED:
        return CampaignOutcome(word=Outcome.FAILED, sentence=record.get("error") or "no block could be measured")
    if state is CampaignState.CANCELLED:
        done = f"cancelled after {record.get('blocks_done') or 0} of {counted(total, 'block')}"
        return CampaignOutcome(word=Outcome.CANCELLED, sentence=done)
    lost = f"; {failed} of {counted(total, 'block')} failed" if failed else ""
    settled = sum(map(_is_settled, cells))
    if not any(cell.valid_trials or is_explained(cell) for cell in cells):
        return CampaignOutcome(word=Outcome.NOTHING, sentence=f"no trial is valid{_most_common(cells)}{lost}")
    if settled == len(cells) and not failed:
        return CampaignOutcome(
            word=Outcome.ANSWERED, sentence="every cell has its figures, or its overload or bound as a result"
        )
    enough = f"{settled} of {counted(len(cells), 'cell')} {'has' if settled == 1 else 'have'} figures from {MIN_PAIRS}"
    return CampaignOutcome(word=Outcome.PARTLY, sentence=f"{enough} blocks or more{lost}")


def _is_settled(cell: CellResult) -> bool:
    if cell.is_capacity:
        return cell.valid_trials > 0 or is_explained(cell)
    overloaded = cell.overloaded.trials if cell.overloaded else 0
    return is_explained(cell) or cell.valid_trials + overloaded >= MIN_PAIRS


def _most_common(cells: Sequence[CellResult]) -> str:
    reasons = Counter(cell.invalid_for for cell in cells if cell.invalid_for)
    return f"; the most common reason is {max(reasons, key=reasons.__getitem__).text}" if reasons else ""
