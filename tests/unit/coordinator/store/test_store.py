"""The store: migrations match the models, and transactions are serialised; on PostgreSQL, too, if it is installed."""

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text
from sqlalchemy.exc import IntegrityError

from coordinator.store.lifecycle.work import register_host
from coordinator.store.rows import database
from coordinator.store.rows.database import Store
from coordinator.store.rows.models import Base, BlockRow, EventRow
from domain.campaigns.campaign import read_campaign
from domain.loads.searched import CHECK_STEPS
from domain.service.jobs import LEASE_S
from tests.unit.coordinator.coordinator_app import CoordinatorApp, capabilities
from tests.unit.coordinator.scheduling.calibrations import open_step, search_open


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(f"sqlite:///{tmp_path / 'x.sqlite'}")
    store.migrate()
    yield store
    store.close()


def differences(store: Store) -> list[object]:
    with store.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        return list(compare_metadata(context, Base.metadata))


def test_models_and_migrations_agree(store: Store) -> None:
    assert differences(store) == []
    assert set(inspect(store.engine).get_table_names()) == {*Base.metadata.tables, "alembic_version"}


def test_the_comparison_sees_a_difference(store: Store) -> None:
    with store.write() as session:
        session.execute(text("ALTER TABLE hosts DROP COLUMN seen_at"))
    assert "seen_at" in repr(differences(store))


