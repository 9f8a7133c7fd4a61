"""A host's vitals: its clock, and whether it takes messages. A deaf host is shown, and its blocks move."""

import pytest

from coordinator import ticker
from coordinator.scheduling.dispatch import NoToken
from domain.service.vitals import DroppedMessages, HostVitals, clock_words, remedy
from tests.unit.coordinator.coordinator_app import CoordinatorApp, attempts
from tests.unit.coordinator.pages import signed_in
from tests.unit.coordinator.recording_dispatcher import RecordingDispatcher


def report(app: CoordinatorApp, host: str = "h1", *, skew_s: float = 0.0, **vitals: object) -> int:
    """What a worker does every 30 s: register, and report its vitals."""
    app.register(host)
    body = {"clock_s": app.now + skew_s, **vitals}
    answer = app.client.put(f"/api/v1/worker/hosts/{host}/vitals", json=body, headers=app.worker_of(host))
    return answer.status_code


def shown(app: CoordinatorApp, host: str = "h1") -> dict[str, object]:
    return next(one for one in app.get("hosts").json["hosts"] if one["name"] == host)


def pass_time(
    app: CoordinatorApp, seconds: float, *, hearing: tuple[str, ...] = (), deaf: tuple[str, ...] = ()
) -> None:
    """Hosts report every 30 s and are pinged every 20 s meanwhile."""
    for step in range(round(seconds / 10)):
        app.now += 10
        if step % 2 == 0:
            ticker.ping_hosts(app.store, app.dispatcher, app.now)
        if step % 3 == 2:
            for host in hearing:
                assert report(app, host, heard_s=9.0) == 204
            for host in deaf:
                assert report(app, host, heard_s=None) == 204
        ticker.tick(app.store, app.dispatcher, app.now)


def test_a_host_that_answers_is_never_deaf(coordinator_app: CoordinatorApp) -> None:
    report(coordinator_app)
    for _ in range(10):
        pass_time(coordinator_app, 30, hearing=("h1",))
        assert shown(coordinator_app)["deaf_since"] is None
    assert coordinator_app.dispatcher.pinged.count("h1") >= 15


def test_a_host_that_is_online_but_takes_nothing_is_shown_as_deaf(coordinator_app: CoordinatorApp) -> None:
    report(coordinator_app)
    pass_time(coordinator_app, 60, deaf=("h1",))
    assert shown(coordinator_app)["deaf_since"] is None
    pass_time(coordinator_app, 30, deaf=("h1",))
    host = shown(coordinator_app)
    assert host["online"]
    assert host["deaf_since"] == "1970-01-12T13:46:50.000+00:00", "the first ping that it did not answer"
    assert "SHOWDOWN_BROKER_URL" in str(host["remedy"])
    page = signed_in(coordinator_app).get("/hosts").text
    assert "state-deaf" in page
    assert "takes no messages since" in page
    report(coordinator_app, heard_s=1.0)
    assert shown(coordinator_app)["deaf_since"] is None
    assert "state-deaf" not in signed_in(coordinator_app).get("/hosts").text


def test_the_blocks_of_a_deaf_host_move_to_one_that_hears(coordinator_app: CoordinatorApp) -> None:
    report(coordinator_app, "h1")
    report(coordinator_app, "h2")
    campaign_id = coordinator_app.submit(blocks=4)
    pass_time(coordinator_app, 90, hearing=("h2",), deaf=("h1",))
    assert "h1 takes no messages: 2 blocks moved to h2" in str(coordinator_app.view(campaign_id)["history"])
    for _ in range(4):
        coordinator_app.run_block("h2")
    assert coordinator_app.view(campaign_id)["state"] == "complete"
    assert [attempts(coordinator_app, f"{campaign_id}-{i}") for i in range(4)] == [[(1, "done")]] * 4


def test_the_blocks_of_a_deaf_host_wait_for_it_without_another(coordinator_app: CoordinatorApp) -> None:
    report(coordinator_app)
    campaign_id = coordinator_app.submit(blocks=2)
    pass_time(coordinator_app, 300, deaf=("h1",))
    assert coordinator_app.view(campaign_id)["state"] == "queued"
    coordinator_app.run_block()  # it hears again
    assert shown(coordinator_app)["deaf_since"] is None
    coordinator_app.run_block()
    assert coordinator_app.view(campaign_id)["state"] == "complete"


def test_no_host_is_deaf_because_redis_or_the_ticker_was_away(coordinator_app: CoordinatorApp) -> None:
    report(coordinator_app)
    pass_time(coordinator_app, 30, hearing=("h1",))
    coordinator_app.dispatcher.down = True
    pass_time(coordinator_app, 300, deaf=("h1",))
    assert shown(coordinator_app)["deaf_since"] is None
    coordinator_app.dispatcher.down = False
    coordinator_app.now += 3600  # no ticker for an hour
    report(coordinator_app, heard_s=3650.0)
    pass_time(coordinator_app, 30, hearing=("h1",))
    assert shown(coordinator_app)["deaf_since"] is None


