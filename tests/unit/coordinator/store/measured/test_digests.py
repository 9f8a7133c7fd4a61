"""Reports from digests and pools equal reports from whole results, whatever the order in which blocks ended."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import func, select, update

from coordinator.analysis.kernel.path import StagePath
from coordinator.analysis.reports.report import build_report
from coordinator.store.measured import digests, records
from coordinator.store.rows.database import Store
from coordinator.store.rows.models import AttemptRow, BlockRow, CampaignRow, DigestRow, PoolRow, TrialRow
from domain.campaigns.campaign import Campaign
from domain.probes.place import Place
from domain.trials.block import PlannedBlock
from tests.unit.coordinator.store import random_campaigns
from tests.unit.coordinator.store.random_campaigns import LABELS, RECORD, WORKLOAD, Result

CAMPAIGN_ID = "k3f9x2ab"
PATH = StagePath(
    {
        "run_queue": Place(order=70, within={"proxy": ("proxy_residence", "to_origin")}),
        "device_hop": Place(order=30),
        "notify": Place(order=60),
        "proxy_residence": Place(order=100),
    }
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    found = Store(f"sqlite:///{tmp_path}/store.sqlite")
    found.migrate()
    yield found
    found.close()


def add_campaign(store: Store, campaign: Campaign, every: Sequence[Result]) -> None:
    """The campaign with its blocks, before any attempt."""
    with store.write() as session:
        row = CampaignRow(
            id=CAMPAIGN_ID, name="random", state="complete", seed=campaign.seed, campaign=campaign, hosts=("h1",),
            created_at=1.0, error="", calibration={},
        )  # fmt: skip
        session.add(row)
        session.flush()
        for index, one in {one.block: one for one in every}.items():
            planned = PlannedBlock(
                index=index, workload=WORKLOAD, level=one.level, load=campaign.levels[one.level], datapaths=LABELS,
                order=LABELS, host="h1",
            )  # fmt: skip
            chain, step = one.search or (None, None)
            search = random_campaigns.step_of(one)
            session.add(
                BlockRow(
                    id=f"{CAMPAIGN_ID}-{index}", campaign_id=CAMPAIGN_ID, index=index, workload=WORKLOAD,
                    level=one.level, host="h1", state="done", plan=planned, chain=chain, step=step,
                    rates=dict(search.rates_per_s) if search else {},
                )
            )  # fmt: skip


def add_attempt(store: Store, one: Result, *, digest: bool = True) -> None:
    """One attempt as it is stored at its end; without a digest as versions before them did."""
    with store.write() as session:
        block = session.get_one(BlockRow, f"{CAMPAIGN_ID}-{one.block}")
        attempt = AttemptRow(
            id=f"{block.id}-{one.attempt}", number=one.attempt, host="h1", block=block,
            state="lost" if one.result is None else "done",
            reason="the worker on h1 stopped reporting" if one.result is None else "",
        )  # fmt: skip
        session.add(attempt)
        if one.result is None:
            return
        attempt.wall_s, attempt.telemetry = one.result.wall_s, one.result.telemetry
        attempt.fingerprint = one.result.fingerprint
        for position, trial in enumerate(one.result.trials):
            session.add(
                TrialRow(
                    id=f"{attempt.id}-{position}", attempt=attempt, position=position, datapath=trial.datapath,
                    valid=trial.validity.valid, result=trial,
                )
            )  # fmt: skip
        if digest:
            digests.store_digest(session, attempt, one.result)


def report_of(store: Store, campaign: Campaign) -> dict[str, Any]:
    """The report as the API makes it."""
    digests.complete(store, CAMPAIGN_ID)
    with store.read() as session:
        attempts, pools = records.attempt_records(session, CAMPAIGN_ID), digests.pools_of(session, CAMPAIGN_ID)
        assert not any(attempt.result for attempt in attempts)
        return build_report(campaign, RECORD, attempts, PATH, pools).model_dump(mode="json")


def from_scratch(campaign: Campaign, seed: int) -> dict[str, Any]:
    """The report from whole results in memory."""
    return build_report(campaign, RECORD, random_campaigns.records(seed), PATH).model_dump(mode="json")


@pytest.mark.parametrize("seed", range(2))
def test_a_report_from_digests_is_that_from_whole_results(store: Store, seed: int) -> None:
    campaign, every = random_campaigns.a_campaign(seed + 1), list(random_campaigns.results(seed))
    add_campaign(store, campaign, every)
    order = np.random.default_rng(seed).permutation(len(every))
    for place, number in enumerate(order):
        add_attempt(store, every[number])
        if place == len(order) // 2:
            report_of(store, campaign)  # what this process remembers of half of the campaign must not matter
    assert report_of(store, campaign) == from_scratch(campaign, seed)


def test_results_from_before_digests_get_them_when_they_are_read(store: Store) -> None:
    campaign, every = random_campaigns.a_campaign(9), list(random_campaigns.results(9))
    add_campaign(store, campaign, every)
    for number, one in enumerate(every):
        add_attempt(store, one, digest=number % 3 == 2)  # the coordinator was upgraded while the campaign ran
    assert report_of(store, campaign) == from_scratch(campaign, 9)
    with store.read() as session:
        known = session.scalar(select(func.count()).select_from(DigestRow))
    assert known == sum(one.result is not None for one in every)


def test_digests_of_another_version_are_made_again(store: Store) -> None:
    campaign, every = random_campaigns.a_campaign(5), list(random_campaigns.results(5))
    add_campaign(store, campaign, every)
    for one in every:
        add_attempt(store, one)
    with store.write() as session:
        session.execute(update(DigestRow).values(version=0, numbers=b"", words="of another form"))
    assert report_of(store, campaign) == from_scratch(campaign, 5)


def test_of_two_sound_attempts_the_first_is_pooled_even_if_it_comes_last(store: Store) -> None:
    """Versions before decision 0026 tried again for other reasons, too."""
    campaign, rng = random_campaigns.a_campaign(3), np.random.default_rng(3)
    first, second = (Result(0, "half", n, None, random_campaigns.a_result(rng, "half", 0.0)) for n in (1, 2))
    add_campaign(store, campaign, [first])
    add_attempt(store, second)
    add_attempt(store, first)
    report = report_of(store, campaign)
    assert first.result is not None
    counts = {trial.datapath: trial.latency.count for trial in first.result.trials if trial.latency}
    shown = {cell["datapath"]: cell["latency_us"] for cell in report["results"] if cell["level"] == "half"}
    assert {label: one["count"] for label, one in shown.items() if one} == counts


def test_what_was_rolled_back_is_not_remembered(store: Store) -> None:
    campaign, rng = random_campaigns.a_campaign(4), np.random.default_rng(4)
    one, other = (Result(0, "low", 1, None, random_campaigns.a_result(rng, "low", 0.0)) for _ in range(2))
    add_campaign(store, campaign, [one])
    with store.write() as session:
        block = session.get_one(BlockRow, f"{CAMPAIGN_ID}-0")
        attempt = AttemptRow(id=f"{block.id}-1", number=1, host="h1", block=block, state="done")
        session.add(attempt)
        assert one.result is not None
        digests.store_digest(session, attempt, one.result)
        assert len(records.attempt_records(session, CAMPAIGN_ID)) == 1
        session.rollback()
    add_attempt(store, other)
    assert other.result is not None
    with store.read() as session:
        (attempt_record,) = records.attempt_records(session, CAMPAIGN_ID)
        pools = session.scalar(select(func.count()).select_from(PoolRow))
    assert attempt_record.digest is not None
    found = {label: trial.requests for label, trial in attempt_record.digest.trials.items()}
    assert found == {trial.datapath: trial.requests for trial in other.result.trials}
    assert pools == len(LABELS)


def test_the_cache_holds_a_bounded_number_of_trials_and_one_campaign_always() -> None:
    cache, nothing = records.DigestCache(most_trials=4), {f"t{n}": None for n in range(3)}
    for name in ("a", "b"):
        cache.keep(name, {f"{name}-0-1": nothing})  # type: ignore[dict-item]
    assert (cache.of("a"), len(cache.of("b")), cache.trials) == ({}, 1, 3)
    cache.keep("b", {"b-1-1": nothing})  # type: ignore[dict-item]
    assert cache.trials == 6
