"""From a campaign and a seed to its blocks, each with its order of slices. Pure.

The slow drift of a host must cancel within a block and over the campaign (docs/method.md). Blocks come in rounds that
run each (workload, level) once, so an interrupted campaign is balanced, too. Slices come in rounds that run each
datapath once; every second round is reversed. The rounds are rows of a Williams square, so over the blocks every
datapath has every position, and follows every other datapath, equally often. The order in which labs are built is
shuffled likewise, for each block. With it go addresses, names and the start of programs, none of which may stay with
one datapath (Mytkowicz et al., 2009).

If a level depends on the capacity, calibration blocks come first: one in a closed loop per workload and host that runs
such a level. With shares, a chain of steps in the open loop follows on each host, and blocks that check the capacity
come last. A capacity within an SLO is searched for in a chain of steps: consecutive blocks on one host.

Rounds that are added later have the same balanced orders. In a campaign with a focus they measure its datapaths only.
"""

import random
from collections.abc import Collection, Iterator, Sequence
from itertools import cycle, repeat

from coordinator.scheduling.calibration import calibration_load
from domain.campaigns.campaign import CALIBRATION, Campaign
from domain.campaigns.focus import added_labels, added_levels, added_slices
from domain.loads.load import CapacityLoad, ShareLoad
from domain.loads.probed import watched_levels
from domain.loads.searched import (
    CALIBRATION_STEPS,
    CHECK_STEPS,
    CHECK_TRIALS,
    searches_of,
    shares_of,
    trials_of_step,
)
from domain.trials.block import PlannedBlock


def plan(campaign: Campaign, hosts: Sequence[str], seed: int) -> tuple[PlannedBlock, ...]:
    """All blocks of a campaign in dispatch order; the same seed gives the same order.

    Raises ``ValueError`` without hosts, or with seed 0, which means "draw one"; the caller draws and records it.
    """
    if not hosts:
        raise ValueError("a campaign needs a host")
    if not seed:
        raise ValueError("draw a seed first")
    rng = random.Random(seed)  # noqa: S311 (a reproducible order, not a secret)
    shapes = [(workload, level) for workload in campaign.workloads for level in campaign.levels]
    orders = {
        (workload, level): _slice_orders(campaign.labels, _slices_of_blocks(campaign, level), rng)
        for workload, level in shapes
    }
    first_host = {shape: rng.randrange(len(hosts)) for shape in shapes}
    blocks: list[PlannedBlock] = []
    watched = watched_levels(campaign)
    for round_number in range(campaign.blocks):
        rng.shuffle(shapes)
        for shape in shapes:
            searched = campaign.levels[shape[1]]
            if isinstance(searched, CapacityLoad) and round_number >= searches_of(searched, campaign.blocks):
                continue
            host = hosts[(first_host[shape] + round_number) % len(hosts)]
            blocks += _round_blocks(campaign, shape, round_number, host, orders[shape], watched)
    calibrations = _calibrations(campaign, blocks, random.Random(seed))  # noqa: S311 (as above)
    checks = [block for block in calibrations if (block.step or 0) >= CALIBRATION_STEPS]
    return _numbered([*(block for block in calibrations if block not in checks), *blocks, *checks], seed)


def more_blocks(
    campaign: Campaign, hosts: Sequence[str], seed: int, rounds: tuple[int, int]
) -> tuple[PlannedBlock, ...]:
    """The blocks of later rounds, from the first of ``rounds`` to before the second, in the same balanced orders.

    They have no searches and no calibration: those belong to the planned blocks. The caller numbers them.
    """
    if campaign.focus:
        return _focused_blocks(campaign, hosts, seed, rounds)
    seen: dict[tuple[str, str], int] = {}
    found = []
    for block in plan(campaign.model_copy(update={"blocks": rounds[1]}), hosts, seed):
        if not block.calibration and block.chain is None:
            shape = block.workload, block.level
            seen[shape] = seen.get(shape, 0) + 1
            if seen[shape] > rounds[0]:
                found.append(block)
    return tuple(found)


def _focused_blocks(
    campaign: Campaign, hosts: Sequence[str], seed: int, rounds: tuple[int, int]
) -> tuple[PlannedBlock, ...]:
    """The blocks of later rounds of the campaign's focus; they have orders, and a generator, of their own."""
    rng = random.Random(f"focus {seed}")  # noqa: S311 (a reproducible order, not a secret)
    shapes = [(workload, level) for workload in campaign.workloads for level in added_levels(campaign)]
    labels = added_labels(campaign)
    beside = tuple(label for label in campaign.labels if label not in labels)
    orders = {shape: _slice_orders(labels, repeat(added_slices(campaign)), rng) for shape in shapes}
    first_host = {shape: rng.randrange(len(hosts)) for shape in shapes}
    blocks: list[PlannedBlock] = []
    for round_number in range(campaign.blocks, rounds[1]):
        rng.shuffle(shapes)
        for shape in shapes:
            host = hosts[(first_host[shape] + round_number) % len(hosts)]
            (block,) = _round_blocks(campaign, shape, round_number, host, orders[shape], ())
            only = {"datapaths": labels, "beside": beside, "probed": 0, "profiled": 0}
            blocks.append(block.model_copy(update=only))
    skipped = (rounds[0] - campaign.blocks) * len(shapes)
    return _numbered(blocks, seed)[skipped:]


