"""The planner: reproducible, complete, and balanced so that drift cancels."""

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coordinator.scheduling.planner import plan, williams_rows
from domain.campaigns.campaign import Campaign, read_campaign
from domain.loads.capacity import SEARCH_STEPS
from domain.loads.duration import WATCHED_SLICE_S, WATCHED_WARM_UP_S
from domain.loads.searched import CALIBRATION_STEPS, CHECK_STEPS, CHECK_TRIALS, trials_of_step
from domain.trials.block import Block

VARIANTS = ("direct", "tproxy", "ebpf_sk_assign", "ebpf_redirect", "splice", "balance", "shape", "filter", "steer")


def make(datapaths: int = 4, levels: int = 3, workloads: int = 1, blocks: int = 6, slices: int = 2) -> Campaign:
    return read_campaign(
        {
            "name": "x",
            "datapaths": list(VARIANTS[:datapaths]),
            "workloads": [f"w{i}" for i in range(workloads)],
            "levels": {f"l{i}": f"closed({i + 1})" for i in range(levels)},
            "blocks": blocks,
            "slices": slices,
        }
    )


campaigns = st.builds(
    make, st.integers(1, 9), st.integers(1, 4), st.integers(1, 3), st.integers(1, 12), st.integers(1, 12)
)
host_lists = st.lists(st.sampled_from(["a", "b", "c", "d"]), min_size=1, unique=True)
seeds = st.integers(1, 2**31 - 1)


@settings(max_examples=60, deadline=None)
@given(campaigns, host_lists, seeds)
def test_every_plan_is_complete_and_balanced(campaign: Campaign, hosts: list[str], seed: int) -> None:
    blocks = plan(campaign, hosts, seed)
    assert [b.index for b in blocks] == list(range(campaign.total_blocks))
    shapes = [(b.workload, b.level) for b in blocks]
    assert set(Counter(shapes).values()) == {campaign.blocks}
    per_round = len(campaign.workloads) * len(campaign.levels)
    for begin in range(0, len(blocks), per_round):  # an interrupted campaign is balanced too
        assert len(set(shapes[begin : begin + per_round])) == per_round
    for block in blocks:
        assert block.load == campaign.levels[block.level]
        assert block.datapaths == campaign.labels
        assert Counter(block.order) == dict.fromkeys(campaign.labels, campaign.slices)
        size = len(campaign.labels)
        for begin in range(0, len(block.order), size):
            assert len(set(block.order[begin : begin + size])) == size  # each round has each datapath once
    for shape in set(shapes):
        used = Counter(b.host for b in blocks if (b.workload, b.level) == shape)
        counts = [used[h] for h in hosts]
        assert max(counts) - min(counts) <= 1


@settings(max_examples=30, deadline=None)
@given(campaigns, host_lists, seeds)
def test_a_seed_gives_one_plan(campaign: Campaign, hosts: list[str], seed: int) -> None:
    assert plan(campaign, hosts, seed) == plan(campaign, hosts, seed)


def test_another_seed_gives_another_plan() -> None:
    campaign = make()
    plans = {str(plan(campaign, ["a"], seed)) for seed in range(1, 51)}
    assert len(plans) == 50


def test_this_seed_gives_this_plan_forever() -> None:
    # Every later version must reproduce the campaign of a recorded seed.
    blocks = plan(make(datapaths=3, levels=2, blocks=2), ["a"], 20260101)
    assert [(b.level, "".join(label[0] for label in b.order)) for b in blocks] == [
        ("l0", "dteetd"),
        ("l1", "detted"),
        ("l1", "etddte"),
        ("l0", "edttde"),
    ]


@pytest.mark.parametrize("datapaths", [2, 3, 4])
def test_every_lab_is_built_at_every_place_equally_often(datapaths: int) -> None:
    blocks = plan(make(datapaths=datapaths, levels=2, blocks=2 * datapaths), ["a"], 7)
    for level in ("l0", "l1"):
        builds = [block.build for block in blocks if block.level == level]
        assert len(set(builds)) > 1
        places = Counter((label, place) for build in builds for place, label in enumerate(build))
        assert set(places.values()) == {2}
        assert len(places) == datapaths**2


def test_the_order_of_building_comes_from_the_seed_and_not_from_the_order_of_slices() -> None:
    plans = [plan(make(blocks=4), ["a"], seed) for seed in range(1, 40)]
    assert len({tuple(block.build for block in blocks) for blocks in plans}) > 35
    blocks = [block for one in plans for block in one]
    first_in_both = sum(block.build[0] == block.order[0] for block in blocks)
    assert 0.15 < first_in_both / len(blocks) < 0.35  # a quarter, by chance


