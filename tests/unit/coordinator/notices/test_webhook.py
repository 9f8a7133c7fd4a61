"""Webhooks: signed, within a time limit, and nowhere but to the address that was allowed."""

import hashlib
import hmac
import time

import pytest

from coordinator.notice_settings import notice_settings
from coordinator.notices import webhook
from tests.servers import Request, http_server, stranger, trickling

SECRET = "0123456789abcdef0123"
BODY = b'{"type": "regression"}'


def post(url: str, **more: float) -> str:
    return webhook.post(url, BODY, secret=SECRET, delivery="d1", now=1_000_000.5, **more)


def test_the_receiver_can_verify_the_signature() -> None:
    with http_server(lambda _: (200, "{}"), headers=stranger) as server:
        assert post(f"{server.url}/hook?a=1") == ""
    (request,) = server.requests
    headers = {name.lower(): value for name, value in request.headers.items()}
    at, _, signature = headers["showdown-signature"].partition(",")
    expected = hmac.new(SECRET.encode(), b"1000000." + request.body.encode(), hashlib.sha256).hexdigest()
    assert (at, signature) == ("t=1000000", f"v1={expected}")
    assert (request.method, request.path, request.query, request.body.encode()) == ("POST", "/hook", "a=1", BODY)
    assert headers["showdown-delivery"] == "d1"


def test_no_redirect_is_followed() -> None:
    with http_server(lambda _: (200, "{}"), headers=stranger) as other:
        with http_server(lambda _: (307, ""), headers=lambda _: {"Location": other.url}) as server:
            assert post(server.url) == "status 307 (redirects are not followed)"
        assert other.requests == []


def test_other_answers_are_reported_with_their_beginning() -> None:
    def answer(_: Request) -> tuple[int, str]:
        return 500, "x" * 100_000

    with http_server(answer, headers=stranger) as server:
        problem = post(server.url)
    assert problem == "status 500: " + "x" * 200


def test_an_answer_that_never_ends_is_given_up() -> None:
    with trickling(b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 10_000) as url:
        began = time.monotonic()
        assert post(url, total_s=0.3) == "no complete answer within 0.3 s"
        assert time.monotonic() - began < 10  # the trickle would last 500 s


def test_a_receiver_that_is_not_there_is_a_sentence() -> None:
    with http_server(lambda _: (200, "{}")) as server:
        url = server.url
    assert post(url).startswith("not reached: ")


def test_the_proxy_of_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with http_server(lambda _: (204, ""), headers=stranger) as server:
        assert post(server.url) == ""


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("https://hooks.example.com/a?b=c", ""),
        ("https://HOOKS.example.com:443/", ""),
        ("http://10.0.0.5:8080/x", ""),
        ("https://[::1]:9000/", ""),
        ("https://hooks.example.com:8443/", "SHOWDOWN_WEBHOOK_HOSTS does not allow"),
        ("http://10.0.0.5/x", "SHOWDOWN_WEBHOOK_HOSTS does not allow"),
        ("https://hooks.example.com.evil.example/", "SHOWDOWN_WEBHOOK_HOSTS does not allow"),
        ("https://evil.example/hooks.example.com", "SHOWDOWN_WEBHOOK_HOSTS does not allow"),
        ("https://evil.example?@hooks.example.com/", "SHOWDOWN_WEBHOOK_HOSTS does not allow"),
        ("https://hooks.example.com@evil.example/", "must have no user"),
        ("https://hooks.example.com\\@evil.example/", ""),
        ("http://127.0.0.1:8400/", "SHOWDOWN_WEBHOOK_HOSTS does not allow"),
        ("http://169.254.169.254/latest/meta-data", "SHOWDOWN_WEBHOOK_HOSTS does not allow"),
        ("http://0x7f.1/", "SHOWDOWN_WEBHOOK_HOSTS does not allow"),
        ("file:///etc/passwd", "must begin with https"),
        ("gopher://hooks.example.com/", "must begin with https"),
        ("https://", "must begin with https"),
        ("https://hooks.example.com/\r\nX: y", "is not an address"),
    ],
)
def test_only_allowed_hosts_and_ports(url: str, problem: str) -> None:
    settings = notice_settings(
        {
            "SHOWDOWN_WEBHOOK_HOSTS": "hooks.example.com, 10.0.0.5:8080, [::1]:9000",
            "SHOWDOWN_WEBHOOK_SECRET": SECRET,
        }
    )
    found = settings.webhook_problem(url)
    if "\\" in url:
        assert found
        return
    assert (problem in found) if problem else found == ""


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"SHOWDOWN_WEBHOOK_HOSTS": "hooks.example.com"}, "SHOWDOWN_WEBHOOK_SECRET needs at least 16"),
        ({"SHOWDOWN_WEBHOOK_HOSTS": "https://a.example"}, "is not HOST or HOST:PORT"),
        ({"SHOWDOWN_WEBHOOK_HOSTS": "*.example.com"}, "is not HOST or HOST:PORT"),
        ({"SHOWDOWN_WEBHOOK_HOSTS": "a.example:99999"}, "SHOWDOWN_WEBHOOK_HOSTS is not valid"),
        ({"SHOWDOWN_SMTP_URL": "mail.example.com"}, "SHOWDOWN_SMTP_URL must begin with smtp://"),
        ({"SHOWDOWN_SMTP_URL": "smtp+plain://u:p@mail.example.com"}, "must not be sent without TLS"),
        ({"SHOWDOWN_SMTP_URL": "smtp://mail.example.com"}, "SHOWDOWN_MAIL_FROM must be"),
        ({"SHOWDOWN_MAIL_TO": "example.com"}, "SHOWDOWN_MAIL_TO must be"),
    ],
)
def test_wrong_settings_name_their_variable(environment: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message.replace("*", r"\*").replace("+", r"\+")):
        notice_settings(environment)
