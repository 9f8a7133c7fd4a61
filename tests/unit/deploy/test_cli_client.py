"""The REST client: its requests, and its errors for each bad answer."""

import io

import httpx
import pytest

from deploy.cli.errors import CampaignInvalid, CommandError, Unreachable, UsageProblem
from deploy.cli.rest.client import Coordinator
from domain.loads.metric import Metric
from domain.runs.notice import NewNotice
from domain.runs.rule import NewRule
from domain.runs.schedule import NewSchedule

CAMPAIGN = {"name": "small", "datapaths": ["direct", "tproxy"], "levels": {"low": "closed(8)"}}
RULE = NewRule(
    series="0123456789abcdef", workload="http_keepalive", level="low", datapath="tproxy",
    metric=Metric.CPU_US_PER_REQUEST, webhook="https://hooks.example.com/showdown",
)  # fmt: skip


def coordinator(answer):
    handler = answer if callable(answer) else lambda request: answer
    return Coordinator("http://coordinator.test/", "secret-token", transport=httpx.MockTransport(handler))


def test_a_campaign_is_submitted_as_toml_with_the_token():
    seen = []

    def accept(request):
        seen.append(request)
        return httpx.Response(201, json={"id": "k3f9x2ab"})

    with coordinator(accept) as client:
        assert client.submit('name = "µ"')["id"] == "k3f9x2ab"
    (request,) = seen
    assert request.method == "POST"
    assert str(request.url) == "http://coordinator.test/api/v1/campaigns"
    assert request.headers["authorization"] == "Bearer secret-token"
    assert request.headers["content-type"] == "application/toml"
    assert request.content.decode() == 'name = "µ"'


def test_a_lost_answer_is_asked_for_again_and_submits_nothing_twice():
    keys = []

    def lose_the_first(request):
        keys.append(request.headers["idempotency-key"])
        if len(keys) == 1:
            raise httpx.ReadError("connection reset")
        return httpx.Response(201, json={"id": "k3f9x2ab"})

    with coordinator(lose_the_first) as client:
        assert client.submit("")["id"] == "k3f9x2ab"
        client.submit("")
    assert keys[0] == keys[1] != keys[2]


@pytest.mark.parametrize(
    "create",
    [
        lambda client: client.create_share("k3f9x2ab", days=1),
        lambda client: client.change_schedule("k3f9x2ab", "run"),
        lambda client: client.add_schedule(
            NewSchedule(name="n", cron="30 2 * * *", time_zone="UTC", campaign=CAMPAIGN)
        ),
        lambda client: client.add_rule(RULE),
        lambda client: client.add_notice(NewNotice(webhook="https://hooks.example.com/showdown")),
    ],
    ids=["link", "run", "schedule", "rule", "notice"],
)
def test_what_creates_something_is_asked_for_again_with_its_key(create):
    keys = []

    def lose_all(request):
        keys.append(request.headers["idempotency-key"])
        raise httpx.ReadError("connection reset")

    with coordinator(lose_all) as client, pytest.raises(Unreachable):
        create(client)
    assert len(keys) == 2
    assert keys[0] == keys[1]


def test_a_problem_document_is_read():
    body = {"detail": "the input is invalid", "code": "invalid_input", "errors": [{"field": "blocks", "message": "no"}]}
    with coordinator(httpx.Response(422, json=body)) as client, pytest.raises(CampaignInvalid) as refused:
        client.submit("")
    assert refused.value.format_message().splitlines() == ["the input is invalid", "  blocks: no"]


def test_each_problem_is_reported_with_its_field():
    body = {"message": "the input was refused", "problems": [{"field": "blocks", "message": "is required"},
                                                             {"field": "levels.low", "message": "what?"}]}  # fmt: skip
    with coordinator(httpx.Response(422, json=body)) as client, pytest.raises(CampaignInvalid) as refused:
        client.submit("")
    assert refused.value.exit_code == 3
    assert refused.value.format_message().splitlines() == [
        "the input was refused",
        "  blocks: is required",
        "  levels.low: what?",
    ]


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (httpx.Response(401, json={"message": "who are you?"}), Unreachable, "refuses the token: who are you?"),
        (httpx.Response(403, text="<html>"), Unreachable, "SHOWDOWN_TOKEN"),
        (httpx.Response(503, text="down"), Unreachable, "is not available"),
        (httpx.Response(404, json={"message": "there is no campaign 'x1'"}), UsageProblem, "there is no campaign"),
        (httpx.Response(413, json={"message": "too large"}), CampaignInvalid, "too large"),
        (httpx.Response(500, json={"message": "oh"}), CommandError, "answers 500: oh"),
        (httpx.Response(500, json=["no", "object"]), CommandError, "answers 500"),
        (httpx.Response(200, text="<html>hello"), CommandError, "is not a coordinator"),
        (httpx.Response(200, json=[1]), CommandError, "is not a coordinator"),
    ],
)
def test_bad_answers(answer, error, words):
    with coordinator(answer) as client, pytest.raises(CommandError, match=words) as raised:
        client.campaign("x1")
    assert type(raised.value) is error


def test_nobody_there():
    def refuse(request):
        raise httpx.ConnectError("Connection refused")

    for ask in (
        lambda client: client.campaign("x1"),
        lambda client: client.readiness(),
        lambda client: client.save_bundle("x1", io.BytesIO()),
    ):
        with (
            coordinator(refuse) as client,
            pytest.raises(Unreachable, match=r"http://coordinator\.test.*refused \('showdown up' starts one\)"),
        ):
            ask(client)


def test_a_download_that_breaks_off_is_no_missing_coordinator():
    def break_off(request):
        raise httpx.ReadError("connection reset")

    with coordinator(break_off) as client, pytest.raises(Unreachable, match="sent no whole answer"):
        client.save_bundle("x1", io.BytesIO())


def test_an_id_cannot_lead_elsewhere():
    with coordinator(httpx.Response(200, json={})) as client, pytest.raises(UsageProblem, match="is not an id"):
        client.cancel("../hosts")


@pytest.mark.parametrize("url", ["ftp://x", "nonsense", "http://[::1", "http://x:port"])
def test_a_url_that_is_none(url):
    with pytest.raises(CommandError) as raised, Coordinator(url, "t") as client:
        client.campaigns()
    assert raised.value.exit_code in (2, 69)


def test_a_token_that_no_header_can_carry():
    with pytest.raises(UsageProblem):
        Coordinator("http://x", "tökén\n")


def test_a_report_from_another_version_says_so():
    with (
        coordinator(httpx.Response(200, json={"results": 7})) as client,
        pytest.raises(CommandError, match="the same version"),
    ):
        client.report("x1")
