"""The figures that workloads and datapaths declare besides the usual ones, by cell: means over valid trials. Pure."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from coordinator.analysis.inference.statistics import interval
from coordinator.analysis.trials.block_trials import BlockTrials, LeftOutTrials
from coordinator.analysis.trials.campaign_results import CampaignResults
from coordinator.scheduling.digests import DeclaredKey, TrialDigest
from domain.campaigns.campaign import Cell
from domain.reports.report import MIN_PAIRS
from domain.trials.figures import MAX_FIGURES, CellFigure
from domain.values.texts import significant_text

_Values = Mapping[int, float]
"""By the place of the block."""

_ROUNDING = 1 + 1e-9
_CAUTIOUS_FROM = 1.0


def declared_figures(data: CampaignResults) -> tuple[CellFigure, ...]:
    """By cell, in the order in which the trials declare them. Most campaigns have none, and cost nothing here."""
    cells = (cell for cell in data.campaign.cells if _has_declared(data, cell))
    return tuple(figure for cell in cells for figure in _of_cell(data, cell))


def _of_cell(data: CampaignResults, cell: Cell) -> Iterator[CellFigure]:
    blocks = data.blocks[cell.workload, cell.level]
    own = _by_key(blocks, cell.datapath)
    limit = _by_key(blocks, data.limit) if data.limit not in (None, cell.datapath) else {}
    for key, values in own.items():
        numbers = list(values.values())
        yield CellFigure(
            **cell.model_dump(),
            name=key.name,
            title=key.title,
            unit=key.unit,
            trials=len(numbers),
            **_mean(numbers, "value", "low", "high", key),
            **(_added(values, limit.get(key, {})) if key.added else {}),
        )


def values_of(data: CampaignResults, cell: Cell, name: str) -> list[float]:
    """One figure of a cell's valid trials."""
    blocks = data.blocks.get((cell.workload, cell.level), [])
    return [value for key, values in _by_key(blocks, cell.datapath).items() if key.name == name
            for value in values.values()]  # fmt: skip


def declared_cautions(data: CampaignResults, cell: Cell) -> tuple[str, ...]:
    """Why the figures of all requests mislead in a cell, in sentences: ``17 % of its requests were …``."""
    if not _has_declared(data, cell):
        return ()
    blocks = data.blocks.get((cell.workload, cell.level), [])
    means = {key: math.fsum(values.values()) / len(values) for key, values in _by_key(blocks, cell.datapath).items()}
    return tuple(
        f"{significant_text(mean, 2)} {key.unit} {key.caution}"
        for key, mean in means.items()
        if key.caution and mean >= _CAUTIOUS_FROM
    )


def _has_declared(data: CampaignResults, cell: Cell) -> bool:
    """Whether any trial of the cell's level declares figures."""
    key = cell.workload, cell.level
    if key not in data.declaring:
        data.declaring[key] = any(map(_declares, data.blocks.get(key, [])))
    return data.declaring[key]


def _declares(block: Mapping[str, TrialDigest]) -> bool:
    """Whether a trial of any block has figures that its workload declares."""
    if isinstance(block, LeftOutTrials):
        return _declares(block.parts[0])
    if isinstance(block, BlockTrials):
        return any(one.declared for one in block.shape.trials)
    return any(trial.declared.keys for trial in block.values())


def _by_key(blocks: list[Mapping[str, TrialDigest]], label: str | None) -> dict[DeclaredKey, dict[int, float]]:
    """Values by the place of the block; of names that each block draws anew, those of the first :data:`MAX_FIGURES`."""
    found: dict[DeclaredKey, dict[int, float]] = {}
    for place, block in enumerate(blocks):
        if label is not None and label in block and (trial := block[label]).valid:
            for key, value in zip(*trial.declared, strict=True):
                if key in found or len(found) < MAX_FIGURES:
                    found.setdefault(key, {})[place] = value
    return found


def _added(own: _Values, limit: _Values) -> dict[str, Any]:
    differences = [value - limit[place] for place, value in own.items() if place in limit]
    return _mean(differences, "added", "added_low", "added_high") if differences else {}


def _mean(values: list[float], mean: str, low: str, high: str, key: DeclaredKey | None = None) -> dict[str, float]:
    """Student's t from five values on; ``key`` says which values the mean cannot have."""
    found = {mean: math.fsum(values) / len(values)}
    estimate = interval(values) if len(values) >= MIN_PAIRS else None
    if estimate is None or min(values) == max(values):  # nothing says how much they scatter
        return found
    least, most = _limits(key, values) if key else (-math.inf, math.inf)
    return found | {low: max(least, estimate.low), high: min(most, estimate.high)}


def _limits(key: DeclaredKey, values: list[float]) -> tuple[float, float]:
    """What the figure declares; values that contradict it count for more."""
    least = -math.inf if key.signed or min(values) < 0 else 0.0
    most = math.inf if key.most is None or max(values) > key.most * _ROUNDING else key.most
    return least, most
