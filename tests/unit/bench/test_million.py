"""The benches of scale: copies that pages show like any campaign, and an oracle that sees what is lost or doubled."""

import sys
import time

import pytest
from sqlalchemy import delete, func, select

from coordinator.store.rows.models import AttemptRow, CampaignRow, TrialRow
from coordinator.store.upkeep import endings
from tests.bench import million
from tests.bench.fleet import judge
from tests.bench.fleet_hosts import Seen
from tests.bench.million import ask_when_due
from tests.bench.million_rows import copy_all
from tests.unit.coordinator.coordinator_app import CoordinatorApp


def test_copies_are_campaigns_with_reports_that_need_no_attempt(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    template = coordinator_app.submit(blocks=2)
    for _ in range(2):
        coordinator_app.run_block()
    endings.fill(coordinator_app.store, coordinator_app.now)
    made = copy_all(coordinator_app.store, [template], 3, days=30)
    with coordinator_app.store.read() as session:
        assert session.scalar(select(func.count()).select_from(TrialRow)) == 4 * 4
        ended = session.scalars(select(CampaignRow.ended_at).order_by(CampaignRow.ended_at)).all()
    assert ended[1] - ended[0] == 10 * 86_400
    report = coordinator_app.get(f"campaigns/{made[0]}/report").json
    assert report["campaign"]["id"] == made[0]
    assert report["results"] == coordinator_app.get(f"campaigns/{template}/report").json["results"]
    trials = coordinator_app.get(f"campaigns/{made[1]}/trials").json["trials"]
    assert {one["id"].partition("-")[0] for one in trials} == {made[1]}


def test_the_judge_sees_what_is_lost_or_doubled(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    campaign_id = coordinator_app.submit(blocks=2, datapaths=["direct", "tproxy", "ebpf_sk_assign", "ebpf_redirect"])
    for _ in range(2):
        coordinator_app.run_block()
    seen = Seen(accepted={f"{campaign_id}-0-1": 3, f"{campaign_id}-1-1": 3})
    assert judge(coordinator_app.store, seen) == []
    assert judge(coordinator_app.store, Seen(accepted={f"{campaign_id}-0-1": 3})) == [
        f"{campaign_id}-1-1: stored is 3, sent was None"
    ]
    with coordinator_app.store.write() as session:
        session.execute(delete(TrialRow).where(TrialRow.id == f"{campaign_id}-0-1-2"))
        session.get_one(AttemptRow, f"{campaign_id}-1-1").state = "lost"
    assert judge(coordinator_app.store, seen) == [
        f"block {campaign_id}-1 has 0 results",
        f"attempt {campaign_id}-0-1 has 3 trials",
        f"attempt {campaign_id}-1-1 has trials and no result",
        f"{campaign_id}-1-1: stored is None, sent was 3",
    ]


def test_a_question_that_had_to_wait_took_longer() -> None:
    class Slow:
        def ask(self, method: str, path: str) -> None:
            assert (method, path) == ("GET", "/campaigns")
            time.sleep(0.02)

    now_s = time.perf_counter()
    took_ms = [ask_when_due(Slow(), (now_s + after_s, "/campaigns")) for after_s in (-0.5, 0.1)]  # type: ignore[arg-type]
    assert took_ms[0] >= 520
    assert 20 <= took_ms[1] < took_ms[0]


@pytest.mark.parametrize(("within", "status"), [(True, 0), (False, 1)])
def test_an_exceeded_limit_is_the_exit_status(monkeypatch: pytest.MonkeyPatch, within: bool, status: int) -> None:
    monkeypatch.setattr(million, "measured", lambda *_: {"within_limits": within})
    monkeypatch.setattr(sys, "argv", ["million"])
    with pytest.raises(SystemExit) as ended:
        million.main()
    assert ended.value.code == status