def slice_orders(blocks: tuple[Block, ...]) -> list[tuple[str, ...]]:
    return [b.order for b in blocks]


@pytest.mark.parametrize("datapaths", range(2, 10))
def test_linear_drift_cancels_within_a_block_of_even_slices(datapaths: int) -> None:
    for order in slice_orders(plan(make(datapaths=datapaths, levels=1, slices=4), ["a"], 5)):
        middle: dict[str, float] = {}
        for position, label in enumerate(order):
            middle[label] = middle.get(label, 0.0) + position
        assert len(set(middle.values())) == 1  # every datapath's mean time is the middle of the block


@pytest.mark.parametrize("datapaths", range(2, 10))
def test_every_datapath_is_at_every_position_equally_often(datapaths: int) -> None:
    blocks = plan(make(datapaths=datapaths, levels=1, blocks=datapaths * 2, slices=2), ["a"], 9)
    positions = Counter((label, position) for order in slice_orders(blocks) for position, label in enumerate(order))
    assert set(positions.values()) == {2}
    assert len(positions) == datapaths * datapaths * 2


@pytest.mark.parametrize("size", range(2, 12))
def test_williams_rows_balance_positions_and_neighbours(size: int) -> None:
    rows = williams_rows(size)
    for position in range(size):
        assert {row[position] for row in rows} == set(range(size))
    both_ways = rows + [row[::-1] for row in rows]
    follows = Counter(pair for row in both_ways for pair in pairwise(row))
    assert set(follows.values()) == {2}
    assert len(follows) == size * (size - 1)
    if size % 2 == 0:
        assert set(Counter(pair for row in rows for pair in pairwise(row)).values()) == {1}


def test_an_a_a_campaign_labels_its_copies() -> None:
    campaign = read_campaign({"name": "x", "datapaths": ["direct", "direct"], "levels": {"low": "closed(1)"}})
    assert set(plan(campaign, ["a"], 1)[0].order) == {"direct", "direct#2"}


def test_it_asks_for_hosts_and_a_seed() -> None:
    with pytest.raises(ValueError, match="host"):
        plan(make(), [], 1)
    with pytest.raises(ValueError, match="seed"):
        plan(make(), ["a"], 0)


def test_probes_get_a_round_of_slices_of_their_own_at_the_end() -> None:
    watched = make(datapaths=3, levels=1, slices=2).model_copy(update={"probes": ("run_queue",)})
    for block in plan(watched, ["a"], 3):
        assert block.probed == 3
        assert Counter(block.order) == dict.fromkeys(watched.labels, 3)
        assert set(block.order[-block.probed :]) == set(watched.labels)
    assert {b.probed for b in plan(make(datapaths=3, levels=1, slices=2), ["a"], 3)} == {0}


def shares(workloads: int = 2, blocks: int = 4, **more: object) -> Campaign:
    levels: object = {"low": "open(25%)", "middle": "closed(8)", "high": "open(90%)"}
    names = [f"w{i}" for i in range(workloads)]
    return read_campaign(
        {"name": "x", "datapaths": list(VARIANTS[:3]), "workloads": names, "levels": levels, "blocks": blocks, **more}
    )


def test_shares_of_capacity_begin_with_a_calibration_per_workload_and_host() -> None:
    campaign = shares(probes=["run_queue"], slices=2, slice_s=0.3)
    blocks = plan(campaign, ["a", "b"], 11)
    first = blocks[:4]
    assert [(b.workload, b.host) for b in first] == [("w0", "a"), ("w0", "b"), ("w1", "a"), ("w1", "b")]
    assert {(b.level, str(b.load), b.calibration, b.probed) for b in first} == {("calibration", "closed(8)", True, 0)}
    for block in first:  # at least two seconds of traffic
        assert Counter(block.order) == dict.fromkeys(campaign.labels, 7)
    open_blocks = 4 * (CALIBRATION_STEPS + CHECK_STEPS)
    assert campaign.calibration_blocks == (4 + open_blocks) / 2  # of each host
    assert [b.index for b in blocks] == list(range(campaign.total_blocks + 4 + open_blocks))
    rest = [b for b in blocks if not b.calibration]
    assert {(b.level, str(b.load)) for b in rest} == {(n, str(v)) for n, v in campaign.levels.items()}


