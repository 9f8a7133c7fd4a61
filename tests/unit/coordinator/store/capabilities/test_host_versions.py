"""What hosts can run is read once per change, and like hosts share what they report."""

from sqlalchemy import select

from coordinator.store.capabilities import host_versions
from coordinator.store.capabilities.host_versions import HostVersionRow, all_capabilities
from coordinator.store.rows.models import HostRow
from tests.unit.coordinator.coordinator_app import CoordinatorApp
from tests.unit.coordinator.store.measured.test_summaries import statements


def test_capabilities_are_read_once_per_change(coordinator_app: CoordinatorApp) -> None:
    for host in ("h1", "h2"):
        coordinator_app.register(host)
    assert "capabilities" in statements(coordinator_app, "datapaths")
    assert "capabilities" not in statements(coordinator_app, "datapaths")
    coordinator_app.register("h2", missing={"tproxy": ("no nft",)})
    assert "capabilities" in statements(coordinator_app, "datapaths")
    found = {one["name"]: one["hosts"] for one in coordinator_app.get("datapaths").json["datapaths"]}
    assert found["tproxy"] == {"h1": [], "h2": ["no nft"]}


def test_like_hosts_share_what_they_report(coordinator_app: CoordinatorApp) -> None:
    for host in ("h1", "h2"):
        coordinator_app.register(host)
    with coordinator_app.store.read() as session:
        first, second = all_capabilities(session).values()
    assert (first.host, second.host) == ("h1", "h2")
    assert first.datapaths is second.datapaths
    assert first.probes is second.probes


def test_a_host_that_registers_again_writes_only_that_it_is_there(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    coordinator_app.now += 30
    coordinator_app.register()
    with coordinator_app.store.read() as session:
        row = session.get_one(HostRow, "h1")
        assert (row.registered_at, row.seen_at) == (coordinator_app.now - 30, coordinator_app.now)


def test_a_host_of_an_earlier_revision_is_read_each_time(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    with coordinator_app.store.write() as session:
        host_versions.forget(session, "h1")
    for _ in range(2):
        assert "capabilities" in statements(coordinator_app, "datapaths")
    coordinator_app.register()
    with coordinator_app.store.read() as session:
        assert session.scalars(select(HostVersionRow.host)).all() == ["h1"]


def test_a_removed_host_is_forgotten(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    assert coordinator_app.client.delete("/api/v1/hosts/h1", headers=coordinator_app.user).status_code == 204
    with coordinator_app.store.read() as session:
        assert session.scalars(select(HostVersionRow)).all() == []
        assert all_capabilities(session) == {}
