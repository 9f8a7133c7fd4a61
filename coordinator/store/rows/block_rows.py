"""A planned block as a row."""

from collections.abc import Callable, Mapping
from typing import Any

from coordinator.scheduling.lifecycle import BlockState
from coordinator.scheduling.records import SearchStep
from coordinator.store.rows.models import BlockRow
from domain.loads.load import CapacityLoad, ShareLoad
from domain.trials.block import PlannedBlock


def waits_for_a_rate(block: PlannedBlock) -> bool:
    """Whether the block's rate depends on the capacity, which calibration finds first."""
    return isinstance(block.load, (ShareLoad, CapacityLoad))


def row_of(campaign_id: str, block: PlannedBlock, *, held: bool) -> BlockRow:
    """The row of a block that waits for its turn, or is ``held`` until its rate is known."""
    return BlockRow(**values_of(campaign_id, block, held=held))


def values_of(campaign_id: str, block: PlannedBlock, *, held: bool) -> dict[str, Any]:
    """The same as a mapping: a campaign's blocks are inserted by one statement."""
    return {
        "id": f"{campaign_id}-{block.index}",
        "campaign_id": campaign_id,
        "index": block.index,
        "workload": block.workload,
        "level": block.level,
        "host": block.host,
        "state": BlockState.HELD if held else BlockState.WAITING,
        "plan": block,
        "chain": block.chain,
        "step": block.step,
        "calibration": block.calibration,
    }


def search_step(block: BlockRow) -> SearchStep | None:
    """The block's place in its search; ``None`` if it is no step of one."""
    return search_step_of(block.chain, block.step, block.state, lambda: block.rates)


def search_step_of(
    chain: int | None, step: int | None, state: str, rates: Callable[[], Mapping[str, int]]
) -> SearchStep | None:
    """The same, from a block's columns; ``rates`` are asked for only if it is a step."""
    if chain is None or step is None:
        return None
    return SearchStep(chain, step, rates(), state in (BlockState.DONE, BlockState.FAILED))