def test_shares_search_in_the_open_loop_first_and_check_the_capacity_last() -> None:
    campaign = shares(levels={"low": "open(25%, constant) under no_gso", "high": "open(90%)"}, probes=["run_queue"])
    blocks = plan(campaign, ["a", "b"], 11)
    searching = blocks[4 : 4 + 4 * CALIBRATION_STEPS]
    assert [(b.workload, b.host, b.chain, b.step) for b in searching] == [
        (workload, host, chain, step)
        for workload in ("w0", "w1")
        for chain, host in enumerate(("a", "b"))
        for step in range(CALIBRATION_STEPS)
    ]
    checking = blocks[-4 * CHECK_STEPS :]
    assert [b.step for b in checking] == [CALIBRATION_STEPS, CALIBRATION_STEPS + 1] * 4
    for block, trials in [(b, 1) for b in searching] + [(b, CHECK_TRIALS) for b in checking]:
        assert (block.level, str(block.load), block.calibration, block.probed) == (
            *("calibration", "open(100%, constant)"),
            *(True, 0),
        )
        assert Counter(block.order) == dict.fromkeys(campaign.labels, trials)


def test_a_search_is_a_chain_of_steps_on_one_host_without_probes() -> None:
    campaign = shares(
        workloads=1, blocks=3, probes=["run_queue"], levels={"slo": "capacity(p99<=5ms)", "low": "closed(8)"}
    )
    blocks = plan(campaign, ["a", "b"], 11)
    assert len(blocks) == campaign.total_blocks + 2 == 3 * (SEARCH_STEPS + 1) + 2
    assert [(b.host, b.calibration) for b in blocks[:2]] == [("a", True), ("b", True)]
    steps = [b for b in blocks if b.level == "slo"]
    assert [(b.chain, b.step) for b in steps] == [(c, s) for c in range(3) for s in range(SEARCH_STEPS)]
    for chain in range(3):
        of_chain = [b for b in steps if b.chain == chain]
        assert [b.index for b in of_chain] == list(range(of_chain[0].index, of_chain[0].index + SEARCH_STEPS))
        assert len({b.host for b in of_chain}) == 1
        assert {b.probed for b in of_chain} == {0}
        for block in of_chain:
            assert Counter(block.order) == dict.fromkeys(campaign.labels, trials_of_step(block.step or 0))
    assert {(b.chain, b.step, b.probed) for b in blocks if b.level == "low"} == {(None, None, 3)}


@pytest.mark.parametrize(("term", "steps"), [("", SEARCH_STEPS), ("steps<=4, ", 4), ("steps<=25, ", 25)])
def test_a_level_may_have_fewer_searches_than_blocks_each_of_as_many_steps_as_it_says(term: str, steps: int) -> None:
    level = f"capacity(p99<=5ms, {term}searches=1)"
    campaign = shares(workloads=1, blocks=4, levels={"slo": level, "low": "closed(8)"})
    blocks = plan(campaign, ["a"], 11)
    assert Counter(b.level for b in blocks) == {"calibration": 1, "slo": steps, "low": 4}
    assert len(blocks) == campaign.total_blocks + 1
    assert {b.chain for b in blocks if b.level == "slo"} == {0}


def test_a_host_that_runs_no_share_calibrates_nothing() -> None:
    blocks = plan(shares(workloads=1, blocks=1), ["a", "b", "c", "d"], 5)
    used = {b.host for b in blocks if str(b.load).startswith("open")}
    assert {b.host for b in blocks if b.calibration} == used
    assert not any(b.calibration for b in plan(make(), ["a"], 5))


def test_the_calibration_changes_nothing_of_the_plan_that_follows() -> None:
    campaign = shares()
    fixed = {"low": "open(10)", "middle": "closed(8)", "high": "open(20)"}
    other = read_campaign(campaign.model_dump(mode="json") | {"levels": fixed})
    ours = [b for b in plan(campaign, ["a"], 3) if not b.calibration]
    assert [(b.workload, b.level, b.order) for b in ours] == [
        (b.workload, b.level, b.order) for b in plan(other, ["a"], 3)
    ]


def test_flame_graphs_take_a_slice_of_their_own_behind_the_watched_ones() -> None:
    plain = make(datapaths=3, levels=1, slices=2)
    drawn = plain.model_copy(update={"probes": ("run_queue",), "flame_graphs": True})
    for block in plan(drawn, ["a"], 3):
        assert (block.probed, block.profiled, len(block.order)) == (3, 3, 12)
        assert set(block.order[-3:]) == set(block.order[-6:-3]) == set(drawn.labels)
    # Watched slices have a warm-up and are longer.
    more_s = drawn.total_blocks * len(drawn.labels) * (WATCHED_WARM_UP_S + WATCHED_SLICE_S - drawn.slice_s)
    assert drawn.traffic_s == pytest.approx(make(datapaths=3, levels=1, slices=4).traffic_s + more_s)
