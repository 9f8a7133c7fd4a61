"""A campaign that adds blocks, through the coordinator: its looks, its end, and words that come at a look only."""

import json
import math
from typing import Any

import numpy as np
import pytest
from sqlalchemy import text

from coordinator.store.rows.models import BlockRow
from tests.unit.coordinator.coordinator_app import CoordinatorApp, result

PAIR = ["tproxy", "ebpf_sk_assign"]
BLOCK_S = 10.0
FASTER = {"tproxy": 10_000, "ebpf_sk_assign": 20_000}


def submit(coordinator_app: CoordinatorApp, **changes: Any) -> str:
    coordinator_app.register()
    return coordinator_app.submit(**({"datapaths": PAIR, "blocks": 6} | changes))


def run_block(coordinator_app: CoordinatorApp, rates: dict[str, int] | None = None) -> None:
    """One block of ten seconds; both datapaths steer."""
    message = coordinator_app.last_sent()
    lease = coordinator_app.claim(message)
    coordinator_app.now += BLOCK_S - 0.5
    body = block_result(rates or dict.fromkeys(PAIR, 10_000))
    assert coordinator_app.call("report", message, {"lease": lease, "result": body}).status_code == 204
    coordinator_app.now += 0.5
    coordinator_app.register()  # workers report that they are online


def block_result(rates: dict[str, int]) -> dict[str, Any]:

    found = result("h1", list(rates), rates=rates)
    for trial in found["trials"]:
        trial["function"] = "steer"
    return found


def noisy(rng: np.random.Generator, spread: float, ratio: float = 1.0) -> dict[str, int]:
    return {
        label: round(10_000 * factor * math.exp(spread * rng.normal()))
        for label, factor in zip(PAIR, (1.0, ratio), strict=True)
    }


def primary(coordinator_app: CoordinatorApp, campaign_id: str) -> dict[str, Any]:
    verdicts = coordinator_app.get(f"campaigns/{campaign_id}/verdicts").json["verdicts"]
    (found,) = [v for v in verdicts if v["metric"] == "requests_per_s"]
    return dict(found)


def looks(coordinator_app: CoordinatorApp, campaign_id: str) -> list[tuple[int, float, bool]]:
    taken = coordinator_app.get(f"campaigns/{campaign_id}/report").json["exactness"]["looks"]["taken"]
    return [(look["blocks"], look["share"], look["narrow"]) for look in taken]


def test_without_a_budget_words_come_after_the_last_planned_block(coordinator_app: CoordinatorApp) -> None:
    campaign_id = submit(coordinator_app)
    for _ in range(5):
        run_block(coordinator_app, FASTER)
    hidden = primary(coordinator_app, campaign_id)
    assert (hidden["verdict"], hidden["p"], hidden["simultaneous_low"]) == ("none", None, None)
    assert hidden["ratio"] == pytest.approx(2), "figures and intervals are shown"
    assert "no word before its 6 blocks per level are done" in hidden["sentence"]
    run_block(coordinator_app, FASTER)
    assert primary(coordinator_app, campaign_id)["verdict"] == "better"
    assert coordinator_app.view(campaign_id)["state"] == "complete"


def test_a_cancelled_campaign_gets_no_word_and_says_so(coordinator_app: CoordinatorApp) -> None:
    campaign_id = submit(coordinator_app)
    for _ in range(5):
        run_block(coordinator_app, FASTER)
    coordinator_app.cancel(campaign_id)
    for _ in range(2):  # as it is being cancelled, and afterwards
        found = primary(coordinator_app, campaign_id)
        assert found["verdict"] == "none"
        assert "no word, as the campaign was cancelled before its 6 blocks per level were done" in found["sentence"]
        coordinator_app.wait(1, present=("h1",))


def test_blocks_are_added_until_the_interval_is_narrow_enough(coordinator_app: CoordinatorApp) -> None:
    campaign_id, rng, blocks = submit(coordinator_app, precision=0.02, budget="1 h"), np.random.default_rng(1), 0
    while coordinator_app.view(campaign_id)["state"] != "complete":
        run_block(coordinator_app, noisy(rng, 0.03))
        blocks += 1
        assert blocks < 100
    taken = looks(coordinator_app, campaign_id)
    assert len(taken) > 1
    assert 6 < blocks == taken[-1][0]
    assert taken[-1][1:] == (1.0, True)
    assert all(not narrow for _, _, narrow in taken[:-1])
    report = coordinator_app.get(f"campaigns/{campaign_id}/report").json
    (width,) = report["exactness"]["widths"]
    assert (width["metric"], width["pairs"]) == ("requests_per_s", blocks)
    assert 0.01 < width["half_width"] <= 0.02
    history = [entry["message"] for entry in coordinator_app.view(campaign_id)["history"]]
    assert any(f"look {len(taken)} at {blocks} blocks per level" in one and "narrow enough" in one for one in history)


def test_a_budget_ends_a_campaign_that_does_not_become_exact(coordinator_app: CoordinatorApp) -> None:
    campaign_id, rng = submit(coordinator_app, precision=0.002, budget="5 min"), np.random.default_rng(2)
    start, shown, blocks = coordinator_app.now, set(), 0
    while coordinator_app.view(campaign_id)["state"] != "complete":
        run_block(coordinator_app, noisy(rng, 0.1, ratio=2))
        blocks += 1
        found = primary(coordinator_app, campaign_id)
        at_a_look = blocks in [number for number, _, _ in looks(coordinator_app, campaign_id)]
        assert (found["verdict"] != "none") == at_a_look
        if not at_a_look and blocks >= 5:
            shown.add(found["sentence"].partition("no word before ")[2].partition(" at ")[0])
    assert 250 < coordinator_app.now - start <= 300, "the budget is used, and kept"
    taken = looks(coordinator_app, campaign_id)
    assert [number for number, _, _ in taken] == sorted({number for number, _, _ in taken})
    assert 3 <= len(taken) <= 5
    assert taken[-1][1:] == (1.0, False)
    assert shown == {f"look {number + 1}" for number in range(len(taken))}
    assert primary(coordinator_app, campaign_id)["verdict"] == "better"


