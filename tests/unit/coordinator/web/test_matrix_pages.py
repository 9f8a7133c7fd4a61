"""The trait matrix at the coordinator: reported by workers, read over REST, shown on its page, requested."""

from datetime import UTC, datetime, timedelta

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from coordinator.store.capabilities.matrices import CLOCK_TOLERANCE_S
from domain.trials.traits import Answer, TraitMatrix
from tests.unit.coordinator.coordinator_app import CoordinatorApp, capabilities
from tests.unit.coordinator.pages import csrf, sentences, signed_in
from tests.unit.matrices import matrix, row

FOUND = matrix(
    row("direct"),
    row("tproxy", "steer", udp=(Answer.NO, "None of 3 <datagrams> came back.")),
    row("ebpf_xdp", udp=(Answer.ERROR, "OSError: cut.")),
)


def report_matrix(coordinator_app: CoordinatorApp, found: TraitMatrix, host: str = "h1", status: int = 204) -> None:
    body = found.model_dump(mode="json")
    headers = coordinator_app.worker_of(host)
    answer = coordinator_app.client.put(f"/api/v1/worker/hosts/{host}/matrix", json=body, headers=headers)
    assert answer.status_code == status, answer.text


def test_a_hosts_last_report_is_kept_whatever_its_clock_says(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    assert coordinator_app.get("hosts/h1/matrix").status_code == 404
    report_matrix(coordinator_app, FOUND)
    report_matrix(coordinator_app, FOUND)
    assert TraitMatrix.model_validate(coordinator_app.get("hosts/h1/matrix").json) == FOUND
    for days in (365 * 100, 0, -2):
        last = matrix(row("direct"), measured_at=FOUND.measured_at + timedelta(days=days))
        report_matrix(coordinator_app, last)
        assert TraitMatrix.model_validate(coordinator_app.get("hosts/h1/matrix").json).rows == last.rows


def test_a_matrix_of_the_future_does_not_outlast_the_next_one(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    report_matrix(coordinator_app, matrix(row("direct"), measured_at=datetime(2199, 1, 1, tzinfo=UTC)))
    stored = TraitMatrix.model_validate(coordinator_app.get("hosts/h1/matrix").json)
    assert stored.measured_at.timestamp() == coordinator_app.now
    coordinator_app.now += 100
    # A clock that is a little ahead is left as it is.
    ahead = datetime.fromtimestamp(coordinator_app.now + CLOCK_TOLERANCE_S, UTC)
    report_matrix(coordinator_app, matrix(row("tproxy", "steer"), measured_at=ahead))
    stored = TraitMatrix.model_validate(coordinator_app.get("hosts/h1/matrix").json)
    assert ([one.datapath for one in stored.rows], stored.measured_at) == (["tproxy"], ahead)


def test_what_is_not_a_hosts_own_or_not_a_matrix_is_refused(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    report_matrix(coordinator_app, FOUND, host="h2", status=422)
    report_matrix(coordinator_app, matrix(row("direct"), host="h3"), host="h3", status=404)
    body = FOUND.model_dump(mode="json")
    body["rows"][0]["findings"].pop("udp")
    for headers, status in ((coordinator_app.worker, 422), (coordinator_app.user, 401), ({}, 401)):
        answer = coordinator_app.client.put("/api/v1/worker/hosts/h1/matrix", json=body, headers=headers)
        assert answer.status_code == status
    assert coordinator_app.get("hosts/h1/matrix").status_code == 404


def test_a_host_is_asked_over_rest(coordinator_app: CoordinatorApp) -> None:
    def ask(**body: object) -> TestResponse:
        return coordinator_app.client.post("/api/v1/hosts/h1/matrix", json=body, headers=coordinator_app.user)

    assert ask().status_code == 404
    coordinator_app.register()
    answer = ask()
    assert (answer.status_code, answer.json["host"]) == (202, "h1")
    answer = ask(datapaths=["tproxy"])
    assert answer.status_code == 409
    assert answer.json["message"] == "h1 has not finished the tests that were requested before"
    coordinator_app.dispatcher.testing.clear()
    assert ask(datapaths=["tproxy"]).status_code == 202
    coordinator_app.dispatcher.testing.clear()
    assert coordinator_app.dispatcher.asked == [("h1", ()), ("h1", ("tproxy",))]
    answer = ask(datapaths=["tproxy", "nosuch"])
    assert (answer.status_code, answer.json["problems"][0]["field"]) == (422, "datapaths")
    assert "h1 has no datapath 'nosuch'; it has direct, tproxy" in answer.json["problems"][0]["message"]
    coordinator_app.dispatcher.down = True
    assert ask().status_code == 503
    coordinator_app.now += 61
    answer = ask()
    assert (answer.status_code, answer.json["message"]) == (409, "h1 is offline")
    assert len(coordinator_app.dispatcher.asked) == 2


def test_the_page_shows_each_answer_in_words_with_its_evidence(coordinator_app: CoordinatorApp) -> None:
    browser = signed_in(coordinator_app)
    assert "No worker host has registered yet." in browser.get("/matrix").text
    coordinator_app.register()
    page = browser.get("/matrix")
    assert any(s.startswith("This host has reported no matrix yet") for s in sentences(page))
    report_matrix(coordinator_app, FOUND)
    page = browser.get("/matrix")
    assert '<summary class="answer-no" title="None of 3 &lt;datagrams&gt; came back.">no</summary>' in page.text
    assert "<p>None of 3 &lt;datagrams&gt; came back.</p>" in page.text
    assert '<summary class="answer-error" title="OSError: cut.">error</summary>' in page.text
    assert page.text.count("answer-yes") == 4
    assert page.text.index(">forward<") < page.text.index(">steer<")
    assert "Tested on another kernel" not in page.text
    for other in ("/hosts", "/campaigns/new"):
        assert 'href="/matrix"' in browser.get(other).text.split("</header>")[1]


def test_the_page_says_when_the_host_runs_another_kernel_now(coordinator_app: CoordinatorApp) -> None:
    browser = signed_in(coordinator_app)
    coordinator_app.register()
    report_matrix(coordinator_app, FOUND)
    block_result = capabilities("h1").model_copy(update={"fingerprint": {"kernel": "7.1.0 #1 SMP"}})
    body = block_result.model_dump(mode="json")
    assert (
        coordinator_app.client.put("/api/v1/worker/hosts/h1", json=body, headers=coordinator_app.worker).status_code
        == 204
    )
    assert "the host now runs 7.1.0" in browser.get("/matrix").text


def ask(browser: FlaskClient) -> str:
    page = browser.get("/matrix")
    answer = browser.post("/hosts/h1/matrix", data={"csrf_token": csrf(page)})
    assert answer.status_code == 303
    return browser.get(answer.location).text


def test_a_button_asks_the_host(coordinator_app: CoordinatorApp) -> None:
    browser = signed_in(coordinator_app)
    coordinator_app.register()
    assert "was asked to test its datapaths" in ask(browser)
    assert coordinator_app.dispatcher.asked == [("h1", ())]
    assert browser.post("/hosts/h1/matrix").status_code == 403
    assert "The host was not asked: h1 has not finished the tests" in ask(browser)
    coordinator_app.dispatcher.testing.clear()
    coordinator_app.dispatcher.down = True
    assert "The host was not asked: the broker cannot be reached" in ask(browser)
    assert coordinator_app.dispatcher.asked == [("h1", ())]


def test_the_page_asks_again_until_the_host_has_a_new_matrix(coordinator_app: CoordinatorApp) -> None:
    browser = signed_in(coordinator_app)
    coordinator_app.register()
    report_matrix(coordinator_app, FOUND)
    answer = browser.post("/hosts/h1/matrix", data={"csrf_token": csrf(browser.get("/matrix"))})
    assert 'hx-trigger="every 5s"' in browser.get(answer.location).text
    assert 'hx-trigger="every 5s"' not in browser.get("/matrix").text, "nobody has just asked"
    coordinator_app.now += 1
    report_matrix(coordinator_app, FOUND.model_copy(update={"measured_at": FOUND.measured_at + timedelta(days=1)}))
    assert 'hx-trigger="every 5s"' not in browser.get(answer.location).text
