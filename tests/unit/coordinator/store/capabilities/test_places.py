"""Where stages are on the path: from the hosts' declarations, and for rows that an older version stored."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import text

from coordinator.analysis.kernel.path import StagePath
from coordinator.store.capabilities.places import stage_path
from coordinator.store.lifecycle.work import register_host
from coordinator.store.rows import database
from coordinator.store.rows.database import Store
from domain.probes.place import Place
from domain.probes.watched import StageRole
from domain.service.jobs import HostCapabilities, Variant
from tests import ROOT

# A host as revision 0004 of the database kept it.
OLD = (ROOT / "tests/data/host_capabilities_v4.json").read_text()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(f"sqlite:///{tmp_path / 'x.sqlite'}")
    yield store
    store.close()


def a_host(name: str, **places: Place | None) -> HostCapabilities:
    return HostCapabilities(host=name, probes=tuple(Variant(name=one, place=place) for one, place in places.items()))


def register(store: Store, *hosts: HostCapabilities) -> None:
    for number, host in enumerate(hosts):
        with store.write() as session:
            register_host(session, host, float(number))


def path(store: Store, *hosts: str) -> StagePath:
    with store.read() as session:
        return stage_path(session, hosts)


def migrate(store: Store, revision: str, *, down: bool = False) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(database.__file__).parents[1] / "migrations"))
    with store.engine.begin() as connection:
        config.attributes["connection"] = connection
        (command.downgrade if down else command.upgrade)(config, revision)


def test_a_host_of_an_older_version_gets_the_places_that_were_known(store: Store) -> None:
    migrate(store, "0004")
    with store.engine.begin() as connection:
        connection.execute(text("INSERT INTO hosts VALUES ('h1', :old, 1, 1)"), {"old": OLD})
    store.migrate()
    found = path(store)
    assert found.stages == (
        "send_wait", "connect", "qdisc", "device_hop", "forward", "rx_steering", "notify", "run_queue", "socket_wait",
        "splice_work", "proxy_residence",
    )  # fmt: skip
    assert not found.holds("net_rx_softirq", "")
    assert not found.holds("run_queue", "kworker")
    assert found.outer(StageRole("qdisc", "dut")) == StageRole("forward", "")
    migrate(store, "0004", down=True)
    with store.read() as session:
        kept = session.execute(text("SELECT capabilities FROM hosts")).scalar_one()
    assert HostCapabilities.model_validate_json(kept) == HostCapabilities.model_validate_json(OLD)


def test_an_older_worker_that_registers_again_keeps_its_places(store: Store) -> None:
    store.migrate()
    register(store, a_host("h1", forward=Place(order=4), work=None), a_host("h1", forward=None, work=None, new=None))
    assert path(store).places == {"forward": Place(order=4)}
    register(store, a_host("h1", forward=None, work=Place(order=9)))
    assert path(store).places == {"work": Place(order=9)}


def test_the_hosts_that_ran_it_come_first_and_the_others_add_what_these_lack(store: Store) -> None:
    store.migrate()
    register(store, a_host("a", one=Place(order=1), two=Place(order=2)), a_host("b", one=Place(order=8)))
    assert path(store).places["one"].order == 1
    assert path(store, "b").places == {"one": Place(order=8), "two": Place(order=2)}