def _numbered(blocks: Sequence[PlannedBlock], seed: int) -> tuple[PlannedBlock, ...]:
    """The blocks in their order, each with its order of building; a separate generator does not change the rest."""
    rng = random.Random(f"build {seed}")  # noqa: S311 (a reproducible order, not a secret)
    builds: dict[tuple[str, str], Iterator[tuple[str, ...]]] = {}
    numbered = []
    for index, block in enumerate(blocks):
        orders = builds.setdefault((block.workload, block.level), _rounds(block.datapaths, rng))
        numbered.append(block.model_copy(update={"index": index, "build": next(orders)}))
    return tuple(numbered)


def _slices_of_blocks(campaign: Campaign, level: str) -> Iterator[int]:
    """Slices per datapath of consecutive blocks, with the uncounted ones; a search has none of these."""
    load = campaign.levels[level]
    if isinstance(load, CapacityLoad):
        return cycle(map(trials_of_step, range(load.steps)))
    return repeat(campaign.slices + (level in watched_levels(campaign)) + campaign.flame_graphs)


def _round_blocks(
    campaign: Campaign,
    shape: tuple[str, str],
    round_number: int,
    host: str,
    orders: Iterator[tuple[str, ...]],
    watched: Collection[str],
) -> list[PlannedBlock]:
    """The blocks of one (workload, level) in one round: one, or all steps of a search. ``watched``: levels."""
    workload, level = shape
    load = campaign.levels[level]
    searched = isinstance(load, CapacityLoad)
    probed = len(campaign.labels) if level in watched else 0
    return [
        PlannedBlock(
            index=0,
            workload=workload,
            level=level,
            load=load,
            datapaths=campaign.labels,
            order=next(orders),
            probed=probed,
            profiled=len(campaign.labels) if campaign.flame_graphs and not searched else 0,
            host=host,
            parameters=campaign.parameters.get(workload, {}),
            clients=campaign.clients,
            chain=round_number if searched else None,
            step=step,
        )
        for step in (range(load.steps) if isinstance(load, CapacityLoad) else (None,))
    ]


def _calibrations(campaign: Campaign, blocks: Sequence[PlannedBlock], rng: random.Random) -> list[PlannedBlock]:
    """The blocks in a closed loop, those of the searches in an open one, and those that check the capacity at the end.

    Per (workload, host) that needs a capacity; a separate generator does not change ``blocks``.
    """
    waiting = {name for name, load in campaign.levels.items() if isinstance(load, (ShareLoad, CapacityLoad))}
    used = dict.fromkeys((block.workload, block.host) for block in blocks if block.level in waiting)
    places = sorted(used, key=lambda pair: (campaign.workloads.index(pair[0]), pair[1]))
    orders = _slice_orders(campaign.labels, repeat(campaign.calibration_slices), rng)
    closed = [_calibration_block(campaign, *place, next(orders)) for place in places]
    shared = {block.workload for block in blocks if block.level in shares_of(campaign.levels)}
    hosts = sorted({host for _, host in places})
    steps = [1] * CALIBRATION_STEPS + [CHECK_TRIALS] * CHECK_STEPS
    searching = _slice_orders(campaign.labels, cycle(steps), rng)
    searches = [
        _calibration_block(campaign, workload, host, next(searching)).model_copy(
            update={"load": calibration_load(campaign), "chain": hosts.index(host), "step": step}
        )
        for workload, host in places
        if workload in shared
        for step in range(len(steps))
    ]
    return closed + searches


def _calibration_block(campaign: Campaign, workload: str, host: str, order: tuple[str, ...]) -> PlannedBlock:
    return PlannedBlock(
        index=0,
        workload=workload,
        level=CALIBRATION,
        load=campaign.calibration_load,
        datapaths=campaign.labels,
        order=order,
        host=host,
        parameters=campaign.parameters.get(workload, {}),
        clients=campaign.clients,
        calibration=True,
    )


def _slice_orders(labels: Sequence[str], slices: Iterator[int], rng: random.Random) -> Iterator[tuple[str, ...]]:
    """Endless slice orders for blocks with so many ``slices`` per datapath, balanced over consecutive blocks."""
    rounds = _rounds(labels, rng)
    for count in slices:
        yield tuple(label for _ in range(count) for label in next(rounds))


def _rounds(labels: Sequence[str], rng: random.Random) -> Iterator[tuple[str, ...]]:
    """Endless permutations: the rows of a Williams square in random order, each followed by its reverse."""
    names = list(labels)
    rng.shuffle(names)
    rows = williams_rows(len(names))
    while True:
        rng.shuffle(rows)
        for row in rows:
            forward = tuple(names[position] for position in row)
            yield forward
            yield forward[::-1]


def williams_rows(size: int) -> list[tuple[int, ...]]:
    """A Latin square with varying neighbours: each row is the zigzag 0, 1, n-1, 2, n-2 … shifted by one.

    Every number occurs once at every position. For an even ``size`` each number also follows every other exactly once.
    For an odd one that holds for the rows together with their reverses (E. J. Williams, 1949).
    """
    zigzag = [0]
    for step in range(1, size):
        zigzag.append((step + 1) // 2 if step % 2 else size - step // 2)
    return [tuple((value + row) % size for value in zigzag) for row in range(size)]
