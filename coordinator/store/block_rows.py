"""A planned block as a row."""

from coordinator.scheduling.lifecycle import BlockState
from coordinator.scheduling.records import SearchStep
from coordinator.store.models import BlockRow
from domain.block import PlannedBlock
from domain.load import CapacityLoad, ShareLoad


def waits_for_a_rate(block: PlannedBlock) -> bool:
    """Whether the block's rate depends on the capacity, which calibration finds first."""
    return isinstance(block.load, (ShareLoad, CapacityLoad))


def row_of(campaign_id: str, block: PlannedBlock, *, held: bool) -> BlockRow:
    """The row of a block that waits for its turn, or is ``held`` until its rate is known."""
    return BlockRow(
        id=f"{campaign_id}-{block.index}",
        campaign_id=campaign_id,
        index=block.index,
        workload=block.workload,
        level=block.level,
        host=block.host,
        state=BlockState.HELD if held else BlockState.WAITING,
        plan=block,
        chain=block.chain,
        step=block.step,
        calibration=block.calibration,
    )


def search_step(block: BlockRow) -> SearchStep | None:
    """The block's place in its search; ``None`` if it is no step of one."""
    if block.chain is None or block.step is None:
        return None
    return SearchStep(block.chain, block.step, block.rates, block.state in (BlockState.DONE, BlockState.FAILED))