def test_a_host_that_runs_a_block_is_neither_pinged_nor_deaf(coordinator_app: CoordinatorApp) -> None:
    report(coordinator_app)
    coordinator_app.submit()
    ticker.ping_hosts(coordinator_app.store, coordinator_app.dispatcher, coordinator_app.now)
    message = coordinator_app.last_sent()
    lease = coordinator_app.claim(message)
    before = len(coordinator_app.dispatcher.pinged)
    for _ in range(20):
        pass_time(coordinator_app, 10)
        answer = coordinator_app.call("heartbeat", message, {"lease": lease, "phase": "slices"})
        assert answer.status_code == 200
    assert shown(coordinator_app)["deaf_since"] is None
    assert len(coordinator_app.dispatcher.pinged) == before


def test_an_older_worker_without_vitals_is_not_pinged(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    ticker.ping_hosts(coordinator_app.store, coordinator_app.dispatcher, coordinator_app.now)
    assert coordinator_app.dispatcher.pinged == []


def test_a_host_without_a_token_keeps_no_other_from_its_ping(coordinator_app: CoordinatorApp) -> None:
    class Refusing(RecordingDispatcher):
        def ping(self, host: str) -> None:
            if host == "h1":
                raise NoToken("h1 has no valid token")
            super().ping(host)

    report(coordinator_app, "h1")
    report(coordinator_app, "h2")
    dispatcher = Refusing()
    for _ in range(20):
        coordinator_app.now += 10
        ticker.ping_hosts(coordinator_app.store, dispatcher, coordinator_app.now)
        report(coordinator_app, "h1")
        report(coordinator_app, "h2", heard_s=1.0)
    assert dispatcher.pinged == ["h2"] * 20
    assert shown(coordinator_app, "h1")["deaf_since"] is None, "it was not asked"


@pytest.mark.parametrize("skew_s", [-3600.0, -180.0, 180.0, 3600.0, 1e8])
def test_nothing_depends_on_a_hosts_clock_and_the_difference_is_shown(
    coordinator_app: CoordinatorApp, skew_s: float
) -> None:
    coordinator_app.now = 2e9
    report(coordinator_app, skew_s=skew_s, heard_s=1.0)
    assert shown(coordinator_app)["clock_skew_s"] == skew_s
    assert clock_words(skew_s) in signed_in(coordinator_app).get("/hosts").text.replace("&#39;", "'")
    campaign_id = coordinator_app.submit()
    coordinator_app.run_block()
    coordinator_app.run_block()
    assert coordinator_app.view(campaign_id)["state"] == "complete"


def test_vitals_are_bounded_and_belong_to_a_registered_host(coordinator_app: CoordinatorApp) -> None:
    put, headers = coordinator_app.client.put, coordinator_app.worker
    assert put("/api/v1/worker/hosts/h1/vitals", json={"clock_s": 1.0}, headers=headers).status_code == 404
    coordinator_app.register()
    wrong_ones: list[dict[str, object]] = [
        {},
        {"clock_s": "inf"},
        {"clock_s": -1},
        {"clock_s": 1.0, "heard_s": 1e300},
        {"clock_s": 1.0, "broker_error": "x" * 301},
        {"clock_s": 1.0, "dropped": {"malformed": 2**60}},
        {"clock_s": 1.0, "load_1m": -1},
        {"clock_s": 1.0, "stolen": 1.01},
    ]
    for wrong in wrong_ones:
        assert put("/api/v1/worker/hosts/h1/vitals", json=wrong, headers=headers).status_code == 422, wrong


def test_dropped_messages_are_shown(coordinator_app: CoordinatorApp) -> None:
    report(coordinator_app, heard_s=1.0, dropped={"not_authentic": 3, "malformed": 2})
    assert shown(coordinator_app)["dropped"] == {"too_large": 0, "malformed": 2, "not_authentic": 3, "repeated": 0}
    assert "3 not authentic, 2 malformed" in signed_in(coordinator_app).get("/hosts").text


def test_load_and_stolen_time_of_a_host_are_shown(coordinator_app: CoordinatorApp) -> None:
    report(coordinator_app, heard_s=1.0, load_1m=1.25, stolen=0.031)
    assert (shown(coordinator_app)["load_1m"], shown(coordinator_app)["stolen"]) == (1.25, 0.031)
    page = signed_in(coordinator_app).get("/hosts").text
    assert "<dt>Load, 1 min</dt><dd>1.25</dd>" in page
    assert "<dt>Stolen by the hypervisor</dt><dd>3.1" in page
    report(coordinator_app, heard_s=1.0)
    assert "Stolen" not in signed_in(coordinator_app).get("/hosts").text, "an older worker reports neither"


def test_the_remedy_follows_the_cause() -> None:
    assert "the same Redis" in remedy("h1", None)
    away = HostVitals(clock_s=1.0, broker_error="ConnectionError: refused")
    assert "h1 cannot reach Redis (ConnectionError: refused)" in remedy("h1", away)
    other_token = HostVitals(clock_s=1.0, dropped=DroppedMessages(not_authentic=5))
    assert "not authentic" in remedy("h1", other_token)


@pytest.mark.parametrize(("skew_s", "words"), [
    (0.0, "as the coordinator's"), (-1.9, "as the coordinator's"), (3.2, "3 s ahead of the coordinator's"),
    (-3600.0, "1 h behind the coordinator's"),
])  # fmt: skip
def test_a_clock_in_words(skew_s: float, words: str) -> None:
    assert clock_words(skew_s) == words
