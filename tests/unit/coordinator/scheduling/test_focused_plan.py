"""Added blocks of a campaign with a focus: only its datapaths and levels, in balanced orders from the seed."""

from collections import Counter
from typing import Any

from coordinator.scheduling.planner import more_blocks, plan
from domain.campaigns.campaign import Campaign, read_campaign
from domain.trials.block import PlannedBlock

LABELS = ("direct", "tproxy", "ebpf_sk_assign", "ebpf_redirect")
PAIR = ("tproxy", "ebpf_sk_assign")


def make(**more: Any) -> Campaign:
    base = {
        "name": "x",
        "datapaths": list(LABELS),
        "levels": {"quarter": "open(25%)", "half": "open(50%)", "slo": "capacity(p99<=5ms)", "low": "closed(8)"},
        "blocks": 5,
        "slices": 1,
        "probes": ["run_queue"],
        "flame_graphs": True,
        "budget": "2 h",
        "focus": list(PAIR),
        "focus_levels": ["quarter", "half"],
        "focus_slices": 2,
    }
    return read_campaign({**base, **more})


def added(campaign: Campaign, first: int = 5, last: int = 13) -> tuple[PlannedBlock, ...]:
    return more_blocks(campaign, ["a"], 7, (first, last))


def test_planned_blocks_measure_all_datapaths_and_added_ones_the_focus_only() -> None:
    campaign = make()
    assert {block.datapaths for block in plan(campaign, ["a"], 7)} == {LABELS}
    blocks = added(campaign)
    assert Counter(block.level for block in blocks) == {"quarter": 8, "half": 8}
    assert {block.datapaths for block in blocks} == {PAIR}
    assert {block.beside for block in blocks} == {("direct", "ebpf_redirect")}
    assert {(block.probed, block.profiled, block.chain, block.calibration) for block in blocks} == {(0, 0, None, False)}
    for start in range(0, len(blocks), 2):
        assert {block.level for block in blocks[start : start + 2]} == {"quarter", "half"}, "in rounds"


def test_probes_watch_at_the_levels_that_the_campaign_names() -> None:
    everywhere, some = (plan(make(**more), ["a"], 7) for more in ({}, {"probe_levels": ["half", "low"]}))
    assert {block.level for block in everywhere if block.probed} == {"quarter", "half", "low"}
    for block in some:
        watched = block.level in ("half", "low")
        assert block.probed == (len(LABELS) if watched else 0), block.level
        if block.level in ("quarter", "half", "low"):
            assert len(block.order) == len(LABELS) * (1 + watched + 1), "counted, watched and sampled slices"


def test_a_drift_cancels_within_a_focused_block_and_neither_datapath_is_always_first() -> None:
    orders = [block.order for block in added(make()) if block.level == "half"]
    assert set(orders) == {PAIR + PAIR[::-1], PAIR[::-1] + PAIR}, "A B B A, or B A A B"
    single = [block.order for block in added(make(focus_slices=1)) if block.level == "half"]
    assert Counter(single) == {PAIR: 4, PAIR[::-1]: 4}
    builds = Counter(block.build for block in added(make()) if block.level == "half")
    assert builds == {PAIR: 4, PAIR[::-1]: 4}


def test_the_rounds_of_later_looks_continue_those_of_earlier_ones() -> None:
    campaign = make()
    whole = added(campaign, 5, 11)
    assert added(campaign, 5, 7) + added(campaign, 7, 11) == tuple(
        block.model_copy(update={"index": block.index}) for block in whole
    )
    assert added(campaign, 5, 11) == whole
    assert more_blocks(campaign, ["a"], 8, (5, 11)) != whole


def test_hosts_take_turns() -> None:
    blocks = more_blocks(make(), ["a", "b"], 7, (5, 13))
    assert Counter((block.level, block.host) for block in blocks) == {
        (level, host): 4 for level in ("quarter", "half") for host in ("a", "b")
    }