def test_blocks_that_become_slow_do_not_outlast_the_budget(coordinator_app: CoordinatorApp) -> None:
    campaign_id, rng = submit(coordinator_app, precision=0.002, budget="5 min"), np.random.default_rng(2)
    start, blocks = coordinator_app.now, 0
    while coordinator_app.view(campaign_id)["state"] != "complete":
        if blocks > 24:
            coordinator_app.now += 3 * BLOCK_S  # the host became busy
            coordinator_app.register()
        run_block(coordinator_app, noisy(rng, 0.1, ratio=2))
        blocks += 1
    assert 300 <= coordinator_app.now - start < 300 + 4 * BLOCK_S, "the block that had begun is finished"
    view = coordinator_app.view(campaign_id)
    assert view["blocks_done"] == view["blocks_total"] == blocks
    assert any("added blocks that had not begun are left out" in entry["message"] for entry in view["history"])
    last = looks(coordinator_app, campaign_id)[-1]
    assert last == (blocks, 1.0, False), "the last look is at the blocks that were measured"
    assert primary(coordinator_app, campaign_id)["verdict"] == "better"


def test_added_blocks_keep_orders_balanced_and_have_no_searches(coordinator_app: CoordinatorApp) -> None:
    campaign_id = submit(coordinator_app, budget="5 min", levels={"low": "closed(8)", "high": "closed(64)"}, slices=2)
    with coordinator_app.store.read() as session:
        planned = {b.index: b.plan for b in session.query(BlockRow).filter_by(campaign_id=campaign_id)}
    assert len(planned) == 12
    for _ in range(12):
        message = coordinator_app.last_sent()
        block = coordinator_app.call("claim", message, {"host": "h1"}).json
        body = block_result(dict.fromkeys(PAIR, 10_000))
        for trial in body["trials"]:
            trial["level"] = block["block"]["level"]
        coordinator_app.now += BLOCK_S
        assert coordinator_app.call("report", message, {"lease": block["lease"], "result": body}).status_code == 204
        coordinator_app.register()
    with coordinator_app.store.read() as session:
        rows = session.query(BlockRow).filter_by(campaign_id=campaign_id).order_by(BlockRow.index).all()
        plans = [row.plan for row in rows]
    assert len(plans) > 12
    assert [plan.index for plan in plans] == list(range(len(plans)))
    assert plans[:12] == [planned[index] for index in range(12)]
    for level in ("low", "high"):
        own = [plan for plan in plans if plan.level == level]
        assert len(own) == len(plans) / 2, "each batch has every level equally often"
        firsts = [plan.order[0] for plan in own]
        assert abs(firsts.count("tproxy") - firsts.count("ebpf_sk_assign")) <= 1


def test_a_budget_that_is_too_short_for_more_blocks_has_one_look(coordinator_app: CoordinatorApp) -> None:
    campaign_id = submit(coordinator_app, budget="65 s", slices=2)
    for _ in range(6):
        run_block(coordinator_app, FASTER)
    assert coordinator_app.view(campaign_id)["state"] == "complete"
    assert looks(coordinator_app, campaign_id) == [(6, 1.0, False)]
    assert primary(coordinator_app, campaign_id)["verdict"] == "better"


def test_blocks_that_cannot_be_measured_are_not_added(coordinator_app: CoordinatorApp) -> None:
    campaign_id = submit(coordinator_app, budget="10 min", blocks=1)
    for _ in range(3):
        message = coordinator_app.last_sent()
        lease = coordinator_app.claim(message)
        body = {"lease": lease, "failure": "no lab"}
        assert coordinator_app.call("report", message, body).status_code == 204
        coordinator_app.wait(1, present=("h1",))
    assert coordinator_app.view(campaign_id)["state"] == "failed"


def test_progress_shows_the_time_left_of_the_budget_and_the_precision_reached(coordinator_app: CoordinatorApp) -> None:
    campaign_id, rng = submit(coordinator_app, precision=0.002, budget="10 min"), np.random.default_rng(3)
    for _ in range(5):
        run_block(coordinator_app, noisy(rng, 0.03))
    progress = coordinator_app.view(campaign_id)["progress"]
    assert progress["left_s"] == pytest.approx(600 - 50, abs=1)
    exactness = progress["exactness"]
    assert exactness["looks"]["next"]["blocks"] == 6
    assert exactness["goal"] == 0.002
    assert 0.01 < exactness["widths"][0]["half_width"] < 0.3
    assert exactness["no_word"] == "no word before look 1 at 6 blocks per level"


def test_a_campaign_of_an_earlier_version_is_reported_as_before(coordinator_app: CoordinatorApp) -> None:
    campaign_id = submit(coordinator_app)
    for _ in range(6):
        run_block(coordinator_app, FASTER)
    with coordinator_app.store.write() as session:
        stored = session.execute(text("SELECT campaign FROM campaigns")).scalar_one()
        old = {name: value for name, value in json.loads(stored).items() if name not in ("precision", "budget")}
        session.execute(
            text("UPDATE campaigns SET campaign = :old, plan = NULL, looks = NULL"), {"old": json.dumps(old)}
        )
    assert primary(coordinator_app, campaign_id)["verdict"] == "better"
    assert coordinator_app.view(campaign_id)["plan"] is None
