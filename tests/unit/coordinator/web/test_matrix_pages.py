"""The matrix of traits at the coordinator: told by workers, read over REST, shown on its page, asked for."""

from datetime import timedelta

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from domain.traits import Answer, TraitMatrix
from tests.unit.coordinator.coordinator_app import House, capabilities
from tests.unit.coordinator.pages import csrf, sentences, signed_in
from tests.unit.matrices import matrix, row

FOUND = matrix(
    row("direct"),
    row("tproxy", "steer", udp=(Answer.NO, "None of 3 <datagrams> came back.")),
    row("ebpf_xdp", udp=(Answer.ERROR, "OSError: cut.")),
)


def tell(house: House, found: TraitMatrix, host: str = "h1", status: int = 204) -> None:
    body = found.model_dump(mode="json")
    answer = house.client.put(f"/api/v1/worker/hosts/{host}/matrix", json=body, headers=house.worker)
    assert answer.status_code == status, answer.text


def test_what_a_host_tells_can_be_read_and_the_newest_stays(house: House) -> None:
    house.register()
    assert house.get("hosts/h1/matrix").status_code == 404
    tell(house, FOUND)
    tell(house, FOUND)
    assert TraitMatrix.model_validate(house.get("hosts/h1/matrix").json) == FOUND
    newer = matrix(row("direct"), measured_at=FOUND.measured_at + timedelta(seconds=1))
    tell(house, newer)
    tell(house, FOUND)
    assert TraitMatrix.model_validate(house.get("hosts/h1/matrix").json) == newer


def test_what_is_not_a_hosts_own_or_not_a_matrix_is_refused(house: House) -> None:
    house.register()
    tell(house, FOUND, host="h2", status=422)
    tell(house, matrix(row("direct"), host="h3"), host="h3", status=404)
    body = FOUND.model_dump(mode="json")
    body["rows"][0]["findings"].pop("udp")
    for headers, status in ((house.worker, 422), (house.user, 401), ({}, 401)):
        answer = house.client.put("/api/v1/worker/hosts/h1/matrix", json=body, headers=headers)
        assert answer.status_code == status
    assert house.get("hosts/h1/matrix").status_code == 404


def test_a_host_is_asked_over_rest(house: House) -> None:
    def ask(**body: object) -> TestResponse:
        return house.client.post("/api/v1/hosts/h1/matrix", json=body, headers=house.user)

    assert ask().status_code == 404
    house.register()
    answer = ask()
    assert (answer.status_code, answer.json["host"]) == (202, "h1")
    assert ask(datapaths=["tproxy"]).status_code == 202
    assert house.dispatcher.asked == [("h1", ()), ("h1", ("tproxy",))]
    answer = ask(datapaths=["tproxy", "nosuch"])
    assert (answer.status_code, answer.json["problems"][0]["field"]) == (422, "datapaths")
    assert "h1 has no datapath 'nosuch'; it has direct, tproxy" in answer.json["problems"][0]["message"]
    house.dispatcher.down = True
    assert ask().status_code == 503
    house.now += 61
    answer = ask()
    assert (answer.status_code, answer.json["message"]) == (409, "h1 is offline")
    assert len(house.dispatcher.asked) == 2


def test_the_page_shows_each_answer_in_words_with_its_evidence(house: House) -> None:
    browser = signed_in(house)
    assert "No worker host has registered yet." in browser.get("/matrix").text
    house.register()
    page = browser.get("/matrix")
    assert any(s.startswith("It has told nothing yet") for s in sentences(page))
    tell(house, FOUND)
    page = browser.get("/matrix")
    assert '<summary class="answer-no" title="None of 3 &lt;datagrams&gt; came back.">no</summary>' in page.text
    assert "<p>None of 3 &lt;datagrams&gt; came back.</p>" in page.text
    assert '<summary class="answer-error" title="OSError: cut.">error</summary>' in page.text
    assert page.text.count("answer-yes") == 4
    assert page.text.index(">forward<") < page.text.index(">steer<")
    assert "Found on another kernel" not in page.text
    for other in ("/hosts", "/campaigns/new"):
        assert 'href="/matrix"' in browser.get(other).text.split("</header>")[1]


def test_the_page_says_when_the_host_runs_another_kernel_now(house: House) -> None:
    browser = signed_in(house)
    house.register()
    tell(house, FOUND)
    told = capabilities("h1").model_copy(update={"fingerprint": {"kernel": "7.1.0 #1 SMP"}})
    body = told.model_dump(mode="json")
    assert house.client.put("/api/v1/worker/hosts/h1", json=body, headers=house.worker).status_code == 204
    assert "the host runs 7.1.0 now" in browser.get("/matrix").text


def ask(browser: FlaskClient) -> str:
    page = browser.get("/matrix")
    answer = browser.post("/hosts/h1/matrix", data={"csrf_token": csrf(page)})
    assert answer.status_code == 303
    return browser.get(answer.location).text


def test_a_button_asks_the_host(house: House) -> None:
    browser = signed_in(house)
    house.register()
    assert "was asked to test its datapaths" in ask(browser)
    assert house.dispatcher.asked == [("h1", ())]
    assert browser.post("/hosts/h1/matrix").status_code == 403
    house.dispatcher.down = True
    assert "Nothing was asked: the broker cannot be reached" in ask(browser)
    assert house.dispatcher.asked == [("h1", ())]
