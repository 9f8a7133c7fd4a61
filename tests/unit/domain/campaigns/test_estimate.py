"""What a campaign takes and shows, in lines."""

from domain.campaigns.campaign import read_campaign
from domain.campaigns.estimate import estimate_of
from domain.reports.planning import Plan


def estimate(most_blocks: int = 6, datapaths: tuple[str, ...] = ("direct", "tproxy"), **more: object):
    data = {"name": "x", "datapaths": datapaths, "levels": {"a": "closed(8)", "b": "open(50%)"}, "blocks": 6} | more
    plan = Plan(
        blocks=6, most_blocks=most_blocks, looks=1, duration_s=460.0, primary=1, sentences=("CPU: 6 blocks find 3 %.",)
    )
    return estimate_of(read_campaign(data), plan, ("vm",))


def test_the_size_has_blocks_time_and_host() -> None:
    campaign = read_campaign({"name": "x", "datapaths": ["direct"], "levels": {"a": "open(50%)"}})
    found = estimate()
    total = 12 + campaign.calibration_blocks
    assert found.size == f"{total} blocks ({campaign.calibration_blocks} of them calibration), about 7 min 40 s on vm."
    assert found.lines == (found.size, "CPU: 6 blocks find 3 %.")


def test_a_budget_is_a_limit() -> None:
    assert "then more until the budget is spent: at most about 7 min 40 s on vm." in estimate(budget="10 min").size


def test_it_warns_below_five_pairs() -> None:
    assert estimate(5).warnings == ()
    (warning,) = estimate(4).warnings
    assert "needs 5 pairs, and 4 blocks per level give at most 4" in warning
    assert "1 block per level gives at most 1" in estimate(1).warnings[0]
    assert "not compared" in estimate(datapaths=("direct",)).warnings[0]
