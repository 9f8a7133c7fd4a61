"""What the nginx origin counts: requests from nginx's status page, and connections from its log."""

import socket
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from workers.lab.lab import Lab
from workers.origins.base import OriginError
from workers.origins.nginx import PLACE, NginxOrigin


def origin_in(run_dir: Path) -> NginxOrigin:
    (run_dir / PLACE).mkdir()
    lab = SimpleNamespace(run_dir=run_dir, answering=("10.0.0.1", "10.0.0.2"))
    return NginxOrigin(cast(Lab, lab), b"")


class StatusPage:
    """Answers as nginx's stub_status does: each question that it answers counts as a request."""

    def __init__(self, path: Path) -> None:
        self.requests = 0
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()

    def answering(self, ask: Callable[[], int], *, body: str = "") -> int:
        """Answer one question while ``ask`` asks it; returns what ``ask`` returns."""
        thread = threading.Thread(target=self._answer, args=(body,))
        thread.start()
        try:
            return ask()
        finally:
            thread.join()

    def _answer(self, body: str) -> None:
        connection, _ = self._listener.accept()
        with connection:
            connection.recv(4096)
            if not body:
                self.requests += 1
                body = f"Active connections: 1 \nserver accepts handled requests\n 9 9 {self.requests} \n"
            head = f"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
            connection.sendall((head + body).encode())

    def close(self) -> None:
        self._listener.close()


def test_a_question_that_failed_is_not_subtracted_from_later_counts(tmp_path: Path) -> None:
    origin = origin_in(tmp_path)
    for _ in range(3):
        with pytest.raises(OriginError):
            origin.requests()  # nginx does not listen yet
    page = StatusPage(tmp_path / PLACE / "status.sock")
    assert page.answering(origin.requests) == 0
    page.requests += 7
    assert page.answering(origin.requests) == 7
    with pytest.raises(OriginError, match="malformed"):
        page.answering(origin.requests, body="what?")
    page.close()


def test_a_line_that_nginx_has_written_half_is_counted_once_it_is_whole(tmp_path: Path) -> None:
    log, origin = tmp_path / PLACE / "opened.log", origin_in(tmp_path)
    assert origin.connections() == {}
    log.write_bytes(b"10.0.0.1\n10.0")
    assert origin.connections() == {"10.0.0.1": 1}
    log.write_bytes(b"10.0.0.1\n10.0.0.2\n10.0.0.1\n")
    assert origin.connections() == {"10.0.0.1": 2, "10.0.0.2": 1}


def test_positions_in_the_log_are_bytes_not_characters(tmp_path: Path) -> None:
    log, origin = tmp_path / PLACE / "opened.log", origin_in(tmp_path)
    log.write_bytes(b"10.0.0.1\n10.0.0.2\r")  # text mode would read the carriage return as the end of the line
    assert origin.connections() == {"10.0.0.1": 1}
    log.write_bytes(b"10.0.0.1\n10.0.0.2\r\n\xc3\xa9")
    assert origin.connections() == {"10.0.0.1": 1, "10.0.0.2\r": 1}
    log.write_bytes(b"10.0.0.1\n10.0.0.2\r\n\xc3\xa9\n10.0.0.2\n")
    assert origin.connections() == {"10.0.0.1": 1, "10.0.0.2\r": 1, "\u00e9": 1, "10.0.0.2": 1}
