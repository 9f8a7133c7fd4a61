"""Pure: a campaign and a seed → its blocks, each with its order of slices.

Slow drift of a machine must cancel (METHOD, "Design of a campaign"), within a block and over the campaign:
blocks come in rounds that hold each (workload, level) once, so an interrupted campaign is balanced too; slices come
in rounds that hold each datapath once, every second one reversed, in rows of a Williams square, so that over the
blocks every datapath stands at every position equally often and follows every other one alike.

Where a level is a share of capacity, blocks that find the capacity come first: one per workload and host that shares
of it run on. A capacity within an SLO is searched for in a chain of steps, blocks that follow one another on one host.
"""

import random
from collections.abc import Iterator, Sequence

from domain.campaign import CALIBRATION, SEARCH_STEPS, Campaign
from domain.load import CapacityLoad, ShareLoad
from domain.trial import PlannedBlock


def plan(campaign: Campaign, hosts: Sequence[str], seed: int) -> tuple[PlannedBlock, ...]:
    """All blocks of a campaign in the order in which they are dispatched; the same for the same seed.

    Raises ``ValueError`` without hosts, or with seed 0: that one means "draw one", and the caller records it.
    """
    if not hosts:
        raise ValueError("a campaign needs a host")
    if not seed:
        raise ValueError("draw a seed first")
    rng = random.Random(seed)  # noqa: S311 (an order that can be repeated, not a secret)
    shapes = [(workload, level) for workload in campaign.workloads for level in campaign.levels]
    searched = {name for name, load in campaign.levels.items() if isinstance(load, CapacityLoad)}
    uncounted = bool(campaign.probes) + campaign.flame_graphs  # slices; none in a search, whose blocks are many
    orders = {
        shape: _slice_orders(campaign.labels, campaign.slices + uncounted * (shape[1] not in searched), rng)
        for shape in shapes
    }
    first_host = {shape: rng.randrange(len(hosts)) for shape in shapes}
    blocks: list[PlannedBlock] = []
    for round_number in range(campaign.blocks):
        rng.shuffle(shapes)
        for workload, level in shapes:
            blocks += [
                PlannedBlock(
                    index=0,
                    workload=workload,
                    level=level,
                    load=campaign.levels[level],
                    datapaths=campaign.labels,
                    order=next(orders[workload, level]),
                    probed=len(campaign.labels) if campaign.probes and level not in searched else 0,
                    profiled=len(campaign.labels) if campaign.flame_graphs and level not in searched else 0,
                    host=hosts[(first_host[workload, level] + round_number) % len(hosts)],
                    parameters=campaign.parameters.get(workload, {}),
                    clients=campaign.clients,
                    chain=None if step is None else round_number,
                    step=step,
                )
                for step in (range(SEARCH_STEPS) if level in searched else (None,))
            ]
    calibrations = _calibrations(campaign, blocks, random.Random(seed))  # noqa: S311 (as above)
    ordered = [*calibrations, *blocks]
    return tuple(block.model_copy(update={"index": index}) for index, block in enumerate(ordered))


def _calibrations(campaign: Campaign, blocks: Sequence[PlannedBlock], rng: random.Random) -> list[PlannedBlock]:
    """One block per (workload, host) that must know its capacity; a generator of their own leaves ``blocks`` alone."""
    waiting = {name for name, load in campaign.levels.items() if isinstance(load, (ShareLoad, CapacityLoad))}
    used = dict.fromkeys((block.workload, block.host) for block in blocks if block.level in waiting)
    orders = _slice_orders(campaign.labels, campaign.calibration_slices, rng)
    return [
        PlannedBlock(
            index=0,
            workload=workload,
            level=CALIBRATION,
            load=campaign.calibration_load,
            datapaths=campaign.labels,
            order=next(orders),
            host=host,
            parameters=campaign.parameters.get(workload, {}),
            clients=campaign.clients,
            calibration=True,
        )
        for workload, host in sorted(used, key=lambda pair: (campaign.workloads.index(pair[0]), pair[1]))
    ]


def _slice_orders(labels: Sequence[str], slices: int, rng: random.Random) -> Iterator[tuple[str, ...]]:
    """Endless orders of one block's slices, balanced over consecutive blocks."""
    rounds = _rounds(labels, rng)
    while True:
        yield tuple(label for _ in range(slices) for label in next(rounds))


def _rounds(labels: Sequence[str], rng: random.Random) -> Iterator[tuple[str, ...]]:
    """Endless permutations: the rows of a Williams square in shuffled order, each then reversed (A B C, C B A)."""
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
    """A Latin square in which neighbours vary: each row is the zigzag 0, 1, n-1, 2, n-2 … moved on by one.

    Every number stands once at every position. For an even ``size`` each also follows every other exactly once; for an
    odd one that holds for the rows together with their reversals (E. J. Williams, 1949).
    """
    zigzag = [0]
    for step in range(1, size):
        zigzag.append((step + 1) // 2 if step % 2 else size - step // 2)
    return [tuple((value + row) % size for value in zigzag) for row in range(size)]