def test_migrating_again_and_at_once_does_no_harm(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'x.sqlite'}"
    failures: list[BaseException] = []
    barrier = threading.Barrier(4)

    def migrate() -> None:
        store = Store(url)
        barrier.wait()
        try:
            store.migrate()
            store.migrate()
        except BaseException as error:
            failures.append(error)
        finally:
            store.close()

    threads = [threading.Thread(target=migrate) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_several_processes_may_open_a_new_file_at_once(tmp_path: Path) -> None:
    failures: list[BaseException] = []

    def open_it(url: str, barrier: threading.Barrier) -> None:
        store = Store(url)
        barrier.wait()
        try:
            with store.read() as session:
                session.execute(text("SELECT 1"))
        except BaseException as error:
            failures.append(error)
        finally:
            store.close()

    for number in range(30):  # without the retry, about one in eight fails
        together = threading.Barrier(4)
        url = f"sqlite:///{tmp_path / f'{number}.sqlite'}"
        threads = [threading.Thread(target=open_it, args=(url, together)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert failures == []


def test_what_the_first_tables_held_is_still_there(tmp_path: Path) -> None:
    """A database from before the calibration, with a campaign and its block."""
    store = Store(f"sqlite:///{tmp_path / 'x.sqlite'}")
    campaign = read_campaign({"name": "x", "datapaths": ["direct"], "levels": {"low": "closed(8)"}})
    plan = {"index": 0, "workload": "w", "level": "low", "load": "closed(8)", "datapaths": ["direct"], "host": "h1"}
    migrate_to(store, "0001")
    with store.engine.begin() as connection:
        connection.execute(
            text("INSERT INTO campaigns VALUES ('aaaaaaaa', 'x', 'queued', 1, :campaign, '[\"h1\"]', 1, 0, 0, 0, '')"),
            {"campaign": campaign.model_dump_json()},
        )
        connection.execute(
            text("INSERT INTO blocks VALUES ('aaaaaaaa-0', 'aaaaaaaa', 0, 'w', 'low', 'h1', 'waiting', :plan, '', 0)"),
            {"plan": json.dumps(plan | {"order": ["direct"]})},
        )
    store.migrate()
    with store.read() as session:
        block = session.get_one(BlockRow, "aaaaaaaa-0")
        assert (block.calibration, block.plan.calibration, block.campaign.calibration) == (False, False, {})
        assert block.campaign.campaign == campaign
    migrate_to(store, "0001", command.downgrade)
    assert "calibration" not in {c["name"] for c in inspect(store.engine).get_columns("blocks")}
    store.close()


def migrate_to(store: Store, revision: str, how: Callable[[Config, str], None] = command.upgrade) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(database.__file__).parents[1] / "migrations"))
    with store.engine.begin() as connection:
        config.attributes["connection"] = connection
        how(config, revision)


def test_sqlite_is_set_up_for_several_processes(store: Store) -> None:
    with store.engine.connect() as connection:
        values = {p: connection.execute(text(f"PRAGMA {p}")).scalar() for p in ("journal_mode", "foreign_keys")}
        assert connection.execute(text("PRAGMA busy_timeout")).scalar() == 30_000
    assert values == {"journal_mode": "wal", "foreign_keys": 1}


def test_foreign_keys_hold(store: Store) -> None:
    with pytest.raises(IntegrityError), store.write() as session:
        session.add(EventRow(campaign_id="nosuch", at=0.0, message="x"))


def test_a_failed_transaction_leaves_nothing(store: Store) -> None:
    def fail() -> None:
        with store.write() as session:
            register_host(session, capabilities("h1"), 1.0)
            session.flush()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    with store.read() as session:
        assert session.execute(text("SELECT count(*) FROM hosts")).scalar() == 0


def test_writers_wait_for_each_other_instead_of_failing(store: Store) -> None:
    """Each process reads, then writes the value plus one: without the early lock, some updates are lost or fail."""
    with store.write() as session:
        register_host(session, capabilities("h1"), 0.0)

    def add_one() -> None:
        for _ in range(20):
            with store.write() as session:
                seen = session.execute(text("SELECT seen_at FROM hosts")).scalar_one()
                session.execute(text("UPDATE hosts SET seen_at = :n"), {"n": seen + 1})

    threads = [threading.Thread(target=add_one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with store.read() as session:
        assert session.execute(text("SELECT seen_at FROM hosts")).scalar() == 80


def test_typed_values_come_back_as_they_were(tmp_path: Path) -> None:
    coordinator_app = CoordinatorApp(tmp_path)
    coordinator_app.register()
    campaign_id = coordinator_app.submit(levels={"low": "closed(8)", "high": {"kind": "closed", "connections": 64}})
    with coordinator_app.store.read() as session:
        block = session.get_one(BlockRow, f"{campaign_id}-0")
        assert block.plan.datapaths == ("direct", "tproxy")
        assert block.campaign.hosts == ("h1",)
        assert block.campaign.campaign.levels["high"].kind == "closed"
    coordinator_app.close()


def run_shares(coordinator_app: CoordinatorApp) -> None:
    shares = coordinator_app.submit(workloads=["http_open"], levels={"low": "open(50%)"}, blocks=1)
    coordinator_app.run_block(rates={"direct": 5000, "tproxy": 4000})
    search_open(coordinator_app, carried := {"direct": 4000, "tproxy": 3000})
    coordinator_app.run_block()
    for _ in range(CHECK_STEPS):
        open_step(coordinator_app, carried)
    view = coordinator_app.view(shares)
    found = view["calibration"]["http_open"]
    assert (view["state"], found["datapath"]) == ("complete", "tproxy")
    assert 1200 < found["rates_per_s"]["low"] <= 1500
    assert found["open_loop"]["check"]["fell"] == []


def test_a_campaign_runs_on_postgresql(postgres_url: str, tmp_path: Path) -> None:
    coordinator_app = CoordinatorApp(tmp_path, postgres_url)
    coordinator_app.store.migrate()
    assert differences(coordinator_app.store) == []
    coordinator_app.register("h1")
    campaign_id = coordinator_app.submit(blocks=2, description="µ – ü")
    coordinator_app.claim(coordinator_app.last_sent())
    coordinator_app.wait(LEASE_S + 1, present=("h1",))
    assert coordinator_app.last_sent().attempt == 2
    coordinator_app.run_block(reasons=("steal",))
    coordinator_app.run_block()
    coordinator_app.run_block()
    assert coordinator_app.view(campaign_id)["state"] == "complete"
    assert len(coordinator_app.get(f"campaigns/{campaign_id}/trials").json["trials"]) == 6

    run_shares(coordinator_app)
    other = coordinator_app.submit()
    message = coordinator_app.last_sent()
    answers: list[int] = []

    def claim() -> None:
        client = coordinator_app.app.test_client()
        path = f"/api/v1/worker/blocks/{message.block_id}/attempts/1/claim"
        answers.append(client.post(path, json={"host": "h1"}, headers=coordinator_app.worker).status_code)

    threads = [threading.Thread(target=claim) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [200] + [409] * 5
    assert coordinator_app.cancel(other).json["state"] == "cancelling"
    coordinator_app.wait(LEASE_S + 1)
    assert coordinator_app.view(other)["state"] == "cancelled"
    coordinator_app.close()
