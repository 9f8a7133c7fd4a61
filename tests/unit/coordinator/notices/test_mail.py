"""Mail: what is in it, and that no password leaves without TLS. A small SMTP server takes what is sent."""

import json
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from coordinator.notice_settings import NoticeSettings, notice_settings
from coordinator.notices import mail

EVENT = {
    "rule": {"metric": "cpu_us_per_request", "datapath": "tproxy"},
    "campaign": {"id": "k3f9x2ab", "name": "nightly", "started_at": "2026-06-01T02:30:00.000+00:00"},
    "changed": [{"name": "kernel", "before": "6.18.5", "after": "6.19.0"}],
    "sentence": "CPU of tproxy is +12.0 %.",
}


class Server(socketserver.ThreadingTCPServer):
    """SMTP without extensions; keeps every line that it was sent."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.lines: list[str] = []
        self.bye = b"221 bye\r\n"


class Handler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        assert isinstance(self.server, Server)
        self.wfile.write(b"220 test\r\n")
        is_data = False
        for line in self.rfile:
            text = line.decode().rstrip("\r\n")
            self.server.lines.append(text)
            is_data = (is_data and text != ".") or text == "data"
            if not is_data or text == "data":
                self.wfile.write({"data": b"354 go\r\n", "quit": self.server.bye}.get(text, b"250 ok\r\n"))


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as found:
        thread = threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield found
        found.shutdown()
        thread.join()


def settings(url: str) -> NoticeSettings:
    return notice_settings(
        {"SHOWDOWN_SMTP_URL": url, "SHOWDOWN_MAIL_FROM": "showdown@example.com", "SHOWDOWN_MAIL_TO": "@example.com"}
    )


def a_mail(**event: object) -> mail.EmailMessage:
    return mail.message_of(
        json.dumps({**EVENT, **event}), sender="showdown@example.com", receiver="ops@example.com",
        delivery="d1", now=1_780_000_000.0, page="https://showdown.example.com/campaigns/k3f9x2ab",
    )  # fmt: skip


def test_a_mail_says_what_regressed_and_where_to_look(server: Server) -> None:
    found = settings(f"smtp+plain://127.0.0.1:{server.server_address[1]}")
    assert mail.send(found, a_mail()) == ""
    text = "\n".join(server.lines)
    assert "mail FROM:<showdown@example.com>" in text
    assert "rcpt TO:<ops@example.com>" in text
    assert a_mail()["Subject"] == "Regression: CPU µs/request of tproxy in nightly"
    assert "Message-ID: <d1@example.com>" in text
    assert EVENT["sentence"] in text
    assert "kernel 6.18.5 -> 6.19.0" in text
    assert "https://showdown.example.com/campaigns/k3f9x2ab" in text


def test_a_mail_that_was_accepted_is_sent_whatever_the_goodbye(server: Server) -> None:
    server.bye = b"421 too late\r\n"
    assert mail.send(settings(f"smtp+plain://127.0.0.1:{server.server_address[1]}"), a_mail()) == ""


def test_without_starttls_neither_password_nor_mail_is_sent(server: Server) -> None:
    found = settings(f"smtp://user:secret-word@127.0.0.1:{server.server_address[1]}")
    assert mail.send(found, a_mail()).startswith("not accepted: ")
    assert "STARTTLS" in mail.send(found, a_mail())
    assert not any(word in line for line in server.lines for word in ("AUTH", "mail FROM", "secret"))


def test_a_name_with_a_line_break_makes_no_header() -> None:
    with pytest.raises(ValueError, match="linefeed"):
        a_mail(rule={"metric": "m", "datapath": "x\nBcc: a@b.example"})


def test_a_server_that_is_not_there_is_a_sentence(server: Server) -> None:
    assert mail.send(NoticeSettings(), a_mail()) == "the setting SHOWDOWN_SMTP_URL is missing"
    closed = settings("smtp+plain://127.0.0.1:1")
    assert mail.send(closed, a_mail()) == "not accepted: Connection refused"


@pytest.mark.parametrize(
    ("address", "is_allowed"),
    [("a@example.com", True), ("A@Example.Com", True), ("a@sub.example.com", False), ("a@b@example.org", False)],
)
def test_only_allowed_receivers(address: str, is_allowed: bool) -> None:
    assert (settings("smtp://mail.example.com").mail_problem(address) == "") is is_allowed


class Trickling(socketserver.BaseRequestHandler):
    """A greeting that never ends: another line of it before any time limit of a single read."""

    def handle(self) -> None:
        with suppress(OSError):
            while True:
                self.request.sendall(b"220-wait\r\n")
                time.sleep(0.02)


@pytest.mark.parametrize("security", ["smtp+plain", "smtp"])
def test_a_server_that_never_ends_its_answer_holds_up_no_other_message(security: str) -> None:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Trickling) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        url, said = f"{security}://127.0.0.1:{server.server_address[1]}", list[str]()
        sending = threading.Thread(target=lambda: said.append(mail.send(settings(url), a_mail(), 0.3)), daemon=True)
        sending.start()
        sending.join(10)
        server.shutdown()
    assert [one.startswith("not accepted: ") for one in said] == [True]
