"""When a campaign looks at its data, as a pure function of widths and time."""

from typing import Any

import pytest

from coordinator.scheduling.next_look import after_look, first_looks
from domain.campaigns.campaign import MAX_BLOCKS, read_campaign
from domain.reports.looks import MAX_LOOKS, Looks

BASE = {"name": "x", "datapaths": ["direct", "tproxy"], "levels": {"low": "closed(8)"}, "slices": 2}
CAMPAIGN = read_campaign({**BASE, "precision": 0.02, "budget": "10 min"})


def step(looks: Looks, elapsed_s: float, excess: float | None = None, **more: Any) -> Looks:
    settings: dict[str, Any] = {"shapes": 2, "round_s": 10.0} | more
    return after_look(CAMPAIGN, looks, elapsed_s=elapsed_s, excess=excess, **settings)


def test_looks_are_spread_over_the_budget_and_the_last_one_spends_the_rest() -> None:
    looks, seen = first_looks(CAMPAIGN, 12), []
    while looks.next is not None:
        seen.append((looks.next.blocks, looks.next.until))
        looks = step(looks, elapsed_s=10.0 * looks.next.blocks)
    assert seen == [(6, 12), (20, 40), (34, 68), (47, 94), (60, 120)]
    shares = [look.share for look in looks.taken]
    assert shares == sorted(shares)
    assert shares[0] == pytest.approx(0.1)
    assert shares[-1] == 1
    assert len(shares) == MAX_LOOKS


def test_a_look_comes_where_the_intervals_should_be_narrow_enough() -> None:
    looks = step(first_looks(CAMPAIGN, 12), 60, excess=1.2)
    assert looks.next is not None
    assert looks.next.blocks == 10  # 6 × 1.2² × 1.1
    ended = step(looks, 100, excess=0.9)
    assert ended.next is None
    assert (ended.taken[-1].share, ended.taken[-1].narrow) == (1, True)


@pytest.mark.parametrize(
    "more", [{"elapsed_s": 595}, {"elapsed_s": 60, "shapes": 0}, {"elapsed_s": 60, "round_s": 9_999.0}]
)
def test_it_ends_where_no_block_fits_any_more(more: dict[str, Any]) -> None:
    looks = step(first_looks(CAMPAIGN, 12), **more)
    assert looks.next is None
    assert (looks.taken[-1].share, looks.taken[-1].narrow) == (1, False)


def test_limits_of_a_campaign_hold_for_added_blocks() -> None:
    looks = step(first_looks(CAMPAIGN, 1990), 60, round_s=0.1)
    assert looks.next is not None
    assert looks.next.until <= MAX_BLOCKS
